/** What a fleet does when nothing goes wrong, so that the tests of faults tell of the faults. */

import test from 'ava'
import { duplicates } from '../../support/collector.ts'
import { startFleet } from '../../support/fleet.ts'
import { startNatsServer } from '../../support/nats-server.ts'

test('each request is logged once by either delivery, in the order of its key, by all loggers', async t => {
  t.timeout(60_000)
  const nats = await startNatsServer(t)
  const fleet = await startFleet(t, { nats: nats.url })
  const traffic = fleet.traffic()
  await traffic.more(600)
  await traffic.end()
  t.deepEqual(traffic.failures, [])
  for (const pipeline of ['live', 'kept'] as const) {
    const books = await fleet.settled(pipeline)
    const { times, order, by } = fleet.collector[pipeline]
    t.deepEqual([...times.keys()].sort(), traffic.answered.toSorted(), pipeline)
    t.is(duplicates(fleet.collector[pipeline]), 0, pipeline)
    t.deepEqual(books.dropped, {}, pipeline)
    t.deepEqual([...by.keys()].sort(), ['log-1', 'log-2'], pipeline)
    for (const [key, ids] of order)
      t.deepEqual(
        ids,
        ids.toSorted((a, b) => Number(a) - Number(b)),
        `${pipeline}, ${key}`,
      )
  }
})
