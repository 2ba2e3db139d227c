/** What each bus promises: one suite, run over the one on NATS and over the one in memory. */

import test, { type ExecutionContext } from 'ava'
import type { BucketEntry, Bus, Delivery, StreamOptions } from '../../../cluster/bus/bus.ts'
import { Occurrences } from '../../support/occurrences.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)
const textOf = (payload: Uint8Array | undefined): string | undefined =>
  payload === undefined ? undefined : Buffer.from(payload).toString()

let names = 0
/** Names that no other test has: all may share one server. */
const unique = (name: string): string => `${name}-${++names}`

const stream = (name: string, more: Partial<StreamOptions> = {}): StreamOptions => ({
  name,
  subjects: [`${name}.>`],
  retention: 'work',
  maxBytes: 1024 * 1024,
  maxAgeMs: 60_000,
  duplicateWindowMs: 60_000,
  replicas: 1,
  storage: 'memory',
  ...more,
})

/** @param open gives a new client; all of one suite are of one broker */
export function busContract(name: string, open: (t: ExecutionContext) => Promise<Bus>): void {
  const contract = (title: string, run: (t: ExecutionContext) => Promise<void>): void =>
    test(`${name}: ${title}`, async t => {
      t.timeout(20_000)
      await run(t)
    })

  contract('what one client sends on a subject another gets whole and in order', async t => {
    const [from, to] = [await open(t), await open(t)]
    const subject = unique('orders')
    const got = new Occurrences<string>()
    to.subscribe(`${subject}.*`, message => got.add(`${message.subject} ${textOf(message.payload)}`))
    await to.flush()
    for (let i = 0; i < 200; i++) t.true(from.publish(`${subject}.one`, bytes(`${i}`)))
    await got.next(text => text.endsWith(' 199'))
    t.deepEqual(
      got.seen,
      Array.from({ length: 200 }, (_, i) => `${subject}.one ${i}`),
    )
  })

  contract('headers and the subject to reply to arrive as they were sent', async t => {
    const bus = await open(t)
    const subject = unique('traced')
    const got = new Occurrences<unknown>()
    bus.subscribe(subject, ({ headers, reply }) => got.add({ headers, reply }))
    await bus.flush()
    bus.publish(subject, bytes(''), { headers: { traceparent: '00-ab-cd-01', 'X-Two': '2' }, reply: 'back' })
    t.deepEqual(await got.next(), { headers: { traceparent: '00-ab-cd-01', 'X-Two': '2' }, reply: 'back' })
    bus.publish(subject, bytes(''))
    t.deepEqual(await got.next(), { headers: undefined, reply: undefined })
  })

  contract('a header with a line break, an empty subject and too many bytes are refused', async t => {
    const bus = await open(t)
    const code = { code: 'ClusterError' }
    t.throws(() => bus.publish('a', bytes(''), { headers: { a: 'b\r\nc: d' } }), code)
    t.throws(() => bus.publish('', bytes('')), code)
    t.throws(() => bus.publish('a b', bytes('')), code)
    t.throws(() => bus.subscribe('a b', () => {}), code)
    t.throws(() => bus.publish('a', new Uint8Array(bus.maxPayload + 1)), code)
    t.true(bus.publish('a', new Uint8Array(bus.maxPayload)))
  })

  contract('a subscriber with a wildcard gets all below it, and nothing after it has ended', async t => {
    const bus = await open(t)
    const subject = unique('tree')
    const got = new Occurrences<string>()
    const all = bus.subscribe(`${subject}.>`, message => got.add(message.subject))
    await bus.flush()
    for (const each of [`${subject}.a`, `${subject}.a.b`, subject, `${subject}.c`])
      bus.publish(each, bytes(''))
    await got.next(each => each === `${subject}.c`)
    t.deepEqual(got.seen.sort(), [`${subject}.a`, `${subject}.a.b`, `${subject}.c`])
    all.unsubscribe()
    const last = new Occurrences<string>()
    bus.subscribe(`${subject}.last`, message => last.add(message.subject))
    await bus.flush()
    bus.publish(`${subject}.last`, bytes(''))
    await last.next()
    t.is(got.seen.length, 3)
  })

  contract('of a group each message goes to one', async t => {
    const buses = [await open(t), await open(t), await open(t)]
    const subject = unique('shared')
    const got = new Occurrences<string>()
    for (const bus of buses) {
      bus.subscribe(subject, message => got.add(textOf(message.payload) as string), 'group')
      await bus.flush()
    }
    for (let i = 0; i < 60; i++) (buses[0] as Bus).publish(subject, bytes(`${i}`))
    while (got.seen.length < 60) await got.next()
    t.deepEqual(
      got.seen.map(Number).sort((a, b) => a - b),
      Array.from({ length: 60 }, (_, i) => i),
    )
  })

  contract('a handler that throws gets the next message all the same', async t => {
    const bus = await open(t)
    const subject = unique('throws')
    const got = new Occurrences<string>()
    bus.subscribe(subject, message => {
      got.add(textOf(message.payload) as string)
      throw new Error('a handler failed')
    })
    await bus.flush()
    bus.publish(subject, bytes('1'))
    bus.publish(subject, bytes('2'))
    await got.next(text => text === '2')
    t.deepEqual(got.seen, ['1', '2'])
  })

  contract('a request is answered, or fails with the reason', async t => {
    const [asker, asked] = [await open(t), await open(t)]
    const subject = unique('asked')
    await t.throwsAsync(asker.request(subject, bytes('?'), 2_000), { code: 'NoResponder' })
    asked.subscribe(subject, message => {
      if (textOf(message.payload) !== 'silence') asked.publish(message.reply as string, message.payload)
    })
    await asked.flush()
    const answers = await Promise.all(['a', 'b', 'c'].map(text => asker.request(subject, bytes(text), 2_000)))
    t.deepEqual(
      answers.map(answer => textOf(answer.payload)),
      ['a', 'b', 'c'],
    )
    await t.throwsAsync(asker.request(subject, bytes('silence'), 50), { code: 'AskTimeout' })
  })

  contract('a closed bus sends nothing, and says that it is closed', async t => {
    const bus = await open(t)
    const states = new Occurrences<string>()
    bus.onState(state => states.add(state))
    await bus.close()
    await states.next(state => state === 'closed')
    t.false(bus.isConnected)
    t.false(bus.publish('a', bytes('')))
    await t.throwsAsync(bus.request('a', bytes(''), 100), { code: 'ClusterError' })
  })

  contract('of two that write to one revision of a key, one succeeds', async t => {
    const bucket = await (await open(t)).bucket(unique('agreed'))
    t.is(await bucket.get('key'), undefined)
    const created = await Promise.all([bucket.create('key', bytes('a')), bucket.create('key', bytes('b'))])
    t.is(created.filter(revision => revision !== undefined).length, 1)
    const revision = created.find(each => each !== undefined) as number
    const updated = await Promise.all([
      bucket.update('key', bytes('c'), revision),
      bucket.update('key', bytes('d'), revision),
    ])
    t.is(updated.filter(each => each !== undefined).length, 1)
    t.true(['c', 'd'].includes(textOf((await bucket.get('key'))?.value) as string))
    t.false(await bucket.delete('key', revision))
    t.true(await bucket.delete('key', (await bucket.get('key'))?.revision))
    t.is(await bucket.get('key'), undefined)
    t.is(typeof (await bucket.create('key', bytes('again'))), 'number')
    t.is(typeof (await bucket.put('other', bytes('any'))), 'number')
    t.deepEqual((await bucket.keys()).sort(), ['key', 'other'])
    t.true(await bucket.delete('other'))
    t.deepEqual(await bucket.keys(), ['key'])
  })

  contract('a watch gives what is there, says so, then gives each change', async t => {
    const [writer, reader] = [await open(t), await open(t)]
    const name = unique('watched')
    const written = await writer.bucket(name)
    await written.put('a', bytes('1'))
    await written.put('b', bytes('2'))
    await written.delete('a')
    await written.put('a', bytes('3'))
    const told = new Occurrences<string>()
    const watched = await reader.bucket(name)
    const watch = await watched.watch(
      ({ key, value }: BucketEntry) => told.add(`${key}=${textOf(value)}`),
      () => told.add('all'),
    )
    await told.next(text => text === 'all')
    t.deepEqual(told.seen, ['b=2', 'a=3', 'all'])
    await written.put('b', bytes('4'))
    await written.delete('a')
    await written.put('c', bytes('5'))
    await told.next(text => text === 'c=5')
    t.deepEqual(told.seen.slice(3), ['b=4', 'a=undefined', 'c=5'])
    watch.unsubscribe()
    await written.put('c', bytes('6'))
    const second = new Occurrences<string>()
    await watched.watch(({ key, value }) => second.add(`${key}=${textOf(value)}`))
    await second.next(text => text === 'c=6')
    t.false(told.seen.includes('c=6'))
  })

  contract('a watch of an empty bucket says at once that this is all', async t => {
    const told = new Occurrences<string>()
    const bucket = await (await open(t)).bucket(unique('empty'))
    await bucket.watch(
      () => told.add('entry'),
      () => told.add('all'),
    )
    t.is(await told.next(), 'all')
  })

  contract('a message with an id that is remembered is stored once', async t => {
    const { streams } = await open(t)
    const name = unique('once')
    await streams.ensure(stream(name))
    const options = { id: 'message-1', deadlineMs: 2_000, headers: { traceparent: '00-ab-cd-01' } }
    t.deepEqual(await streams.publish(`${name}.a`, bytes('x'), options), { sequence: 1, isDuplicate: false })
    t.deepEqual(await streams.publish(`${name}.a`, bytes('x'), options), { sequence: 1, isDuplicate: true })
    t.is((await streams.info(name))?.messages, 1)
    const stored = await streams.get(name, 1)
    t.is(stored?.subject, `${name}.a`)
    t.is(textOf(stored?.payload), 'x')
    t.is(stored?.headers?.traceparent, '00-ab-cd-01')
    t.true(await streams.delete(name, 1))
    t.false(await streams.delete(name, 1))
    t.is(await streams.get(name, 1), undefined)
  })

  contract('what waits in a stream is told by subject, and streams by what they take', async t => {
    const { streams } = await open(t)
    const name = unique('waits')
    t.is(await streams.waiting(name), undefined)
    await streams.ensure(stream(name))
    t.deepEqual(await streams.waiting(name), new Map())
    for (const [id, subject] of ['a', 'b', 'a'].entries())
      await streams.publish(`${name}.${subject}`, bytes('x'), { id: `${id}`, deadlineMs: 2_000 })
    t.deepEqual(
      await streams.waiting(name),
      new Map([
        [`${name}.a`, 2],
        [`${name}.b`, 1],
      ]),
    )
    t.deepEqual(await streams.names(`${name}.>`), [name])
    t.deepEqual(await streams.names(`${name}-other.>`), [])
  })

  contract('a subject that no stream keeps has no responder', async t => {
    const { streams } = await open(t)
    const options = { id: '1', deadlineMs: 2_000 }
    await t.throwsAsync(streams.publish(unique('nowhere'), bytes(''), options), {
      code: 'NoResponder',
      message: /no stream/,
    })
    t.is(await streams.info(unique('nothing')), undefined)
  })

  contract('a full stream refuses what is new and takes it when there is room', async t => {
    const { streams } = await open(t)
    const name = unique('full')
    await streams.ensure(stream(name, { maxBytes: 10_000 }))
    const publish = (id: string): Promise<unknown> =>
      streams.publish(`${name}.a`, new Uint8Array(4_000), { id, deadlineMs: 2_000 })
    await publish('1')
    await publish('2')
    await t.throwsAsync(publish('3'), { code: 'StreamFull' })
    await streams.delete(name, 1)
    await publish('3')
    t.is((await streams.info(name))?.messages, 2)
  })

  contract('a stream can be given more room, and not another retention', async t => {
    const { streams } = await open(t)
    const name = unique('changed')
    await streams.ensure(stream(name, { maxBytes: 5_000 }))
    await streams.ensure(stream(name, { maxBytes: 50_000 }))
    await streams.publish(`${name}.a`, new Uint8Array(20_000), { id: '1', deadlineMs: 2_000 })
    await t.throwsAsync(streams.ensure(stream(name, { retention: 'limits' })), {
      code: 'ClusterError',
      message: /delete it when it is empty/,
    })
  })

  contract('what is acknowledged never comes again, and what is given back does', async t => {
    const { streams } = await open(t)
    const name = unique('work')
    await streams.ensure(stream(name))
    for (const id of ['1', '2', '3']) await streams.publish(`${name}.a`, bytes(id), { id, deadlineMs: 2_000 })
    const given = new Occurrences<Delivery>()
    const options = { name: 'worker', maxPending: 10, ackWaitMs: 60_000 }
    const consumption = await streams.consume(name, options, delivery => given.add(delivery))
    while (given.seen.length < 3) await given.next()
    t.deepEqual(
      given.seen.map(({ payload, attempt, sequence }) => [textOf(payload), attempt, sequence]),
      [
        ['1', 1, 1],
        ['2', 1, 2],
        ['3', 1, 3],
      ],
    )
    const [first, second, third] = given.seen as [Delivery, Delivery, Delivery]
    await first.ack()
    second.nak(0)
    const again = await given.next(({ sequence, attempt }) => sequence === 2 && attempt === 2)
    t.deepEqual(
      given.seen.map(({ count }) => count),
      [1, 2, 3, 4],
      'the consumer counts all that it gives',
    )
    await again.ack()
    await third.ack()
    const info = await streams.info(name)
    t.is(info?.messages, 0, 'acknowledged work is gone')
    t.like(info?.consumers, { 0: { name: 'worker', waiting: 0, pending: 0 }, length: 1 })
    await consumption.stop()
    await streams.deleteConsumer(name, 'worker')
    await streams.deleteConsumer(name, 'worker')
    t.deepEqual((await streams.info(name))?.consumers, [])
  })

  contract('what is not acknowledged in time comes again; what is extended has more time', async t => {
    const { streams } = await open(t)
    const name = unique('late')
    await streams.ensure(stream(name))
    const given = new Occurrences<Delivery>()
    // Far longer than the time between extensions: a machine may stall between two of them.
    const options = { name: 'worker', maxPending: 10, ackWaitMs: 2_000 }
    await streams.consume(name, options, delivery => given.add(delivery))
    await streams.publish(`${name}.a`, bytes('forgotten'), { id: '1', deadlineMs: 2_000 })
    const extended = streams.publish(`${name}.a`, bytes('extended'), { id: '2', deadlineMs: 2_000 })
    await given.next(({ sequence }) => sequence === 2)
    const work = given.seen.find(({ sequence }) => sequence === 2) as Delivery
    const extending = setInterval(() => work.extend(), 50)
    await extended
    const isForgotten = ({ sequence, attempt }: Delivery): boolean => sequence === 1 && attempt === 3
    const last = await given.next(isForgotten)
    clearInterval(extending)
    t.is(given.seen.filter(({ sequence }) => sequence === 2).length, 1)
    await work.ack()
    await last.ack()
  })

  contract('no more come than may be unacknowledged at one time', async t => {
    const { streams } = await open(t)
    const name = unique('bounded')
    await streams.ensure(stream(name))
    const count = 20
    for (let i = 1; i <= count; i++)
      await streams.publish(`${name}.a`, bytes(`${i}`), { id: `${i}`, deadlineMs: 2_000 })
    const given = new Occurrences<number>()
    let most = 0
    let open_ = 0
    const options = { name: 'worker', maxPending: 3, ackWaitMs: 60_000 }
    await streams.consume(name, options, delivery => {
      most = Math.max(most, ++open_)
      setTimeout(() => {
        open_--
        void delivery.ack().then(() => given.add(delivery.sequence))
      }, 5)
    })
    while (given.seen.length < count) await given.next()
    t.true(most <= 3 && most > 0, `${most} at one time`)
    t.deepEqual(
      given.seen.toSorted((a, b) => a - b),
      Array.from({ length: count }, (_, i) => i + 1),
    )
  })

  contract('consumers with filters share the work, and one that comes back goes on where it was', async t => {
    const { streams } = await open(t)
    const name = unique('shards')
    await streams.ensure(stream(name))
    const given = { a: new Occurrences<string>(), b: new Occurrences<string>() }
    const consume = (shard: 'a' | 'b') =>
      streams.consume(
        name,
        { name: shard, filter: `${name}.${shard}`, maxPending: 10, ackWaitMs: 60_000 },
        delivery => void delivery.ack().then(() => given[shard].add(textOf(delivery.payload) as string)),
      )
    const first = await consume('a')
    await consume('b')
    const publish = (shard: string, text: string): Promise<unknown> =>
      streams.publish(`${name}.${shard}`, bytes(text), { id: text, deadlineMs: 2_000 })
    await publish('a', 'a1')
    await publish('b', 'b1')
    await given.a.next(text => text === 'a1')
    await given.b.next(text => text === 'b1')
    await first.stop()
    await publish('a', 'a2')
    await publish('b', 'b2')
    await given.b.next(text => text === 'b2')
    await consume('a')
    await given.a.next(text => text === 'a2')
    t.deepEqual(given.a.seen, ['a1', 'a2'])
    t.deepEqual(given.b.seen, ['b1', 'b2'])
  })

  contract('who deletes a consumer shuts out whoever used it, and he is told', async t => {
    const [one, two] = [await open(t), await open(t)]
    const name = unique('fenced')
    await one.streams.ensure(stream(name))
    const options = { name: 'worker', maxPending: 10, ackWaitMs: 60_000 }
    const given = new Occurrences<string>()
    const consumption = await one.streams.consume(name, options, ({ payload }) =>
      given.add(textOf(payload) as string),
    )
    await two.streams.deleteConsumer(name, 'worker')
    await consumption.ended
    await two.streams.publish(`${name}.a`, bytes('for the next'), { id: '1', deadlineMs: 2_000 })
    t.deepEqual((await two.streams.info(name))?.consumers, [])
    const next = new Occurrences<string>()
    await two.streams.consume(name, options, ({ payload }) => next.add(textOf(payload) as string))
    t.is(await next.next(), 'for the next')
    t.deepEqual(given.seen, [])
  })

  contract('the last of a range are read in order, whatever is missing between them', async t => {
    const { streams } = await open(t)
    const name = unique('read')
    await streams.ensure(stream(name, { retention: 'limits' }))
    const range = { from: 1, through: 1_000, count: 1_000 }
    t.deepEqual(await streams.last(name, range), [])
    t.deepEqual(await streams.last(unique('none'), range), [])
    const stored: Promise<unknown>[] = []
    for (let i = 1; i <= 600; i++) {
      const subject = i % 3 === 0 ? `${name}.b` : `${name}.a`
      stored.push(streams.publish(subject, bytes(`${i}`), { id: `${i}`, deadlineMs: 5_000 }))
    }
    await Promise.all(stored)
    for (const sequence of [1, 2, 300, 600]) await streams.delete(name, sequence)
    const read = async (change: object): Promise<number[]> =>
      (await streams.last(name, { ...range, ...change })).map(({ sequence }) => sequence)
    t.deepEqual(
      await read({}),
      Array.from({ length: 599 }, (_, i) => i + 1).filter(each => ![1, 2, 300].includes(each)),
    )
    t.deepEqual(await read({ from: 298, through: 303 }), [298, 299, 301, 302, 303])
    t.deepEqual(await read({ count: 2 }), [598, 599])
    t.deepEqual(await read({ from: 300, through: 300 }), [])
    t.deepEqual(await read({ from: 600 }), [])
    const [last] = await streams.last(name, { ...range, count: 1, filter: `${name}.b` })
    t.like(last, { sequence: 597, subject: `${name}.b` })
    t.like(last?.headers, { 'Nats-Msg-Id': textOf(last?.payload as Uint8Array) })
    t.deepEqual((await streams.info(name))?.messages, 596)
  })

  contract('with interest each consumer gets a copy, and a message goes when all have it', async t => {
    const { streams } = await open(t)
    const name = unique('copies')
    await streams.ensure(stream(name, { retention: 'interest' }))
    const given = { one: new Occurrences<Delivery>(), two: new Occurrences<Delivery>() }
    for (const consumer of ['one', 'two'] as const)
      await streams.consume(name, { name: consumer, maxPending: 10, ackWaitMs: 60_000 }, delivery =>
        given[consumer].add(delivery),
      )
    await streams.publish(`${name}.a`, bytes('copy'), { id: '1', deadlineMs: 2_000 })
    const [one, two] = await Promise.all([given.one.next(), given.two.next()])
    await one.ack()
    t.is((await streams.info(name))?.messages, 1)
    await two.ack()
    t.is((await streams.info(name))?.messages, 0)
  })

  contract(
    'a consumer that begins where another stands gets what that has not done, and keeps it',
    async t => {
      const { streams } = await open(t)
      const name = unique('succeeded')
      await streams.ensure(stream(name, { retention: 'interest' }))
      const options = { filter: `${name}.a`, maxPending: 10, ackWaitMs: 60_000 }
      const given = new Occurrences<Delivery>()
      const first = await streams.consume(name, { ...options, name: 'first' }, each => given.add(each))
      const publish = (id: string, subject = `${name}.a`): Promise<unknown> =>
        streams.publish(subject, bytes(id), { id, deadlineMs: 5_000 })
      for (const id of ['1', '2', '3', '4']) await publish(id)
      for (const id of ['1', '2', '4']) await (await given.next(each => textOf(each.payload) === id)).ack()
      await first.stop()
      await publish('5')
      const stood = (await streams.info(name))?.consumers[0]
      t.is(stood?.through, 2)
      const from = (stood?.through ?? 0) + 1
      const again = new Occurrences<Delivery>()
      await streams.consume(name, { ...options, name: 'second', from }, each => again.add(each))
      t.is((await streams.info(name))?.consumers.find(each => each.name === 'second')?.through, 2)
      await streams.deleteConsumer(name, 'first')
      const [third, fifth] = [await again.next(), await again.next(each => textOf(each.payload) === '5')]
      t.is(textOf(third.payload), '3')
      t.is(third.count, 1)
      for (const each of again.seen) await each.ack()
      t.is(textOf(fifth.payload), '5')
      t.is((await streams.info(name))?.messages, 0)
      t.is((await streams.info(name))?.consumers[0]?.through, 5)
    },
  )

  contract('after stop nothing comes, and what was under way is for the next at once', async t => {
    const [one, two] = [await open(t), await open(t)]
    const name = unique('handed')
    await one.streams.ensure(stream(name))
    const count = 50
    const given = new Occurrences<number>()
    const options = { name: 'worker', maxPending: 1_000, ackWaitMs: 60_000 }
    const unacknowledged = new Set<number>()
    const first = await one.streams.consume(name, options, delivery => {
      unacknowledged.add(delivery.sequence)
      given.add(delivery.sequence)
    })
    const stored: Promise<unknown>[] = []
    for (let i = 1; i <= count; i++)
      stored.push(two.streams.publish(`${name}.a`, bytes(`${i}`), { id: `${i}`, deadlineMs: 5_000 }))
    await given.next()
    await first.stop()
    const had = unacknowledged.size
    await Promise.all(stored)
    const rest = new Occurrences<number>()
    await two.streams.consume(
      name,
      options,
      delivery => void delivery.ack().then(() => rest.add(delivery.sequence)),
    )
    // At least once: now and then one of them comes twice to the second, long before the time to acknowledge is over.
    while (new Set([...rest.seen, ...unacknowledged]).size < count) await rest.next()
    t.is(unacknowledged.size, had, 'nothing came after stop')
  })
}
