/** Loggers are slow, fail, or have nobody to write to, while requests go through the fleet. */

import test from 'ava'
import { duplicates } from '../../support/collector.ts'
import { droppedOf, startFleet } from '../../support/fleet.ts'
import { startNatsServer } from '../../support/nats-server.ts'
import { keptIsWhole, liveLossIsCounted } from './promises.ts'

test.serial(
  'loggers that cannot keep up lose what is sent at most once, and catch up with the rest',
  async t => {
    t.timeout(60_000)
    const nats = await startNatsServer(t)
    const fleet = await startFleet(t, { nats: nats.url })
    fleet.collector.delayMs = 100
    const traffic = fleet.traffic(500)
    await traffic.more(2_000)
    fleet.collector.delayMs = 0
    await traffic.more(200)
    await traffic.end()
    t.deepEqual(traffic.failures, [])
    await liveLossIsCounted(fleet, traffic)
    await keptIsWhole(fleet, traffic)
  },
)

test.serial(
  'a stream that is full refuses what is new, which is counted, and takes it again when it has room',
  async t => {
    t.timeout(60_000)
    const nats = await startNatsServer(t)
    const fleet = await startFleet(t, { nats: nats.url, env: { STREAM_SIZE: '2m' } })
    fleet.collector.hold()
    // What waits for room is kept as far as eight megabytes go.
    const traffic = fleet.traffic(200, 60_000)
    await fleet.until('something is dropped', async () => {
      const rows = (await fleet.ledgers()).filter(({ kind, to }) => kind === 'fork' && to === 'kept')
      return rows.some(row => droppedOf(row) > 0)
    })
    await traffic.more(50)
    fleet.collector.release()
    await fleet.until('something came', async () => fleet.collector.kept.times.size > 0)
    await traffic.more(50)
    await traffic.end()
    t.deepEqual(traffic.failures, [])
    const books = await keptIsWhole(fleet, traffic)
    t.true((books.dropped['stream-full'] ?? 0) > 0, JSON.stringify(books))
  },
)

test.serial(
  'a logger that throws on every tenth event is started anew each time, and gets the event again',
  async t => {
    t.timeout(60_000)
    const nats = await startNatsServer(t)
    const fleet = await startFleet(t, { nats: nats.url, heartbeat: '2s', env: { FAIL_EVERY: '10' } })
    const traffic = fleet.traffic()
    await traffic.more(600)
    await traffic.end()
    t.deepEqual(traffic.failures, [])
    await keptIsWhole(fleet, traffic, { isRetried: true })
    // Delivered at most once, what it threw on is lost, with what was on its way to the collector in that session.
    const { live } = fleet.collector
    t.is(duplicates(live), 0)
    t.true(live.times.size > traffic.answered.length / 2, `${live.times.size} of ${traffic.answered.length}`)
  },
)
