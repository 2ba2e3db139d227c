/** Nodes of a fleet die, stand still, are cut off and are replaced, while requests go through it. */

import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import { startFaultRelay } from '../../support/fault-relay.ts'
import { add, droppedOf, startFleet } from '../../support/fleet.ts'
import { startNatsServer } from '../../support/nats-server.ts'
import { fleetAtWork, goesOn } from './promises.ts'

test.serial(
  'a logger is killed: what it had at most once is counted, what was kept goes to another',
  async t => {
    t.timeout(60_000)
    const { fleet, traffic } = await fleetAtWork(t)
    await fleet.nodes[1]?.kill()
    await goesOn(fleet, traffic)
  },
)

test.serial(
  'a logger stands still for ten seconds: its keys move, and what it wakes up with is not done twice',
  async t => {
    t.timeout(90_000)
    const { fleet, traffic } = await fleetAtWork(t, { heartbeat: '1s' })
    const [edge, , other] = fleet.nodes
    const stopped = fleet.nodes[1]
    stopped?.stop()
    const stoppedFor = pause(10_000)
    await fleet.whole([edge, other].filter(node => node !== undefined))
    await traffic.more(300)
    await stoppedFor
    stopped?.cont()
    await goesOn(fleet, traffic)
  },
)

test.serial('a logger is cut off from NATS: its keys move, and it comes back as a new node', async t => {
  t.timeout(60_000)
  const nats = await startNatsServer(t)
  const relay = await startFaultRelay(t, nats.port)
  const fleet = await startFleet(t, { nats: nats.url, loggers: 1 })
  const parted = await fleet.start('log-2', 'log', { nats: relay.url })
  const traffic = fleet.traffic()
  await traffic.more(300)
  relay.partition()
  await fleet.whole(fleet.nodes.filter(node => node !== parted))
  await traffic.more(300)
  relay.heal()
  await goesOn(fleet, traffic)
})

test.serial('all nodes are replaced, one after the other: no request fails and nothing is lost', async t => {
  t.timeout(90_000)
  const nats = await startNatsServer(t)
  // Nobody dies here, not even on a machine that stalls: what is sent to one that counts as dead is lost.
  const fleet = await startFleet(t, { nats: nats.url, heartbeat: '2s' })
  const traffic = fleet.traffic()
  await traffic.more(200)
  let accepted = 0
  let dropped = 0
  for (const old of [...fleet.nodes]) {
    await fleet.start(`${old.name}-new`, old.role)
    await traffic.more(100)
    // Its books go with it: what they say last is what it says when nothing more comes.
    await old.end()
    await fleet.whole()
    await traffic.more(100)
    t.is((await old.process.exited).code, 0, old.process.stderr)
  }
  await traffic.end()
  t.deepEqual(traffic.failures, [])
  for (const pipeline of ['live', 'kept'] as const) {
    const books = await fleet.settled(pipeline)
    accepted += books.accepted
    dropped += droppedOf(books)
    const { times } = fleet.collector[pipeline]
    t.deepEqual([...times.keys()].sort(), traffic.answered.toSorted(), `${pipeline}: nothing is lost`)
  }
  t.is(dropped, 0)
  t.true(accepted > 0)
  t.true(add(await fleet.ledgers()).accepted > 0)
})
