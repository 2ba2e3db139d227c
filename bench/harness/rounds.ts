import { writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import {
  missing,
  type Plan,
  type Surroundings,
  startCollector,
  startPlan,
  startUseless,
} from '../peers/start.ts'
import type { Workload } from '../workloads.ts'
import { type Usage, usage } from './accounting.ts'
import type { LoadResult } from './load.ts'
import { OpenLoop } from './open-loop.ts'
import type { Server } from './server.ts'
import { rotate } from './statistics.ts'
import { runWrk } from './wrk.ts'

/** One server under one round of load. */
export interface Sample {
  /** Which one, from 1: servers are compared within a round, since the machine is not the same minutes later. */
  readonly round: number
  readonly requestsPerSecond: number
  readonly megabytesPerSecond: number
  /** CPU time per request, by the kernel's accounting of the server's own processes. */
  readonly cpuUs: number
  /** The same of the threads that carry the traffic. */
  readonly threadCpuUs: number
  /** The share of its core the server used: below 1 the load side was the limit, not the server. */
  readonly busy: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly rssMb: number
  readonly requests: number
  readonly errors: number
}

export interface WorkloadResult {
  readonly samples: Readonly<Record<string, readonly Sample[]>>
  /** What was left out or looks wrong, in sentences. */
  readonly notes: readonly string[]
}

export interface RoundOptions {
  readonly rounds: number
  readonly seconds: number
  readonly connections: number
  readonly isWanted: (server: string) => boolean
  readonly progress: (line: string) => void
}

interface Contestant {
  readonly name: string
  readonly port: number
  readonly pid: number
  readonly collector: Server | undefined
}

/** Starts all servers of a workload, loads them in turn, round by round, and ends them. */
export async function runWorkload(
  workload: Workload,
  around: Surroundings,
  options: RoundOptions,
): Promise<WorkloadResult> {
  await using stack = new AsyncDisposableStack()
  const notes: string[] = []
  const contestants: Contestant[] = []
  for (const [name, plan] of Object.entries(workload.servers)) {
    if (!options.isWanted(name) && name !== workload.base) continue
    try {
      const reason = missing(plan)
      if (reason) throw new Error(reason)
      const contestant = await enter(name, plan, { workload, around, stack })
      await checkAnswer(contestant.port, workload)
      contestants.push(contestant)
    } catch (error) {
      notes.push(`${workload.name}: ${name} is left out: ${(error as Error).message.trim()}`)
    }
  }

  const luaFile = workload.lua === undefined ? undefined : `${around.directory}/${workload.name}.lua`
  if (luaFile !== undefined) writeFileSync(luaFile, workload.lua as string)
  const samples: Record<string, Sample[]> = Object.fromEntries(contestants.map(c => [c.name, []]))
  const sent: Record<string, number> = {}
  const rounds = options.rounds * (workload.roundsTimes ?? 1)
  const openLoop = workload.rate === undefined ? undefined : stack.use(new OpenLoop())
  const heats = heatsOf(workload, contestants)
  const { warmUpSeconds = 0, secondsTimes = 1 } = workload
  for (let round = 0; round <= rounds; round++) {
    for (const [index, heat] of rotate([...heats.entries()], round)) {
      const names = heat.map(({ name }) => name).join(' and ')
      const isWarmUp = round === 0
      options.progress(`${workload.name}: ${isWarmUp ? 'warm-up' : `round ${round}/${rounds}`}, ${names}`)
      const seconds = isWarmUp ? Math.max(options.seconds, warmUpSeconds) : options.seconds * secondsTimes
      try {
        const results = await load(heat, workload, { ...options, seconds, luaFile, openLoop })
        for (const [name, result] of results) {
          sent[name] = (sent[name] ?? 0) + result.requests
          // Of a base that is loaded beside each of the others each time counts by itself.
          const number = heat.length === 1 ? round : round * heats.length + index
          if (!isWarmUp) samples[name]?.push({ round: number, ...result })
        }
      } catch (error) {
        notes.push(`${workload.name}: a round of ${names} failed: ${(error as Error).message.trim()}`)
      }
    }
  }
  for (const { name, collector } of contestants) {
    if (collector)
      notes.push(await compareLogged(`${workload.name}: ${name}`, collector.port, sent[name] ?? 0))
  }
  return { samples, notes }
}

async function enter(
  name: string,
  plan: Plan,
  { workload, around, stack }: { workload: Workload; around: Surroundings; stack: AsyncDisposableStack },
): Promise<Contestant> {
  if (plan.kind === 'direct')
    return { name, port: around.origin, pid: around.originPid, collector: undefined }
  const needsCollector = workload.collector === true && plan.kind === 'sluice' && /^log/.test(plan.script)
  const collector = needsCollector ? stack.use(await startCollector()) : undefined
  const isTraced = plan.kind === 'sluice' && plan.tracing !== undefined
  const traces = isTraced ? stack.use(await startCollector()) : undefined
  const mirror = plan.kind === 'sluice' ? plan.mirror : undefined
  const useless =
    mirror === undefined || mirror === 'dead' ? undefined : stack.use(await startUseless(mirror))
  const env = {
    ...(useless && { MIRROR: `127.0.0.1:${useless.port}` }),
    ...(collector && { COLLECTOR: `127.0.0.1:${collector.port}` }),
    ...(traces && { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `http://127.0.0.1:${traces.port}` }),
  }
  const { port, pid } = stack.use(await startPlan({ name, plan, around, env }))
  return { name, port, pid, collector }
}

/** What is loaded at one time: each server alone, or each beside the base. */
function heatsOf(workload: Workload, contestants: readonly Contestant[]): Contestant[][] {
  const base = contestants.find(({ name }) => name === workload.base)
  if (workload.isPaired !== true || base === undefined) return contestants.map(one => [one])
  return contestants.filter(one => one !== base).map(other => [base, other])
}

async function load(
  heat: readonly Contestant[],
  workload: Workload,
  options: RoundOptions & { luaFile: string | undefined; openLoop: OpenLoop | undefined },
): Promise<[name: string, Omit<Sample, 'round'>][]> {
  const { path, rate, headers } = workload
  const { seconds, connections, luaFile, openLoop } = options
  const target = { path, seconds, connections, headers, luaFile }
  const before = heat.map(({ pid }) => usage(pid))
  const beganMs = performance.now()
  const ports = heat.map(({ port }) => port)
  const results =
    rate === undefined || openLoop === undefined
      ? [await runWrk({ ...target, port: ports[0] as number })]
      : await openLoop.run({ ...target, ports, rate })
  const elapsedUs = (performance.now() - beganMs) * 1000
  return heat.map(({ name, pid }, i) => {
    const from = before[i] as Usage
    const to = usage(pid)
    const used = {
      cpuUs: to.cpuUs - from.cpuUs,
      threadCpuUs: to.threadCpuUs - from.threadCpuUs,
      elapsedUs,
      rssMb: to.rssMb,
    }
    return [name, sampleOf(results[i] as LoadResult, used)]
  })
}

function sampleOf(
  result: LoadResult,
  used: { cpuUs: number; threadCpuUs: number; elapsedUs: number; rssMb: number },
): Omit<Sample, 'round'> {
  return {
    requestsPerSecond: result.requests / result.seconds,
    megabytesPerSecond: result.megabytes / result.seconds,
    cpuUs: used.cpuUs / Math.max(result.requests, 1),
    threadCpuUs: used.threadCpuUs / Math.max(result.requests, 1),
    busy: used.cpuUs / used.elapsedUs,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    rssMb: used.rssMb,
    requests: result.requests,
    errors: result.errors,
  }
}

/** A server that answers something else is not faster, it is wrong. */
async function checkAnswer(port: number, workload: Workload): Promise<void> {
  const { status, body } = await fetchBody(port, workload.path, workload.headers)
  if (status !== 200) throw new Error(`it answers ${status} instead of 200: ${body.toString('utf8', 0, 200)}`)
  if (body.length !== workload.bodyBytes) {
    throw new Error(`its answer has ${body.length} bytes instead of ${workload.bodyBytes}`)
  }
}

function fetchBody(
  port: number,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number; body: Buffer }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: Buffer }>()
  const request = get({ host: '127.0.0.1', port, path, headers, timeout: 5000, agent: false }, response => {
    const chunks: Buffer[] = []
    response.on('data', chunk => chunks.push(chunk))
    response.on('end', () => {
      const body = Buffer.concat(chunks)
      const isZipped = response.headers['content-encoding'] === 'gzip'
      resolve({ status: response.statusCode ?? 0, body: isZipped ? gunzipSync(body) : body })
    })
    response.on('error', reject)
  })
  request.on('timeout', () => request.destroy(new Error('no answer within 5 s')))
  request.on('error', reject)
  return promise
}

/** The collector's count against wrk's: a log that is fast because it loses records is no log. */
async function compareLogged(who: string, port: number, requests: number): Promise<string> {
  let lines = 0
  for (let tries = 0; tries < 30 && lines < requests; tries++) {
    if (tries > 0) await sleep(100)
    lines = (JSON.parse((await fetchBody(port, '/')).body.toString()) as { lines: number }).lines
  }
  const verdict = lines < requests ? `LOST ${requests - lines}` : 'none lost'
  return `${who}: the collector has ${lines} records of ${requests} answered requests and one check: ${verdict}`
}
