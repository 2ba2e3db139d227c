import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { usage } from '../harness/accounting.ts'
import { temporaryDirectory } from '../harness/directory.ts'
import { LOAD_CORE, runPinned, SERVER_CORE, type Server } from '../harness/server.ts'
import { median, rotate } from '../harness/statistics.ts'
import type { Verdict } from '../harness/summary.ts'
import { thinkTime } from '../harness/think-time.ts'
import { runWrk } from '../harness/wrk.ts'
import { type BenchNode, ledger, missingNats, startNats, startNode, untilKnown } from './fleet.ts'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** Bytes of an exchange: a small request and answer with their heads. */
const exchangeBytes = 512
/** Exchanges in a frame of the bare loops: about what Sluice has in one. */
const frame = 64

export interface ClusterReport {
  readonly tables: readonly { readonly title: string; readonly rows: readonly (readonly string[])[] }[]
  readonly verdicts: readonly Verdict[]
  readonly notes: readonly string[]
}

export interface ClusterBenchOptions {
  readonly rounds: number
  readonly seconds: number
  readonly connections: number
  readonly origin: number
  readonly progress: (line: string) => void
}

type Delivery = 'at-most-once' | 'at-least-once'

/** Throughput between nodes, cost of a fork for the proxy, and more loggers; see README.md here. */
export async function runCluster(options: ClusterBenchOptions): Promise<ClusterReport> {
  const reason = missingNats()
  if (reason !== undefined) return { tables: [], verdicts: [], notes: [`cluster is left out: ${reason}`] }
  const throughput = await measureThroughput(options)
  const fork = await measureForks(options)
  const nodes = await measureNodes(options, throughput.one)
  return {
    tables: [throughput.table, fork.table, nodes],
    verdicts: [...throughput.verdicts, ...fork.verdicts],
    notes: [...throughput.notes, ...fork.notes],
  }
}

/** What a stretch of load from an edge to loggers has shown. */
interface Stretch {
  readonly perSecond: number
  /** Finished at the loggers, for durable delivery; the same as `perSecond` else. */
  readonly donePerSecond: number
  readonly edgeUs: number
  readonly loggersUs: number
  readonly natsUs: number
  readonly dropped: number
}

/** What a pipeline is asked for: with more keys there are more shards at work, each with batches of its own. */
interface Load {
  readonly loggers: number
  readonly delivery: Delivery
  readonly keys: number
}

/** Nodes that are up, and their server of NATS. */
interface Fleet extends AsyncDisposable {
  readonly nats: Server
  readonly edge: BenchNode
  readonly logs: readonly BenchNode[]
}

async function startFleet({ loggers, delivery, keys }: Load): Promise<Fleet> {
  const stack = new AsyncDisposableStack()
  try {
    const nats = stack.use(await startNats())
    const plan = {
      script: 'cluster-log.ts',
      nats,
      cluster: 'bench',
      env: { DELIVERY: delivery, KEYS: String(keys) },
    }
    const edge = await startNode({ ...plan, name: 'edge', role: 'edge' })
    stack.use(edge.server)
    const logs: BenchNode[] = []
    for (let i = 1; i <= loggers; i++) {
      const log = await startNode({ ...plan, name: `log-${i}`, role: 'log' })
      stack.use(log.server)
      logs.push(log)
    }
    await untilKnown(edge, loggers)
    return { nats, edge, logs, [Symbol.asyncDispose]: () => stack.disposeAsync() }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

async function stretch({ nats, edge, logs }: Fleet, seconds: number): Promise<Stretch> {
  const feeding = runPinned({
    core: LOAD_CORE,
    command: [process.execPath, here('./feeder.ts'), ...[edge.port, seconds + 1, exchangeBytes].map(String)],
    timeoutMs: (seconds + 30) * 1000,
  })
  await sleep(500)
  const look = async () => ({
    ms: performance.now(),
    fork: await ledger(edge, 'fork'),
    done: (await Promise.all(logs.map(log => ledger(log, 'stream')))).reduce(
      (sum, row) => sum + row.delivered,
      0,
    ),
    edge: usage(edge.server.pid).cpuUs,
    logs: logs.reduce((sum, log) => sum + usage(log.server.pid).cpuUs, 0),
    nats: usage(nats.pid).cpuUs,
  })
  const before = await look()
  await sleep(seconds * 1000)
  const after = await look()
  await feeding
  const count = Math.max(1, after.fork.delivered - before.fork.delivered)
  const elapsed = (after.ms - before.ms) / 1000
  const done = after.done - before.done
  return {
    perSecond: count / elapsed,
    donePerSecond: done > 0 ? done / elapsed : count / elapsed,
    edgeUs: (after.edge - before.edge) / count,
    loggersUs: (after.logs - before.logs) / count,
    natsUs: (after.nats - before.nats) / count,
    dropped: Object.values(after.fork.dropped).reduce((sum, dropped) => sum + dropped, 0),
  }
}

const middle = (stretches: readonly Stretch[]): Stretch => {
  const of = (value: (one: Stretch) => number): number => median(stretches.map(value))
  return {
    perSecond: of(one => one.perSecond),
    donePerSecond: of(one => one.donePerSecond),
    edgeUs: of(one => one.edgeUs),
    loggersUs: of(one => one.loggersUs),
    natsUs: of(one => one.natsUs),
    dropped: Math.max(...stretches.map(one => one.dropped)),
  }
}

/** nats.js alone, between two processes; exchanges per second as the receiver saw them. */
async function bare(
  { seconds, progress }: ClusterBenchOptions,
  kind: 'core' | 'jetstream',
  batch: number,
): Promise<number> {
  progress(`cluster: nats.js alone, ${kind}, ${batch} in a message`)
  await using nats = await startNats()
  const args = (role: string): string[] => [
    process.execPath,
    here('./bare.ts'),
    role,
    `nats://127.0.0.1:${nats.port}`,
    kind,
    ...[seconds + 1, exchangeBytes, batch].map(String),
  ]
  const receiver = spawn('taskset', ['-c', String(LOAD_CORE), ...args('receive')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: receiver.stdout })[Symbol.asyncIterator]()
  try {
    await lines.next()
    await runPinned({ core: SERVER_CORE, command: args('send'), timeoutMs: (seconds + 30) * 1000 })
    const { received, seconds: took } = JSON.parse((await lines.next()).value as string)
    return received / took
  } finally {
    if (receiver.exitCode === null) {
      const exited = once(receiver, 'exit')
      receiver.kill('SIGTERM')
      await exited
    }
  }
}

const thousands = (perSecond: number): string => `${(perSecond / 1000).toFixed(0)} k`
const micros = (us: number): string => us.toFixed(2)

/** What is compared within each round, since the machine is not the same a minute later. */
async function measureThroughput(options: ClusterBenchOptions) {
  const { rounds, seconds, progress } = options
  await using stack = new AsyncDisposableStack()
  const fleet = async (delivery: Delivery, keys: number): Promise<() => Promise<Stretch>> => {
    const started = stack.use(await startFleet({ loggers: 1, delivery, keys }))
    return () => {
      progress(`cluster: ${delivery}, ${keys} keys`)
      return stretch(started, seconds)
    }
  }
  const runs = [
    await fleet('at-most-once', 64),
    await fleet('at-least-once', 1),
    await fleet('at-least-once', 64),
  ]
  const bares = [
    () => bare(options, 'core', 1),
    () => bare(options, 'jetstream', frame),
    () => bare(options, 'core', frame),
  ]
  const stretches: Stretch[][] = [[], [], []]
  const speeds: number[][] = [[], [], []]
  // The first is for the compilers.
  for (let round = 0; round <= rounds; round++) {
    for (const i of rotate([0, 1, 2], round)) {
      const one = await (runs[i] as () => Promise<Stretch>)()
      if (round === 0) continue
      stretches[i]?.push(one)
      speeds[i]?.push(await (bares[i] as () => Promise<number>)())
    }
  }
  const [one, durable, sharded] = stretches.map(middle) as [Stretch, Stretch, Stretch]
  const [single, batched, framed] = speeds.map(median) as [number, number, number]
  const share = (i: number, of: (one: Stretch) => number, bare: number): number =>
    median((stretches[i] ?? []).map((each, round) => of(each) / (speeds[bare]?.[round] ?? Number.NaN)))
  const ofNats = share(0, each => each.perSecond, 0)
  const ofJetStream = share(2, each => each.donePerSecond, 1)
  const row = (name: string, { perSecond, donePerSecond, edgeUs, loggersUs, natsUs }: Stretch) => [
    name,
    thousands(perSecond),
    thousands(donePerSecond),
    micros(edgeUs),
    micros(loggersUs),
    micros(natsUs),
  ]
  const alone = (name: string, perSecond: number) => [name, thousands(perSecond), '', '', '', '']
  const notes = [one, durable, sharded].flatMap(({ dropped }, i) =>
    dropped > 0 ? [`cluster: ${dropped} exchanges were dropped in throughput ${i + 1}`] : [],
  )
  return {
    one,
    notes,
    table: {
      title: `cluster: exchanges of ${exchangeBytes} bytes from an edge to a logger`,
      rows: [
        ['what', 'exchanges/s', 'done/s', 'edge µs', 'logger µs', 'nats µs'],
        row('sluice, at-most-once', one),
        row('sluice, durable, one key', durable),
        row('sluice, durable, 64 keys', sharded),
        alone('nats.js, a message each', single),
        alone(`nats.js, frames of ${frame}`, framed),
        alone(`JetStream, batches of ${frame}`, batched),
      ],
    },
    verdicts: [
      verdict(
        'at-most-once',
        'exchanges/s',
        '≥ 100 k, or 0.7 × nats.js',
        one.perSecond,
        one.perSecond >= 100_000 || ofNats >= 0.7,
        thousands(one.perSecond),
      ),
      verdict(
        'at-most-once',
        'against nats.js, a message each',
        '≥ 0.7 ×',
        ofNats,
        ofNats >= 0.7,
        `${ofNats.toFixed(2)} ×`,
      ),
      verdict(
        'durable',
        'against a bare JetStream batch loop',
        '≥ 0.5 ×',
        ofJetStream,
        ofJetStream >= 0.5,
        `${ofJetStream.toFixed(2)} ×`,
      ),
    ],
  }
}

const verdict = (
  server: string,
  text: string,
  target: string,
  value: number,
  isMet: boolean,
  measured: string,
): Verdict => ({
  workload: 'cluster',
  server,
  text,
  target,
  measured,
  value,
  verdict: isMet ? 'PASS' : 'MISS',
})

/** Messages take several ways through several processes: what is compiled for them is later than what a proxy does alone. */
const warmUpSeconds = 10

/** Between the requests of a connection: see `thinkTime`. */
const thinkMs = 2

/** Collections of the heap, and what servers do once a second, are in each round. */
const roundSeconds = 2

/** What the proxies of the second table do. */
const forks = [
  { kind: 'none', fork: 'none', keys: 1 },
  { kind: 'at-most-once', fork: 'at-most-once', keys: 64 },
  { kind: 'durable, one key', fork: 'at-least-once', keys: 1 },
  { kind: 'durable, 64 keys', fork: 'at-least-once', keys: 64 },
] as const

async function measureForks({ rounds, seconds, connections, origin, progress }: ClusterBenchOptions) {
  await using stack = new AsyncDisposableStack()
  const nats = stack.use(await startNats())
  const proxies: { kind: string; edge: BenchNode }[] = []
  for (const [index, { kind, fork, keys }] of forks.entries()) {
    const plan = { script: 'cluster-proxy.ts', nats, cluster: `bench-${index}` }
    const env = { FORK: fork, KEYS: String(keys), ORIGIN: `127.0.0.1:${origin}` }
    const edge = await startNode({ ...plan, env, name: 'edge', role: 'edge' })
    stack.use(edge.server)
    if (fork !== 'none') {
      stack.use((await startNode({ ...plan, env, name: 'log', role: 'log' })).server)
      await untilKnown(edge, 1)
    }
    proxies.push({ kind, edge })
  }
  const luaFile = join(temporaryDirectory('pace'), 'pace.lua')
  writeFileSync(luaFile, thinkTime(thinkMs))
  const cpu = new Map<string, number[]>()
  const rate = new Map<string, number[]>()
  const busy = new Map<string, number[]>()
  let errors = 0
  // A difference of some microseconds wants more rounds than a ratio.
  for (let round = 0; round <= 4 * rounds; round++)
    for (const { kind, edge } of rotate(proxies, round)) {
      progress(`cluster: proxy with fork ${kind}, round ${round}`)
      const before = usage(edge.server.pid).cpuUs
      const wanted = round === 0 ? Math.max(seconds, warmUpSeconds) : Math.max(seconds, roundSeconds)
      const result = await runWrk({ port: edge.port, path: '/', seconds: wanted, connections, luaFile })
      const used = usage(edge.server.pid).cpuUs - before
      errors += result.errors
      if (round === 0) continue
      cpu.set(kind, [...(cpu.get(kind) ?? []), used / result.requests])
      busy.set(kind, [...(busy.get(kind) ?? []), used / (result.seconds * 1e6)])
      rate.set(kind, [...(rate.get(kind) ?? []), result.requests / result.seconds])
    }
  const dropped = new Map<string, string>()
  for (const { kind, edge } of proxies) {
    const row = await ledger(edge, 'fork')
    const reasons = Object.entries(row.dropped).map(([reason, count]) => `${reason} ${count}`)
    dropped.set(
      kind,
      kind === 'none'
        ? ''
        : `${((100 * row.delivered) / Math.max(1, row.accepted)).toFixed(1)} % ${reasons.join(', ')}`,
    )
  }
  const of = (kind: string): number => median(cpu.get(kind) ?? [0])
  // Within each round, as everywhere: what the machine did meanwhile is in both.
  const more = (kind: string): number =>
    median((cpu.get(kind) ?? []).map((us, round) => us - (cpu.get('none')?.[round] ?? Number.NaN)))
  return {
    notes: errors > 0 ? [`cluster: ${errors} requests failed at the forking proxies`] : [],
    table: {
      title: 'cluster: CPU of a proxy whose answers are forked to a logger',
      rows: [
        ['fork', 'req/s', 'busy', 'CPU µs/req', 'more', 'delivered'],
        ...forks.map(({ kind }) => [
          kind,
          median(rate.get(kind) ?? [0]).toFixed(0),
          `${(100 * median(busy.get(kind) ?? [0])).toFixed(0)} %`,
          micros(of(kind)),
          kind === 'none' ? '' : `+${micros(more(kind))}`,
          dropped.get(kind) ?? '',
        ]),
      ],
    },
    verdicts: forks
      .filter(({ fork, keys }) => fork !== 'none' && keys > 1)
      .map(({ kind }) =>
        verdict(
          kind,
          'CPU that a fork costs the proxied request',
          '≤ 4 µs',
          more(kind),
          more(kind) <= 4,
          `${micros(more(kind))} µs`,
        ),
      ),
  }
}

async function measureNodes({ seconds, progress }: ClusterBenchOptions, one: Stretch) {
  const found: [number, Stretch][] = [[1, one]]
  for (const loggers of [2, 4]) {
    await using fleet = await startFleet({ loggers, delivery: 'at-most-once', keys: 64 })
    const stretches: Stretch[] = []
    for (let round = 0; round <= 2; round++) {
      progress(`cluster: ${loggers} loggers, round ${round}`)
      const one = await stretch(fleet, seconds)
      if (round > 0) stretches.push(one)
    }
    found.push([loggers, middle(stretches)])
  }
  return {
    title: 'cluster: more loggers, on the same cores',
    rows: [
      ['loggers', 'exchanges/s', 'edge µs', 'loggers µs', 'nats µs'],
      ...found.map(([loggers, { perSecond, edgeUs, loggersUs, natsUs }]) => [
        String(loggers),
        thousands(perSecond),
        micros(edgeUs),
        micros(loggersUs),
        micros(natsUs),
      ]),
    ],
  }
}
