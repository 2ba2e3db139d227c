/** Shared pipelines over real threads: order, windows, and what becomes of messages when a thread dies. */

import anyTest, { type ExecutionContext } from 'ava'
import { NodeHost } from '../../../actors/shared/node-host.ts'
import { hash } from '../../../runtime/api/algo/hash.ts'
import { Occurrences } from '../../support/occurrences.ts'
import { type Harness, harness } from '../../support/pipeline-harness.ts'
import { type TestThread, TestThreads } from '../../support/threads.ts'
import {
  type Command,
  forgetSessions,
  run,
  type Seen,
  sendOne,
  shardScript,
} from './fixtures/shard-script.ts'

// One after the other: the test's own thread is one of those that are joined.
const test = anyTest.serial
const fixture = new URL('./fixtures/shard.ts', import.meta.url)

/** A key whose actor is on this thread of two. */
const keyOn = (thread: number, nth = 0): string => {
  for (let i = 0, found = 0; ; i++) {
    const key = `key-${i}`
    if (hash(`log\0${key}`) % 2 === thread && found++ === nth) return key
  }
}

interface Node {
  readonly threads: TestThreads
  readonly other: Shard
  readonly own: Harness
  readonly seenHere: Occurrences<Seen>
  ask(command: Command, thread?: TestThread): Promise<unknown>
  ledger(policy: 'drop' | 'block'): Ledger
}

interface Ledger {
  readonly accepted: number
  readonly delivered: number
  readonly inFlight: number
  readonly deadLettered: number
  readonly dropped: Record<string, number>
}

/** A thread, and apart from its answers what its shared pipelines have seen. */
interface Shard extends TestThread {
  readonly seen: Occurrences<Seen>
}

async function startShard(threads: TestThreads, life: number): Promise<Shard> {
  const thread = threads.start(1, fixture, life)
  const seen = new Occurrences<Seen>()
  thread.hear(said => {
    if (Object.hasOwn(said as object, 'number')) seen.add(said as Seen)
  })
  await thread.said.next(said => said === 'ready')
  return { ...thread, seen }
}

async function startNode(t: ExecutionContext): Promise<Node> {
  const threads = new TestThreads(t)
  t.teardown(forgetSessions)
  const seenHere = new Occurrences<Seen>()
  const nodeHost = new NodeHost(threads.mesh, 0, 2)
  t.teardown(() => nodeHost.stop())
  const own = harness(
    t,
    shardScript(0, seen => seenHere.add(seen)),
    { nodeHost },
  )
  const other = await startShard(threads, 1)
  return {
    threads,
    other,
    own,
    seenHere,
    async ask(command, thread = other) {
      thread.say(command)
      const done = (await thread.said.next(said => (said as { did?: string }).did === command.do)) as {
        result: unknown
      }
      return done.result
    },
    ledger(policy) {
      const edge = own.program.edges.find(each => each.policy === policy)
      t.true(edge?.isBalanced)
      return edge?.row() as Ledger
    },
  }
}

/** The next `count` messages that the shared pipelines of a thread have seen. */
async function seenBy(thread: Shard, count: number): Promise<Seen[]> {
  const seen: Seen[] = []
  while (seen.length < count) seen.push(await thread.seen.next())
  return seen
}

const send = (
  key: string,
  count: number,
  more: Partial<Command & { do: 'send' }> = {},
): Command & { do: 'send' } => ({
  do: 'send',
  key,
  session: 's',
  from: 0,
  count,
  policy: 'block',
  ...more,
})

/** Waits until the ledger says so: credit comes back over the mesh. */
async function settled(
  node: Node,
  policy: 'drop' | 'block',
  isDone: (ledger: Ledger) => boolean,
): Promise<Ledger> {
  while (!isDone(node.ledger(policy))) await new Promise(setImmediate)
  return node.ledger(policy)
}

test('a key has one actor for all threads, on the thread that it hashes to, and each sender stays in order', async t => {
  const node = await startNode(t)
  const here = keyOn(0)
  const there = keyOn(1)
  run(node.own, send(there, 50, { session: 'a' }))
  run(node.own, send(here, 50, { session: 'a' }))
  await node.ask(send(here, 50, { session: 'b' }))
  await node.ask(send(there, 50, { session: 'b' }))
  const remote = await seenBy(node.other, 100)
  while (node.seenHere.seen.length < 100) await node.seenHere.next()
  for (const [key, thread, seen] of [
    [there, 1, remote],
    [here, 0, node.seenHere.seen],
  ] as const) {
    t.true(seen.every(each => each.thread === thread && each.key === key))
    t.deepEqual(
      seen.map(({ count }) => count),
      Array.from({ length: 100 }, (_, i) => i + 1),
    )
    for (const session of ['a', 'b'])
      t.deepEqual(
        seen.filter(each => each.session === session).map(({ number }) => number),
        Array.from({ length: 50 }, (_, i) => i),
      )
  }
  const { delivered } = await settled(node, 'block', ledger => ledger.inFlight === 0)
  t.is(delivered, 100)
})

test('policy drop: a thread that takes nothing has one window of messages on its way, the rest is dropped', async t => {
  const node = await startNode(t)
  const key = keyOn(1)
  node.other.say({ do: 'hang' })
  run(node.own, send(key, 5000, { policy: 'drop' }))
  t.like(node.ledger('drop'), { accepted: 5000, inFlight: 1024, dropped: { window: 3976 } })
})

test('policy block: a thread that takes nothing pauses the sender at the end of the window', async t => {
  const node = await startNode(t)
  const key = keyOn(1)
  const command = send(key, 0)
  sendOne(node.own, command, 0, 'clog')
  await seenBy(node.other, 1)
  let sent = 1
  while (run(node.own, { do: 'paused', session: 's' }) !== true) sendOne(node.own, command, sent++)
  // The credit of the first may or may not be back already.
  t.true(sent === 1026 || sent === 1025)
  await settled(node, 'block', ledger => ledger.delivered === 1)
  t.is(node.ledger('block').inFlight, sent - 1)
  await node.ask({ do: 'unclog' })
  const rest = await seenBy(node.other, sent - 1)
  t.deepEqual(
    rest.map(({ number }) => number),
    Array.from({ length: sent - 1 }, (_, i) => i + 1),
  )
  const ledger = await settled(node, 'block', each => each.inFlight === 0)
  t.like(ledger, { accepted: sent, delivered: sent, dropped: {} })
  t.is(run(node.own, { do: 'paused', session: 's' }), false)
})

test('a thread that dies with messages on their way: they are counted as lost with it, later ones are not sent', async t => {
  const node = await startNode(t)
  const key = keyOn(1)
  node.other.say({ do: 'hang' })
  run(node.own, send(key, 100, { policy: 'drop' }))
  t.is(node.ledger('drop').inFlight, 100)
  await node.other.kill()
  t.like(node.ledger('drop'), { accepted: 100, inFlight: 0, dropped: { 'thread-died': 100 } })
  run(node.own, send(key, 3, { policy: 'drop' }))
  t.like(node.ledger('drop'), { accepted: 103, dropped: { 'thread-died': 100, 'thread-down': 3 } })
})

test('policy block: what is sent to a dead thread waits for its replacement, with the sender paused', async t => {
  const node = await startNode(t)
  const key = keyOn(1)
  await node.other.kill()
  run(node.own, send(key, 5))
  t.like(node.ledger('block'), { accepted: 5, inFlight: 5 })
  t.is(run(node.own, { do: 'paused', session: 's' }), true)
  const next = await startShard(node.threads, 2)
  const seen = await seenBy(next, 5)
  t.deepEqual(
    seen.map(({ number, count }) => [number, count]),
    [
      [0, 1],
      [1, 2],
      [2, 3],
      [3, 4],
      [4, 5],
    ],
  )
  const ledger = await settled(node, 'block', each => each.inFlight === 0)
  t.like(ledger, { accepted: 5, delivered: 5 })
  t.is(run(node.own, { do: 'paused', session: 's' }), false)
})

test('a credit for a thread that has died is not given to the one that took its place', async t => {
  const node = await startNode(t)
  const here = keyOn(0)
  // The actor on our thread holds messages back, and their credit, when their sender dies.
  const clog = send(here, 0)
  sendOne(node.own, clog, 1, 'clog')
  await node.ask(send(here, 20, { from: 100 }))
  await node.other.kill()
  const next = await startShard(node.threads, 2)
  // The new thread has a lane with the same number, for other messages.
  await node.ask(send(keyOn(0, 1), 3), next)
  run(node.own, { do: 'unclog' })
  await node.seenHere.next(seen => seen.number === 119)
  await node.ask(send(keyOn(0, 1), 1, { from: 7 }), next)
  await node.seenHere.next(seen => seen.number === 7)
  let rows: (Ledger & { policy: string; isBalanced: boolean })[]
  do {
    rows = (await node.ask({ do: 'ledger' }, next)) as typeof rows
  } while (rows.some(row => row.inFlight > 0))
  t.deepEqual(
    rows.map(({ accepted, delivered, isBalanced }) => [accepted, delivered, isBalanced]),
    [
      [0, 0, true],
      [4, 4, true],
    ],
  )
})

test('an actor on another thread that fails comes back after a while, and what came meanwhile was waiting', async t => {
  const node = await startNode(t)
  const key = keyOn(1)
  const command = send(key, 0)
  for (const [number, body] of [
    [0, 'x'],
    [1, 'x'],
    [2, 'fail'],
    [3, 'x'],
    [4, 'x'],
  ] as const)
    sendOne(node.own, command, number, body)
  const seen = await seenBy(node.other, 4)
  t.deepEqual(
    seen.map(({ number, count }) => [number, count]),
    [
      [0, 1],
      [1, 2],
      [3, 1],
      [4, 2],
    ],
  )
  const ledger = await settled(node, 'block', each => each.inFlight === 0)
  t.like(ledger, { accepted: 5, delivered: 5 })
})
