/**
 * Where Sluice's time goes under a workload's load.
 *
 *   node bench/profile.ts <workload> [--modes=v8,perf,syscalls,deopts] [--transport=net] [--seconds=3] [--top=25]
 *                         [--server=node:http] [--script=file.ts] [--keep=directory]
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { usage } from './harness/accounting.ts'
import { temporaryDirectory } from './harness/directory.ts'
import { requireTools } from './harness/machine.ts'
import { type Server, versionOf } from './harness/server.ts'
import { runWrk } from './harness/wrk.ts'
import { type Plan, type Surroundings, startCollector, startOrigin, startPlan } from './peers/start.ts'
import { parseDeopts, parseStraceSummary } from './profile/counts.ts'
import { parsePerfScript } from './profile/perf.ts'
import { perfText, type Scale, v8Text } from './profile/text.ts'
import { analyze, type CpuProfile } from './profile/v8.ts'
import { WORKLOADS, type Workload } from './workloads.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    modes: { type: 'string', default: 'v8,perf,syscalls,deopts' },
    transport: { type: 'string', default: 'auto' },
    seconds: { type: 'string', default: '3' },
    top: { type: 'string', default: '25' },
    server: { type: 'string' },
    script: { type: 'string' },
    keep: { type: 'string' },
  },
})
const seconds = Number(values.seconds)
const top = Number(values.top)
const agent = pathToFileURL(resolve(import.meta.dirname, 'profile/agent.ts')).href

process.on('SIGINT', () => process.exit(130))
requireTools()
const workload = WORKLOADS.find(({ name }) => name === positionals[0])
if (!workload) throw new Error(`a workload is wanted: ${WORKLOADS.map(({ name }) => name).join(', ')}`)
const plan = choosePlan(workload)
const directory = workDirectory()
await using origin = await startOrigin(directory)
const around: Surroundings = { directory, origin: origin.port, originPid: origin.pid }
const modes: Readonly<Record<string, () => Promise<string>>> = { v8, perf, syscalls, deopts }
for (const name of values.modes.split(',')) {
  const mode = modes[name]
  if (!mode) throw new Error(`--modes=${name}: the modes are ${Object.keys(modes).join(', ')}`)
  process.stdout.write(`\n==== ${positionals[0]}, ${name} ====\n\n${await mode()}\n`)
}

/** V8's sampling profiler, inside each thread. */
async function v8(): Promise<string> {
  for (const file of profileFiles()) rmSync(join(directory, file)) // of an earlier run with --keep
  const env = {
    NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import=${agent}`,
    BENCH_PROFILE_DIR: directory,
  }
  const { scale } = await underLoad({ env }, async ({ pid }) => {
    process.kill(pid, 'SIGUSR2')
    await sleep(seconds * 1000)
    process.kill(pid, 'SIGUSR2')
    await profilesWritten()
  })
  const profiles = profileFiles()
    .map(file => ({
      file,
      profile: analyze(JSON.parse(readFileSync(join(directory, file), 'utf8')) as CpuProfile),
    }))
    .sort((a, b) => b.profile.busyUs - a.profile.busyUs)
  const isWorking = ({ profile }: (typeof profiles)[number]) => profile.busyUs > 0.05 * profile.wallUs
  return profiles
    .filter(isWorking)
    .map(({ file, profile }) => v8Text(file.replace('.cpuprofile', ''), profile, scale))
    .join('\n\n')
}

/** Each thread writes its own profile when it stops: done when the files stop growing in number and size. */
async function profilesWritten(): Promise<void> {
  const sizes = () => profileFiles().map(file => `${file} ${statSync(join(directory, file)).size}`)
  let before = ''
  for (let tries = 0; tries < 40; tries++) {
    await sleep(500)
    const now = sizes().join()
    if (now !== '' && now === before) return
    before = now
  }
  throw new Error('the profiled process wrote no profile: is --import kept from its threads?')
}

function profileFiles(): string[] {
  return readdirSync(directory).filter(file => file.endsWith('.cpuprofile'))
}

/** Linux perf: JavaScript, V8's builtins, native code and kernel in one sight. */
async function perf(): Promise<string> {
  if (versionOf('perf', '--version') === undefined) return 'perf is not installed (Debian: linux-perf)'
  const file = join(directory, 'perf.data')
  const nodeArgs = ['--perf-basic-prof', '--interpreted-frames-native-stack']
  const { scale, pid } = await underLoad({ nodeArgs }, async ({ pid }) => {
    const args = ['record', '-q', '-e', 'cpu-clock', '-F', '1999', '-g', '-p', String(pid), '-o', file]
    await ended('perf', [...args, '--', 'sleep', String(seconds)])
  })
  const fields = ['script', '-i', file, '-F', 'comm,tid,ip,sym,dso']
  const text = execFileSync('perf', fields, {
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  rmSync(`/tmp/perf-${pid}.map`, { force: true })
  return perfText(parsePerfScript(text), scale)
}

/** System calls per request. Tracing slows the server manyfold, so only the counts mean something. */
async function syscalls(): Promise<string> {
  if (versionOf('strace', '--version') === undefined) return 'strace is not installed'
  const file = join(directory, 'strace.txt')
  let requests = 0
  await underLoad(
    {},
    async server => {
      const tracer = spawn('strace', ['-q', '-c', '-f', '-o', file, '-p', String(server.pid)], {
        stdio: 'ignore',
      })
      await sleep(500)
      requests = (await runWrk({ ...target(server), seconds: 1 })).requests
      tracer.kill('SIGINT')
      await once(tracer, 'exit')
    },
    false,
  )
  const calls = [...parseStraceSummary(readFileSync(file, 'utf8'))].sort(([, a], [, b]) => b - a)
  const line = ([name, count]: [string, number]) =>
    `${(count / requests).toFixed(3).padStart(8)} per request  ${name}`
  return `${requests} requests\n${calls.slice(0, top).map(line).join('\n')}`
}

/** Optimized code that V8 threw away after the warm-up: in a hot path that has settled there is none. */
async function deopts(): Promise<string> {
  const { stdout } = await underLoad({ nodeArgs: ['--trace-deopt'] }, () => sleep(seconds * 1000))
  const found = [...parseDeopts(stdout)].sort(([, a], [, b]) => b - a)
  const line = ([name, count]: [string, number]) => `${String(count).padStart(6)}  ${name}`
  return found.length === 0 ? 'no deoptimization after the warm-up' : found.slice(0, top).map(line).join('\n')
}

/** Starts the server, warms it up, and works beside the load; the CPU per request while it did. */
async function underLoad(
  start: { env?: Record<string, string>; nodeArgs?: readonly string[] },
  work: (server: Server) => Promise<unknown>,
  isLoaded = true,
): Promise<{ scale: Scale; pid: number; stdout: string }> {
  await using stack = new AsyncDisposableStack()
  const collector = workload?.collector ? stack.use(await startCollector()) : undefined
  const env = { ...start.env, ...(collector ? { COLLECTOR: `127.0.0.1:${collector.port}` } : {}) }
  const server = stack.use(await startPlan({ name: 'profiled', plan, around, ...start, env }))
  await runWrk({ ...target(server), seconds: 2 })
  if (!isLoaded) {
    await work(server)
    return { scale: { cpuUsPerRequest: 0, top }, pid: server.pid, stdout: server.output() }
  }
  const warmUp = server.output().length
  const before = usage(server.pid)
  const load = runWrk({ ...target(server), seconds: seconds + 1 })
  await sleep(200)
  await work(server)
  const { requests, requestsPerSecond, p99Ms } = await load.then(r => ({
    ...r,
    requestsPerSecond: r.requests / r.seconds,
  }))
  const cpuUsPerRequest = (usage(server.pid).cpuUs - before.cpuUs) / Math.max(requests, 1)
  process.stdout.write(
    `${requestsPerSecond.toFixed(0)} requests/s, ${cpuUsPerRequest.toFixed(2)} µs CPU per request, p99 ${p99Ms} ms (while profiled)\n\n`,
  )
  return { scale: { cpuUsPerRequest, top }, pid: server.pid, stdout: server.output().slice(warmUp) }
}

function target({ port }: Server) {
  return { port, path: workload?.path ?? '/', connections: 64 }
}

async function ended(command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, { stdio: 'ignore' })
  await once(child, 'exit')
}

function choosePlan({ name, servers }: Workload): Exclude<Plan, { kind: 'direct' }> {
  const server = values.server ?? (values.transport === 'net' ? 'sluice-net' : 'sluice')
  const plan = servers[server]
  if (!plan || plan.kind === 'direct')
    throw new Error(`--server=${server}: ${name} has ${Object.keys(servers).join(', ')}`)
  if (values.script === undefined) return plan
  return {
    kind: 'sluice',
    script: resolve(values.script),
    transport: values.transport === 'net' ? 'net' : 'auto',
  }
}

function workDirectory(): string {
  if (values.keep === undefined) return temporaryDirectory('profile')
  const kept = resolve(values.keep)
  mkdirSync(kept, { recursive: true })
  return kept
}
