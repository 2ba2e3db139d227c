/** What the bus on NATS does when the way to the server is at fault, and not the server. */

import test from 'ava'
import type { BusState } from '../../../cluster/bus/bus.ts'
import { startFaultRelay } from '../../support/fault-relay.ts'
import { connectBus, startNatsServer } from '../../support/nats-server.ts'
import { Occurrences } from '../../support/occurrences.ts'

const quick = { pingIntervalMs: 1_000, connectTimeoutMs: 2_000 }
const bytes = (text: string): Uint8Array => Buffer.from(text)

test('a way that is cut is known at once; one that leads nowhere, after two pings', async t => {
  t.timeout(30_000)
  const server = await startNatsServer(t)
  const relay = await startFaultRelay(t, server.port)
  const bus = await connectBus(t, relay.url, quick)
  const states = new Occurrences<BusState>()
  bus.onState(state => states.add(state))
  const got = new Occurrences<string>()
  bus.subscribe('subject', message => got.add(Buffer.from(message.payload).toString()))
  await bus.flush()

  relay.cut()
  await states.next(state => state === 'disconnected')
  t.false(bus.publish('subject', bytes('cut')))
  relay.heal()
  await states.next(state => state === 'connected')
  t.true(bus.publish('subject', bytes('healed')))
  t.is(await got.next(), 'healed')

  relay.partition()
  t.true(bus.publish('subject', bytes('into the dark')), 'nobody can know yet')
  await states.next(state => state === 'disconnected')
  t.false(bus.publish('subject', bytes('parted')))
  relay.heal()
  await states.next(state => state === 'connected')
  bus.publish('subject', bytes('together'))
  await got.next(text => text === 'together')
})

test('what waits while the way is stopped for a moment arrives, in order, once', async t => {
  const server = await startNatsServer(t)
  const relay = await startFaultRelay(t, server.port)
  const [from, to] = [await connectBus(t, relay.url), await connectBus(t, server.url)]
  const got = new Occurrences<string>()
  to.subscribe('subject', message => got.add(Buffer.from(message.payload).toString()))
  await to.flush()
  relay.partition()
  const sent = Array.from({ length: 100 }, (_, i) => `${i}`)
  for (const text of sent) t.true(from.publish('subject', bytes(text)))
  relay.heal()
  await got.next(text => text === '99')
  t.deepEqual(got.seen, sent)
})
