/** What a thread does with messages before it knows that the others take its node for alive, and when it does not know any more. */

import ava, { type ExecutionContext } from 'ava'
import { Edge } from '../../actors/kernel/ledger.ts'
import { wireMessageBytes } from '../../actors/kernel/wire.ts'
import type { ClusterReceiver } from '../../actors/shared/cluster-link.ts'
import type { SharedPipeline } from '../../actors/shared/shared-pipelines.ts'
import { ClusterThread } from '../../cluster/cluster-thread.ts'
import type { Member } from '../../cluster/membership/member.ts'
import { processMs } from '../../runtime/clock.ts'
import { noLog } from '../../runtime/log.ts'
import { MemoryBroker } from '../support/memory-bus.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { pipeline } from './delivery/support.ts'

// One after the other: there is one clock.
const test = ava.serial

class TestThread {
  readonly node: string
  readonly thread: ClusterThread
  readonly edge = new Edge('fork', 'test', 'log', 'drop')
  /** What its actors took, and from where. */
  readonly taken: string[] = []
  private readonly pipeline: SharedPipeline

  constructor(broker: MemoryBroker, node: string, log: SharedPipeline) {
    this.node = node
    this.pipeline = log
    this.thread = new ClusterThread({
      bus: broker.connect(),
      cluster: 'test',
      node,
      thread: 0,
      life: 1,
      log: noLog,
      tell() {},
    })
    this.thread.attach({
      sendWithin: ({ key }, edge) => {
        this.taken.push(`own ${key}`)
        edge.delivered++
      },
      take: (_name, key, _wire, outcome) => {
        this.taken.push(`sent ${key}`)
        outcome(true)
      },
      markWithin: () => () => true,
      handOver() {},
    } as Partial<ClusterReceiver> as ClusterReceiver)
    this.thread.know([log])
    this.thread.hear({ kind: 'cluster-self', incarnation: this.member.incarnation })
  }

  get member(): Member {
    const { node } = this
    return {
      name: node,
      incarnation: `${node}-1`,
      wires: [1],
      pipelines: this.pipeline.isHosted ? ['log'] : [],
      threads: [1],
      state: 'serving',
    }
  }

  send(key: string): void {
    const wire = [{ key }, null, null, null] as const
    this.edge.accepted++
    this.thread.send({ pipeline: this.pipeline, key, wire, bytes: wireMessageBytes(wire) }, this.edge, null)
  }

  lease(ms: number): void {
    this.thread.hear({ kind: 'cluster-lease', untilMs: processMs() + ms })
  }
}

function start(t: ExecutionContext): {
  clock: VirtualClock
  join: (node: string, more?: Partial<SharedPipeline>) => TestThread
  tellAll: () => void
} {
  const clock = new VirtualClock()
  const restore = clock.install()
  const broker = new MemoryBroker(1)
  const threads: TestThread[] = []
  t.teardown(() => {
    for (const { thread } of threads) void thread.stop()
    broker.close()
    restore()
  })
  return {
    clock,
    join: (node, more = {}) => {
      const thread = new TestThread(broker, node, pipeline(more))
      threads.push(thread)
      return thread
    },
    tellAll: () => {
      for (const { thread } of threads)
        thread.hear({ kind: 'cluster-members', members: threads.map(({ member }) => member) })
    },
  }
}

for (const fanout of ['one', 'all'] as const) {
  test(`fan-out to ${fanout}: a node that sees itself before it knows that it is in loses nothing of its own`, async t => {
    const { clock, join, tellAll } = start(t)
    const node = join('a', { fanout })
    node.send('before')
    tellAll()
    node.send('meanwhile')
    await clock.advance(2000)
    t.deepEqual(node.taken, [])
    node.lease(5000)
    await clock.advance(100)
    t.deepEqual(node.taken, ['own before', 'own meanwhile'])
    t.like(node.edge.row(), { delivered: 2, dropped: {}, inFlight: 0 })
  })
}

test('what the others send before a node knows that it is in is taken', async t => {
  const { clock, join, tellAll } = start(t)
  const sender = join('a', { isHosted: false })
  const host = join('b')
  tellAll()
  sender.lease(5000)
  sender.send('early')
  await clock.advance(100)
  t.deepEqual(host.taken, ['sent early'])
  t.like(sender.edge.row(), { delivered: 1, dropped: {}, inFlight: 0 })
})

test('when its lease is over, what comes is not taken, and its own waits for what it will be', async t => {
  const { clock, join, tellAll } = start(t)
  const sender = join('a', { isHosted: false })
  const host = join('b')
  tellAll()
  sender.lease(60_000)
  host.lease(1000)
  await clock.advance(1100)
  sender.send('late')
  host.send('late')
  await clock.advance(100)
  t.deepEqual(host.taken, [])
  t.like(host.edge.row(), { delivered: 0, dropped: {}, inFlight: 1 })
  host.lease(1000)
  await clock.advance(100)
  t.deepEqual(host.taken, ['own late'])
  t.is(host.edge.row().inFlight, 0)
})
