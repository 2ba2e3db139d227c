/** Nodes that join, are silent, come back and take each other's names: on a bus in memory, in virtual time. */

import anyTest, { type ExecutionContext } from 'ava'
import type { Bus } from '../../../cluster/bus/bus.ts'
import { type Member, memberBucket } from '../../../cluster/membership/member.ts'
import { Membership } from '../../../cluster/membership/membership.ts'
import type { Logger } from '../../../runtime/log.ts'
import { MemoryBroker } from '../../support/memory-bus.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

// One after the other: there is one clock.
const test = anyTest.serial

const heartbeatMs = 200
const deathMs = 1000

interface Cluster {
  readonly clock: VirtualClock
  readonly broker: MemoryBroker
  node(name: string): Node
}

class Node {
  readonly bus: Bus
  readonly membership: Membership
  readonly logs: string[] = []
  readonly incarnations: (string | undefined)[] = []
  seen: readonly Member[] = []
  leaseUntilMs = 0

  constructor(bus: Bus, name: string) {
    this.bus = bus
    const log = (_message: string, fields?: { readonly code?: string }): void =>
      void this.logs.push(fields?.code ?? '')
    const logger: Logger = { isEnabled: () => true, debug() {}, info: log, warn: log, error: log }
    this.membership = new Membership({
      bus,
      cluster: 'test',
      node: name,
      roles: undefined,
      threads: 1,
      heartbeatMs,
      deathMs,
      log: logger,
      listener: {
        changed: members => {
          this.seen = members
        },
        incarnation: incarnation => {
          this.incarnations.push(incarnation)
          if (incarnation !== undefined)
            queueMicrotask(() => this.membership.threadJoined(0, 1, incarnation, ['log']))
        },
        lease: untilMs => {
          this.leaseUntilMs = untilMs
        },
      },
    })
    this.membership.start()
  }

  sees(...names: string[]): boolean {
    return this.seen.map(({ name }) => name).join() === names.join()
  }
}

function startCluster(t: ExecutionContext): Cluster {
  const clock = new VirtualClock()
  t.teardown(clock.install())
  const broker = new MemoryBroker(1)
  t.teardown(() => broker.close())
  return { clock, broker, node: name => new Node(broker.connect(), name) }
}

test('nodes see each other, with their threads and pipelines', async t => {
  const { clock, node } = startCluster(t)
  const a = node('a')
  const b = node('b')
  t.true(await clock.until(() => a.sees('a', 'b') && b.sees('a', 'b'), 1000))
  t.true(await clock.until(() => a.seen.every(({ threads }) => threads[0] === 1), 1000))
  t.deepEqual(
    a.seen.map(({ pipelines, state, wires }) => ({ pipelines, state, wires })),
    [1, 2].map(() => ({ pipelines: ['log'], state: 'serving', wires: [1] })),
  )
})

test('a node that leaves is gone for the others at once; one that drains is seen to', async t => {
  const { clock, node } = startCluster(t)
  const a = node('a')
  const b = node('b')
  await clock.until(() => b.sees('a', 'b'), 1000)
  const draining = a.membership.drain()
  t.true(await clock.until(() => b.seen[0]?.state === 'draining', 50))
  await draining
  const leaving = a.membership.leave()
  t.true(await clock.until(() => b.sees('b'), 50))
  await leaving
})

test('a node that dies is swept by the others when its time is over, and not before', async t => {
  const { clock, broker, node } = startCluster(t)
  const a = node('a')
  const b = node('b')
  await clock.until(() => b.sees('a', 'b'), 1000)
  broker.crash(a.bus)
  await clock.advance(deathMs - heartbeatMs - 20)
  t.true(b.sees('a', 'b'))
  t.true(await clock.until(() => b.sees('b'), 3 * heartbeatMs))
  t.true(b.logs.includes('NodeDied'))
  const bucket = b.bus.bucket(memberBucket('test'))
  await clock.advance(100)
  t.is((await bucket).keys === undefined, false)
  const keys = (await bucket).keys()
  await clock.advance(100)
  t.deepEqual(await keys, ['b'])
})

test('of two nodes with one name the newer has it, and the older is told and leaves', async t => {
  const { clock, node } = startCluster(t)
  const older = node('a')
  const witness = node('w')
  await clock.until(() => witness.sees('a', 'w'), 1000)
  const newer = node('a')
  t.true(await clock.until(() => older.logs.includes('NodeDisplaced'), 1000))
  t.is(older.incarnations.at(-1), undefined)
  t.false(older.membership.isIn)
  await clock.advance(2 * deathMs)
  t.true(newer.membership.isIn)
  t.is(newer.incarnations.length, 1)
  t.is(witness.seen.find(({ name }) => name === 'a')?.incarnation, newer.incarnations[0])
})

test('a node that was cut off knows that it is out before the others act on it, and comes back as another', async t => {
  const { clock, broker, node } = startCluster(t)
  const a = node('a')
  const b = node('b')
  await clock.until(() => b.sees('a', 'b'), 1000)
  broker.cut(a.bus, 50)
  let wasInWhenSwept: boolean | undefined
  await clock.until(() => {
    if (b.sees('b')) wasInWhenSwept ??= a.membership.isIn
    return b.sees('b')
  }, 3 * deathMs)
  t.is(wasInWhenSwept, false)
  t.is(a.incarnations.length, 1)
  broker.heal(a.bus)
  t.true(await clock.until(() => b.sees('a', 'b'), 3000))
  t.is(a.incarnations.length, 2)
  t.true(await clock.until(() => b.seen[0]?.incarnation === a.incarnations[1] && a.membership.isIn, 1000))
  t.false(a.logs.includes('NodeDisplaced'))
})

test('a short loss of the connection changes nothing', async t => {
  const { clock, broker, node } = startCluster(t)
  const a = node('a')
  const b = node('b')
  await clock.until(() => b.sees('a', 'b'), 1000)
  broker.cut(a.bus, 20)
  await clock.advance(100)
  broker.heal(a.bus)
  await clock.advance(2 * deathMs)
  t.is(a.incarnations.length, 1)
  t.is(b.incarnations.length, 1)
  t.true(b.sees('a', 'b'))
  t.false(b.logs.includes('NodeDied'))
})

test('while the broker is gone nobody is declared dead, and all come back', async t => {
  const { clock, broker, node } = startCluster(t)
  const nodes = [node('a'), node('b'), node('c')]
  await clock.until(() => nodes.every(each => each.sees('a', 'b', 'c')), 1000)
  broker.restart(4 * deathMs)
  await clock.advance(3 * deathMs)
  t.true(nodes.every(each => !each.membership.isIn))
  t.true(
    await clock.until(() => nodes.every(each => each.membership.isIn && each.sees('a', 'b', 'c')), 10_000),
  )
  t.true(nodes.every(each => !each.logs.includes('NodeDied') && !each.logs.includes('NodeDisplaced')))
})

test('a write that got through and looked as if it had not does not displace the node', async t => {
  const { clock, broker, node } = startCluster(t)
  const a = node('a')
  await clock.until(() => a.membership.isIn, 1000)
  broker.setWeather({ callLossRate: 0.5 })
  await clock.advance(60_000)
  broker.setWeather({ callLossRate: 0 })
  t.true(await clock.until(() => a.membership.isIn && a.sees('a'), 20_000))
  t.false(a.logs.includes('NodeDisplaced'))
})

test('a node that speaks another version is told of once', async t => {
  const { clock, broker, node } = startCluster(t)
  const a = node('a')
  await clock.until(() => a.membership.isIn, 1000)
  const bus = broker.connect()
  const opening = bus.bucket(memberBucket('test'))
  await clock.advance(100)
  const bucket = await opening
  for (let i = 0; i < 5; i++) {
    const entry = { name: 'z', incarnation: 'z-1', wires: [7], pipelines: [], threads: [i], state: 'serving' }
    void bucket.put('z', Buffer.from(JSON.stringify(entry)))
    await clock.advance(50)
  }
  t.true(a.sees('a', 'z'))
  t.is(a.logs.filter(code => code === 'WireVersion').length, 1)
})
