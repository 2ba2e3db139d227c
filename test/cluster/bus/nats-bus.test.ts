/** What the bus on NATS does when servers die, stand still, lead no more, or do not let it in. Real servers, real signals. */

import { Kvm } from '@nats-io/kv'
import { connect } from '@nats-io/transport-node'
import test, { type ExecutionContext } from 'ava'
import type { Bus, BusState, Delivery } from '../../../cluster/bus/bus.ts'
import { connectBus, startNatsCluster, startNatsServer } from '../../support/nats-server.ts'
import { Occurrences } from '../../support/occurrences.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

/** Settings that notice a silent server soon, and take no machine that stalls for a moment for one. */
const quick = { pingIntervalMs: 1_000, connectTimeoutMs: 2_000 }

const statesOf = (bus: Bus): Occurrences<BusState> => {
  const states = new Occurrences<BusState>()
  bus.onState(state => states.add(state))
  return states
}

const storeOptions = {
  subjects: ['kept.>'],
  retention: 'work',
  maxBytes: 1024 * 1024,
  maxAgeMs: 600_000,
  duplicateWindowMs: 60_000,
  storage: 'file',
} as const

test('while the server is away nothing is sent, and after its return subscriptions, watches and consumers go on', async t => {
  t.timeout(30_000)
  const server = await startNatsServer(t)
  const bus = await connectBus(t, server.url)
  const states = statesOf(bus)
  const got = new Occurrences<string>()
  bus.subscribe('subject', message => got.add(Buffer.from(message.payload).toString()))
  const bucket = await bus.bucket('members')
  const told = new Occurrences<string>()
  await bucket.watch(({ key, revision }) => told.add(`${key}@${revision}`))
  await bucket.put('before', bytes(''))
  await told.next(text => text === 'before@1')
  await bus.streams.ensure({ name: 'kept', ...storeOptions, replicas: 1 })
  const given = new Occurrences<Delivery>()
  const consumer = { name: 'worker', maxPending: 10, ackWaitMs: 60_000 }
  await bus.streams.consume('kept', consumer, delivery => given.add(delivery))

  await server.kill()
  await states.next(state => state === 'disconnected')
  t.false(bus.publish('subject', bytes('while away')))
  const away = { code: 'ClusterError' }
  await t.throwsAsync(bus.streams.publish('kept.a', bytes(''), { id: '1', deadlineMs: 500 }), away)
  await t.throwsAsync(bus.request('subject', bytes(''), 500), away)
  await t.throwsAsync(bus.flush(), away)

  await server.start()
  await states.next(state => state === 'connected')
  t.true(bus.publish('subject', bytes('back')))
  t.is(await got.next(), 'back')
  await bucket.put('after', bytes(''))
  await told.next(text => text.startsWith('after'))
  await bus.streams.publish('kept.a', bytes(''), { id: '2', deadlineMs: 5_000 })
  const delivery = await given.next()
  await delivery.ack()
  t.is((await bus.streams.info('kept'))?.messages, 0)
})

test('what waits for an answer when the server dies fails at once, long before its deadline', async t => {
  const server = await startNatsServer(t)
  const bus = await connectBus(t, server.url)
  bus.subscribe('silent', () => {})
  const bucket = await bus.bucket('members', { deadlineMs: 60_000 })
  await bus.streams.ensure({ name: 'kept', ...storeOptions, replicas: 1 })
  server.stop()
  const lost = { code: 'ClusterError', message: /connection .* lost/ }
  const stored = t.throwsAsync(
    bus.streams.publish('kept.a', bytes('x'), { id: '1', deadlineMs: 60_000 }),
    lost,
  )
  const asked = t.throwsAsync(bus.request('silent', bytes(''), 60_000), lost)
  const read = t.throwsAsync(bucket.get('key'), lost)
  await server.kill()
  await Promise.all([asked, read, stored])
})

test('what a user may not store fails at once, and names it', async t => {
  const permissions = '{ publish: { deny: "kept.closed" } }'
  const server = await startNatsServer(t, {
    config: `authorization { users: [{ user: ana, password: secret, permissions: ${permissions} }] }`,
  })
  const bus = await connectBus(t, `nats://ana:secret@127.0.0.1:${server.port}`)
  await bus.streams.ensure({ name: 'kept', ...storeOptions, replicas: 1 })
  const open = { id: '1', deadlineMs: 60_000 }
  const closed = t.throwsAsync(bus.streams.publish('kept.closed', bytes('x'), open), {
    code: 'ClusterError',
    message: /kept\.closed/,
  })
  t.deepEqual(await bus.streams.publish('kept.a', bytes('x'), open), { sequence: 1, isDuplicate: false })
  await closed
})

test('large messages arrive whole, and in the order in which they were sent among small ones', async t => {
  const server = await startNatsServer(t)
  const [from, to] = [await connectBus(t, server.url), await connectBus(t, server.url)]
  const got = new Occurrences<Uint8Array>()
  to.subscribe('mixed', ({ payload }) => got.add(Uint8Array.from(payload)))
  await to.flush()
  const sizes = [3, 65_536, 0, 65_535, 300_000, 7, from.maxPayload, 1, 65_537, 65_536]
  const sent = sizes.map((size, i) => new Uint8Array(size).fill(i + 1))
  for (const payload of sent) t.true(from.publish('mixed', payload))
  for (const payload of sent) t.true(Buffer.from(payload).equals(await got.next()))
  const large = new Uint8Array(100_000)
  for (const subject of ['', 'a b', 'a\r\nPUB b 0'])
    t.throws(() => from.publish(subject, large), { code: 'ClusterError' })
  t.throws(() => from.publish('mixed', new Uint8Array(from.maxPayload + 1)), { code: 'ClusterError' })
  await from.close()
  t.false(from.publish('mixed', large))
})

test('memory that is said to be written can be used again, also while the server reads nothing', async t => {
  t.timeout(30_000)
  const server = await startNatsServer(t)
  const [sender, receiver] = [await connectBus(t, server.url), await connectBus(t, server.url)]
  const size = 100_000
  const got = new Occurrences<string>()
  receiver.subscribe('large', ({ payload }) => {
    const [first = 0] = payload
    const isWhole = payload.length === size && payload.every(byte => byte === first)
    got.add(isWhole ? String(first) : 'spoiled')
  })
  await receiver.flush()
  const counts = { written: 0, waiting: 0 }
  const send = (number: number): void => {
    const payload = Buffer.alloc(size, number)
    t.true(sender.publish('large', payload))
    if (sender.hasWritten !== true) counts.waiting++
    else {
      counts.written++
      payload.fill(255)
    }
  }
  for (let i = 0; i < 20; i++) send(i)
  server.stop()
  // More than sockets hold, less than may be under way.
  for (let i = 20; i < 80; i++) send(i)
  server.cont()
  while (got.seen.length < 80) await got.next()
  t.deepEqual(
    got.seen,
    Array.from({ length: 80 }, (_, i) => String(i)),
  )
  t.true(counts.written > 0 && counts.waiting > 0, JSON.stringify(counts))
  t.true(sender.publish('large', bytes('small: the client keeps it for a moment')))
  t.false(sender.hasWritten)
})

test('an answer of a stream that comes after the deadline is taken for no other', async t => {
  const server = await startNatsServer(t)
  const bus = await connectBus(t, server.url)
  await bus.streams.ensure({ name: 'kept', ...storeOptions, replicas: 1 })
  const asked = new Occurrences<string>()
  bus.subscribe('late', ({ reply }) => asked.add(reply as string))
  const late = bus.streams.publish('late', bytes('x'), { id: '1', deadlineMs: 20 })
  await t.throwsAsync(late, { code: 'AskTimeout', message: /late/ })
  const stored = bus.streams.publish('kept.a', bytes('y'), { id: '2', deadlineMs: 60_000 })
  bus.publish(await asked.next(), bytes('{"stream":"late","seq":7}'))
  t.deepEqual(await stored, { sequence: 1, isDuplicate: false })
})

test('a user who may hear no answers learns at once that nothing can be stored', async t => {
  const permissions = '{ subscribe: { deny: "_INBOX.>" } }'
  const server = await startNatsServer(t, {
    config: `authorization { users: [{ user: ana, password: secret, permissions: ${permissions} }] }`,
  })
  const bus = await connectBus(t, `nats://ana:secret@127.0.0.1:${server.port}`)
  for (const id of ['1', '2'])
    await t.throwsAsync(bus.streams.publish('kept.a', bytes('x'), { id, deadlineMs: 60_000 }), {
      code: 'ClusterError',
      message: /_INBOX/,
    })
})

test('what is large, and ids and headers that are no plain text, are stored as they are', async t => {
  const server = await startNatsServer(t)
  const bus = await connectBus(t, server.url)
  await bus.streams.ensure({ name: 'kept', ...storeOptions, replicas: 1 })
  for (const [index, id] of ['plain-1', 'of pipeline ü 1'].entries()) {
    const sequence = index * 2 + 1
    const given = { id, deadlineMs: 5_000 }
    const large = Buffer.alloc(100_000, id)
    for (const isDuplicate of [false, true])
      t.deepEqual(await bus.streams.publish('kept.a', large, given), { sequence, isDuplicate })
    t.true(large.equals((await bus.streams.get('kept', sequence))?.payload ?? bytes('')))
    await bus.streams.publish('kept.a', bytes('x'), { ...given, id: `${id}b`, headers: { 'X-Two': '2' } })
    t.is((await bus.streams.get('kept', sequence))?.headers?.['Nats-Msg-Id'], id)
    t.is((await bus.streams.get('kept', sequence + 1))?.headers?.['X-Two'], '2')
  }
})

test('a server that stands still is given up; what was sent to it is bounded', async t => {
  t.timeout(30_000)
  const server = await startNatsServer(t)
  const limit = 4 * 1024 * 1024
  const bus = await connectBus(t, server.url, { ...quick, maxUnseenBytes: limit })
  const states = statesOf(bus)
  server.stop()
  const payload = new Uint8Array(64 * 1024)
  let sent = 0
  while (bus.publish('subject', payload)) sent += payload.length
  t.true(bus.isConnected, 'nobody has noticed yet')
  t.true(sent <= limit && sent > limit / 2, `${sent} bytes`)
  await states.next(state => state === 'disconnected')
  t.false(bus.publish('subject', payload))
  server.cont()
  await states.next(state => state === 'connected')
  const got = new Occurrences<string>()
  bus.subscribe('again', message => got.add(message.subject))
  t.true(bus.publish('again', bytes('')))
  t.is(await got.next(), 'again')
})

test('with three servers, when the one that leads a stream dies, what was stored is there and all goes on', async t => {
  t.timeout(60_000)
  const cluster = await startNatsCluster(t)
  const bus = await connectBus(t, cluster.url, quick)
  t.is(bus.replicas, 3)
  const bucket = await bus.bucket('members')
  const told = new Occurrences<string>()
  await bucket.watch(({ key }) => told.add(key))
  await bus.streams.ensure({ name: 'kept', ...storeOptions, replicas: 3 })
  await store(bus, 'first')
  const given = new Occurrences<Delivery>()
  const consumer = { name: 'worker', maxPending: 10, ackWaitMs: 60_000 }
  await bus.streams.consume('kept', consumer, delivery => given.add(delivery))
  await given.next()

  const leader = await cluster.streamLeader('kept')
  await leader.kill()
  await store(bus, 'second')
  const second = await given.next(({ headers }) => headers?.['Nats-Msg-Id'] === 'second')
  await until(() => second.ack())
  await until(() => bucket.put('after', bytes('')))
  await told.next(key => key === 'after')
  t.is((await until(() => bus.streams.info('kept')))?.messages, 1, 'the first, which nobody has acknowledged')
})

test('with three servers, one that stands still is left for another', async t => {
  t.timeout(60_000)
  const cluster = await startNatsCluster(t)
  const bus = await connectBus(t, cluster.url, quick)
  const states = statesOf(bus)
  const got = new Occurrences<string>()
  bus.subscribe('subject', message => got.add(message.subject))
  const ours = cluster.servers.find(server => server.url.endsWith(portOf(bus)))
  ours?.stop()
  await states.next(state => state === 'disconnected')
  await states.next(state => state === 'connected')
  t.false(ours?.url.endsWith(portOf(bus)))
  t.true(bus.publish('subject', bytes('')))
  t.is(await got.next(), 'subject')
})

test('a bucket whose entries go by themselves, as another made it, keeps them once it is ours', async t => {
  const server = await startNatsServer(t)
  const nats = await connect({ servers: server.url })
  t.teardown(() => nats.close())
  // The shortest time that the server takes.
  const theirs = await new Kvm(nats).create('leases', { ttl: 1_000, history: 5 })
  const bus = await connectBus(t, server.url)
  const bucket = await bus.bucket('leases')
  t.is((await theirs.status()).ttl, 0)
  t.is((await theirs.status()).history, 5, 'what does no harm stays')
  await bucket.put('held', bytes('1'))
  t.is((await bus.bucket('brief', { maxAgeMs: 2_000 })) === undefined, false)
  t.is((await (await new Kvm(nats).open('brief')).status()).ttl, 2_000)
})

/** Stores it as those do who may not lose it: again with the same id, until it is known to be there. */
const store = (bus: Bus, id: string): Promise<unknown> =>
  until(() => bus.streams.publish('kept.a', bytes(id), { id, deadlineMs: 1_000 }))

async function until<T>(run: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await run()
    } catch {
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }
}

/** Which server a bus is with: its connection says so, the contract does not. */
const portOf = (bus: Bus): string =>
  (bus as unknown as { connection: { getServer(): string } }).connection
    .getServer()
    .split(':')
    .at(-1) as string

const refused = async (t: ExecutionContext, url: string, text: RegExp): Promise<void> => {
  const error = await t.throwsAsync(connectBus(t, url, quick))
  t.is((error as { code?: string }).code, 'ClusterError')
  t.regex(error?.message ?? '', text)
}

test('a server that is not there, or does not let us in, is named with the reason', async t => {
  t.timeout(30_000)
  await refused(t, 'nats://127.0.0.1:1', /127\.0\.0\.1:1.*refused/)
  const server = await startNatsServer(t, { config: 'authorization { user: ana, password: secret }' })
  await refused(t, server.url, /Authorization/)
  await refused(t, `nats://ana:wrong@127.0.0.1:${server.port}`, /Authorization/)
  const bus = await connectBus(t, `nats://ana:secret@127.0.0.1:${server.port}`)
  t.true(bus.isConnected)
})

test('a token opens the door', async t => {
  const server = await startNatsServer(t, { config: 'authorization { token: "s3cret" }' })
  const bus = await connectBus(t, `nats://s3cret@127.0.0.1:${server.port}`)
  t.true(bus.isConnected)
})
