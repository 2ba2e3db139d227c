/** A fleet at work, and what must hold after every fault, once all is settled. */

import { setTimeout as pause } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import { duplicates } from '../../support/collector.ts'
import {
  type Books,
  droppedOf,
  type Fleet,
  type FleetOptions,
  redelivered,
  startFleet,
} from '../../support/fleet.ts'
import type { FleetTraffic } from '../../support/fleet-traffic.ts'
import { type NatsServer, startNatsServer } from '../../support/nats-server.ts'

/** A broker, a fleet on it, and requests that go through it, of which 300 have been answered. */
export async function fleetAtWork(
  t: ExecutionContext,
  options: Omit<FleetOptions, 'nats'> = {},
): Promise<{ nats: NatsServer; fleet: Fleet; traffic: FleetTraffic }> {
  const nats = await startNatsServer(t)
  const fleet = await startFleet(t, { ...options, nats: nats.url })
  const traffic = fleet.traffic()
  await traffic.more(300)
  return { nats, fleet, traffic }
}

/** The fleet becomes whole, serves 300 requests more, and accounts for all there were. */
export async function goesOn(fleet: Fleet, traffic: FleetTraffic): Promise<void> {
  await fleet.whole()
  await traffic.more(300)
  await allIsAccountedFor(fleet, traffic)
}

/** Ends the traffic: no request failed, and both deliveries kept what they promise. */
async function allIsAccountedFor(fleet: Fleet, traffic: FleetTraffic): Promise<void> {
  await traffic.end()
  fleet.t.deepEqual(traffic.failures, [])
  await liveLossIsCounted(fleet, traffic)
  await keptIsWhole(fleet, traffic)
}

/** At most once: never twice, and what did not come is in the books. Says what the loss was put down to. */
export async function liveLossIsCounted(
  fleet: Fleet,
  traffic: FleetTraffic,
): Promise<Record<string, number>> {
  const { t, collector } = fleet
  const books = await fleet.settled('live')
  const due = books.accepted - droppedOf(books) - books.deadLettered
  // What a logger has taken it may still be writing.
  for (let looks = 0; looks < 100 && collector.live.times.size < due; looks++) await pause(50)
  const came = collector.live.times.size
  t.is(duplicates(collector.live), 0, 'at most once')
  t.is(books.accepted, traffic.answered.length, 'each request was forked')
  const lost = books.accepted - came
  t.true(lost >= 0)
  // What a node had taken and not written when it died counts as delivered: no more than it had open.
  const uncounted = due - came
  t.true(uncounted <= openAtOneTime, `${lost} did not come, and the books say ${JSON.stringify(books)}`)
  return books.dropped
}

/** Requests that a logger may have taken and not yet brought to the collector: a few milliseconds of traffic. */
const openAtOneTime = 20

/** At least once: all that was accepted came, and what came twice is in the books. */
export async function keptIsWhole(
  fleet: Fleet,
  traffic: FleetTraffic,
  { isRetried = false }: { readonly isRetried?: boolean } = {},
): Promise<Books> {
  const { t, collector } = fleet
  const books = await fleet.settled('kept')
  t.is(books.accepted, traffic.answered.length, 'each request was forked')
  const isWhole = (): boolean => collector.kept.times.size >= books.accepted - droppedOf(books)
  await fleet
    .until('all that was accepted came', async () => isWhole())
    .catch(async error => {
      const missing = traffic.answered.filter(id => !collector.kept.times.has(id))
      t.log('missing', missing.length, missing.slice(0, 20), books, await fleet.ledgers())
      throw error
    })
  t.is(collector.kept.times.size, books.accepted - droppedOf(books))
  const twice = duplicates(collector.kept)
  const counted = redelivered(await fleet.ledgers())
  // What is tried again after a failure may have got as far as the collector before.
  if (!isRetried) t.true(twice <= counted, `${twice} came twice, and ${counted} were counted as given again`)
  t.is(books.deadLettered, 0)
  return books
}
