/**
 * What the actor kernel costs: tells and asks on one thread, through chains of pipelines, and between threads over the
 * mesh. One line of JSON per measurement; the fastest of some rounds, after a warm-up.
 *
 *     node bench/micro/kernel.ts [milliseconds per round]
 */

import { fileURLToPath } from 'node:url'
import { isMainThread, MessageChannel, type MessagePort, parentPort, Worker } from 'node:worker_threads'
import { sluice } from '../../actors/index.ts'
import { Actor } from '../../actors/kernel/actor.ts'
import { type ActorRef, Ask } from '../../actors/kernel/ref.ts'
import type { RemoteActors } from '../../actors/kernel/remote.ts'
import type { Program, Surroundings } from '../../actors/program.ts'
import { assemble } from '../../actors/script/assemble.ts'
import { definitionOf } from '../../actors/script/builder.ts'
import type { ScriptDefinition } from '../../actors/script/script-definition.ts'
import { Session } from '../../actors/session.ts'
import { NodeHost } from '../../actors/shared/node-host.ts'
import { Data, MessageStart, messageEnd } from '../../runtime/event.ts'
import { noLog } from '../../runtime/log.ts'
import { netTransport } from '../../runtime/net/node-net.ts'
import { Mesh } from '../../runtime/pool/mesh.ts'
import { turn } from '../../runtime/turn.ts'

const roundMs = Number(process.argv[2] ?? 60)
const rounds = 5

class Counter extends Actor<unknown> {
  seen = 0
  /** Messages that it sends to itself with each that it gets. */
  echoes = 0

  get path(): string {
    return 'counter'
  }

  process(message: unknown): void {
    this.seen++
    if (message instanceof Ask) message.reply(this.seen)
    else if (this.echoes > 0) {
      this.echoes--
      this.tell(message)
    }
  }
}

/** The nodeHost of a thread with a script whose pipeline `main` copies whole messages to a shared pipeline. */
function hostShared(mesh: Mesh | undefined, thread: number, threads: number, seen: () => void): Session {
  const script = sluice()
    .pipeline('main')
    .fork(undefined, { policy: 'block' })
    .to('shared')
    .pipeline('shared', { placement: 'node', key: () => keyOfThread1 })
    .handleMessageStart(() => seen())
  const nodeHost = new NodeHost(mesh, thread, threads)
  const { program, shared } = assemble(
    definitionOf(script) as ScriptDefinition,
    'bench',
    surroundings(nodeHost),
  )
  nodeHost.enter(program, shared).confirm()
  return openSession(program, 'main')
}

/** Hashes to thread 1 of two. */
const keyOfThread1 = 'b'

const surroundings = (nodeHost: NodeHost): Surroundings => ({
  transport: netTransport,
  thread: { id: 0, concurrency: 1 },
  log: noLog,
  explain: fault => fault.message,
  sharedPipelines: nodeHost,
  acquireSocket: async (_address, port) => ({ port }),
})

class Sink extends Session {
  seen = 0

  override process(): void {
    this.seen++
  }
}

function openSession(program: Program, name: string): Sink {
  const layout = program.pipelines.get(name)
  if (layout === undefined) throw new Error(`no pipeline '${name}'`)
  return new Sink(program, layout, program.newContext(undefined))
}

const print = (name: string, perSecond: number): void => {
  const row = { name, perSecond: Math.round(perSecond), ns: Math.round(1e10 / perSecond) / 10 }
  process.stdout.write(`${JSON.stringify(row)}\n`)
}

/** Runs `batch`, which does `count` things, over and over for a round; prints the fastest round. */
async function measure(name: string, count: number, batch: () => void | Promise<void>): Promise<void> {
  let best = 0
  for (let round = -1; round < rounds; round++) {
    const start = performance.now()
    let done = 0
    let elapsed = 0
    while (elapsed < roundMs) {
      const waiting = batch()
      if (waiting !== undefined) await waiting
      done += count
      elapsed = performance.now() - start
    }
    if (round >= 0) best = Math.max(best, done / (elapsed / 1000))
  }
  print(name, best)
}

async function measureLocal(): Promise<void> {
  const counter = new Counter()
  await measure('tell, to an idle actor', 10_000, () => {
    for (let i = 0; i < 10_000; i++) counter.tell(i)
  })
  await measure('tell, to a busy actor (mailbox)', 10_000, () => {
    counter.echoes = 10_000
    counter.tell(0)
  })
  await measure('ask and reply, 64 at a time', 64, async () => {
    await Promise.all(Array.from({ length: 64 }, () => counter.ask('x', 60_000)))
  })
  for (const length of [1, 10]) await measureChain(length)
}

/** Events through pipelines that are linked to each other: one delivery in and one out for each. */
async function measureChain(length: number): Promise<void> {
  let script = sluice()
    .pipeline('p0')
    .handleMessageEnd(() => {})
  for (let i = 1; i < length; i++)
    script = script
      .link(`p${i}`)
      .pipeline(`p${i}`)
      .handleMessageEnd(() => {})
  const nodeHost = new NodeHost(undefined, 0, 1)
  const { program } = assemble(definitionOf(script) as ScriptDefinition, 'bench', surroundings(nodeHost))
  const session = openSession(program, 'p0')
  const data = new Data('x')
  await measure(`event through ${length} linked pipeline${length === 1 ? '' : 's'} and out`, 10_000, () => {
    for (let i = 0; i < 10_000; i++) session.deliver(session.first, data, null)
  })
}

/** Messages that may be on their way to the other thread, as a credit window would allow. */
const window = 1024

async function measureRemote(): Promise<void> {
  const worker = new Worker(fileURLToPath(import.meta.url))
  const { port1, port2 } = new MessageChannel()
  worker.postMessage(port2, [port2])
  const mesh = new Mesh(0)
  const session = hostShared(mesh, 0, 2, () => {})
  mesh.connect(1, 1, port1)
  const { remote } = session.program.surroundings.sharedPipelines as NodeHost
  const ref: ActorRef<unknown> = await (remote as RemoteActors).find(1, 'counter', 60_000)
  const message = { to: 'log/7', from: 'session/123', body: new Uint8Array(100) }
  for (const perTurn of [1, 64]) {
    await measure(`tell to another thread, ${perTurn} per turn`, window, async () => {
      for (let sent = 0; sent < window; sent += perTurn) {
        turn.begin(null)
        for (let i = 0; i < perTurn; i++) ref.tell(message)
        turn.end()
      }
      // The answer to an ask says that all tells before it have arrived.
      await ref.ask('x', 60_000)
    })
  }
  await measure('ask to another thread, one at a time', 1, async () => void (await ref.ask('x', 60_000)))
  await measure('ask to another thread, 64 at a time', 64, async () => {
    turn.begin(null)
    const asked = Array.from({ length: 64 }, () => ref.ask('x', 60_000))
    turn.end()
    await Promise.all(asked)
  })
  const edge = session.program.edges[0]
  const start = new MessageStart({ path: '/', headers: { host: 'localhost', accept: '*/*' } })
  const body = new Data('x'.repeat(100))
  await measure('message to a shared pipeline on another thread, with credit', window, async () => {
    const before = (edge?.delivered ?? 0) + window
    for (let sent = 0; sent < window; sent += 64) {
      turn.begin(null)
      for (let i = 0; i < 64; i++) {
        session.deliver(session.first, start, null)
        session.deliver(session.first, body, null)
        session.deliver(session.first, messageEnd, null)
      }
      turn.end()
    }
    while ((edge?.delivered ?? 0) < before) await new Promise(setImmediate)
  })
  mesh.close()
  await worker.terminate()
}

/** The other thread. */
function serve(port: MessagePort): void {
  const mesh = new Mesh(1)
  const session = hostShared(mesh, 1, 2, () => {})
  const counter = new Counter()
  ;(session.program.surroundings.sharedPipelines as NodeHost).remote?.register('counter', counter)
  mesh.connect(0, 1, port)
  parentPort?.ref()
}

if (isMainThread) {
  await measureLocal()
  await measureRemote()
} else parentPort?.once('message', serve)
