/** Events that their pipeline fails on: tried again, given up after a bounded number of tries, kept, and replayed. */

import test from 'ava'
import { sluice } from '../../../actors/index.ts'
import { batchVersion, encodeBatch } from '../../../cluster/durable/batch.ts'
import { DeadLetterOffice } from '../../../cluster/durable/dead-letter-office.ts'
import { shardSubject, streamOf } from '../../../cluster/durable/names.ts'
import { Message } from '../../../runtime/event.ts'
import { type Logger, noLog } from '../../../runtime/log.ts'
import { eventually } from '../../support/eventually.ts'
import { connectBus, startNatsServer } from '../../support/nats-server.ts'
import { Occurrences } from '../../support/occurrences.ts'
import { cluster, DurableNode, isBalanced } from './durable-node.ts'

const durable = { placement: 'cluster', delivery: 'at-least-once' } as const
const text = (message: Message): string => message.body?.toString() ?? ''

test('a poison message is tried so often, then kept with the reason; those behind it are done', async t => {
  const server = await startNatsServer(t)
  const seen = new Occurrences<string>()
  const script = sluice()
    .pipeline('log', { ...durable, maxDeliver: 3 })
    .handleMessage(message => {
      seen.add(text(message))
      if (text(message) === 'poison') throw new Error('cannot take this')
    })
  const bus = await connectBus(t, server.url)
  const node = new DurableNode(bus, script)
  t.teardown(() => node.stop())
  node.see(node.member)
  for (const each of ['one', 'poison', 'two']) node.log(each, 'k')
  await seen.next(each => each === 'two')
  t.deepEqual(seen.seen, ['one', 'poison', 'poison', 'poison', 'two'])
  await eventually(() => node.row.inFlight === 0)
  t.like(node.row, { accepted: 3, delivered: 2, deadLettered: 1 })

  const office = new DeadLetterOffice(bus, cluster)
  const [letter, ...others] = await office.list()
  t.is(others.length, 0)
  t.like(letter, { pipeline: 'log', key: 'k', reason: 'failed', tries: 3, node: 'a' })
  t.is(letter?.fault?.code, 'RuntimeError')
  t.regex(letter?.fault?.message ?? '', /cannot take this/)
  t.deepEqual(letter?.wire?.[0], { name: 'poison' })
  t.is(Buffer.from(letter?.wire?.[1] as Uint8Array).toString(), 'poison')
})

test('what a newer program stored waits for a host that reads it; what comes behind it is done', async t => {
  const server = await startNatsServer(t)
  const seen = new Occurrences<string>()
  const said = new Occurrences<string>()
  const script = sluice()
    .pipeline('log', { ...durable, shards: 1 })
    .handleMessage(message => seen.add(text(message)))
  const bus = await connectBus(t, server.url)
  const log: Logger = { ...noLog, error: (message, fields) => said.add(`${fields?.code} ${message}`) }
  const node = new DurableNode(bus, script, { log })
  t.teardown(() => node.stop())
  node.see(node.member)
  node.log('before')
  await seen.next(each => each === 'before')
  const newer = encodeBatch({ id: 'newer', items: [['', [null, Buffer.from('newer'), null, null]]] })
  newer[0] = batchVersion + 1
  await bus.streams.publish(shardSubject(cluster, 'log', 0), newer, { id: 'newer', deadlineMs: 5_000 })
  t.regex(await said.next(), /^WireVersion .*waits for a newer host: .*version 2, and this program reads 1/)
  node.log('after')
  await seen.next(each => each === 'after')
  await eventually(() => node.edge.inFlight === 0 && node.row.inFlight === 0)
  t.like(node.row, { accepted: 2, delivered: 2, deadLettered: 0 })
  t.deepEqual(await new DeadLetterOffice(bus, cluster).list(), [])
  const stream = streamOf(cluster, 'log')
  await eventually(async () => (await bus.streams.info(stream))?.messages === 1)
  const kept = await bus.streams.get(stream, (await bus.streams.info(stream))?.firstSequence as number)
  t.deepEqual(Buffer.from(kept?.payload as Uint8Array), Buffer.from(newer))
})

test('a dead letter that is replayed is given again, and is no dead letter any more', async t => {
  const server = await startNatsServer(t)
  const seen = new Occurrences<string>()
  let isMended = false
  const script = sluice()
    .pipeline('log', { ...durable, maxDeliver: 1 })
    .handleMessage(message => {
      if (!isMended) throw new Error('not yet')
      seen.add(text(message))
    })
  const bus = await connectBus(t, server.url)
  const node = new DurableNode(bus, script)
  t.teardown(() => node.stop())
  node.see(node.member)
  node.sendMessage(new Message({ id: 'order-7' }, 'an order'))
  const office = new DeadLetterOffice(bus, cluster)
  const [letter] = await eventually(
    () => office.list(),
    list => list.length > 0,
  )
  isMended = true
  t.truthy(await office.replay(letter?.sequence as number))
  t.is(await seen.next(), 'an order')
  t.deepEqual(await office.list(), [])
  t.is(await office.replay(letter?.sequence as number), undefined)
  t.is(await office.delete(letter?.sequence as number), false)
  await eventually(() => node.row.inFlight === 0)
  t.like(node.row, { accepted: 2, delivered: 1, deadLettered: 1 })
})

test('a logger that throws on every tenth event loses none of the others', async t => {
  const server = await startNatsServer(t)
  const seen = new Set<number>()
  const script = sluice()
    .pipeline('log', { ...durable, maxDeliver: 2, shards: 4 })
    .handleMessage(message => {
      const number = Number(text(message))
      if (number % 10 === 0) throw new Error('a tenth')
      seen.add(number)
    })
  const bus = await connectBus(t, server.url)
  const node = new DurableNode(bus, script)
  t.teardown(() => node.stop())
  node.see(node.member)
  for (let i = 0; i < 400; i++) node.log(String(i), `k${i % 20}`)
  await eventually(() => node.edge.delivered === 400 && node.row.accepted === 400 && node.row.inFlight === 0)
  t.like(node.row, { delivered: 360, deadLettered: 40 })
  t.is(seen.size, 360)
  t.is((await new DeadLetterOffice(bus, cluster).list()).length, 40)
})

test('a service that is away is waited for, and nothing becomes a dead letter', async t => {
  const server = await startNatsServer(t)
  let isUp = false
  const asked = new Occurrences<string>()
  const script = sluice()
    .pipeline('log', { ...durable, maxDeliver: 1 })
    .replaceMessage(message => {
      asked.add(text(message))
      return new Message({ status: isUp ? 201 : 503 })
    })
  const node = new DurableNode(await connectBus(t, server.url), script)
  t.teardown(() => node.stop())
  node.see(node.member)
  node.log('one')
  node.log('two')
  for (let i = 0; i < 3; i++) await asked.next(each => each === 'one')
  isUp = true
  await eventually(() => node.row.delivered === 2)
  t.like(node.row, { accepted: 2, deadLettered: 0, inFlight: 0 })
  t.is(node.row.lastFault?.code, 'NotTaken')
})

test('what is no batch is kept as unreadable, and those behind it are done', async t => {
  const server = await startNatsServer(t)
  const seen = new Occurrences<string>()
  const script = sluice()
    .pipeline('log', { ...durable, shards: 1 })
    .handleMessage(message => seen.add(text(message)))
  const bus = await connectBus(t, server.url)
  const node = new DurableNode(bus, script)
  t.teardown(() => node.stop())
  node.see(node.member)
  node.log('one')
  await seen.next()
  const junk = Buffer.from([1, 0xc1, 0xc1])
  await bus.streams.publish(`sluice.${cluster}.d.log.0`, junk, { id: 'junk', deadlineMs: 5000 })
  node.log('two')
  await seen.next(each => each === 'two')
  const [letter] = await eventually(
    () => new DeadLetterOffice(bus, cluster).list(),
    list => list.length > 0,
  )
  t.like(letter, { reason: 'unreadable', wire: null })
  await t.throwsAsync(new DeadLetterOffice(bus, cluster).replay(letter?.sequence as number), {
    message: /cannot be read/,
  })
  await eventually(() => node.row.inFlight === 0)
  t.true(isBalanced(node.row))
})

test('dead letters far apart, of several pipelines, are listed newest first', async t => {
  const server = await startNatsServer(t)
  const bus = await connectBus(t, server.url)
  const office = new DeadLetterOffice(bus, cluster)
  const add = (pipeline: string, id: number): Promise<void> =>
    office.add({
      ...{ pipeline, id: `${id}`, key: '', tries: 1, node: 'a', subject: 's', wire: null },
      reason: 'failed',
    })
  for (let i = 1; i <= 300; i++) await add(i % 100 === 0 ? 'rare' : 'log', i)
  const numbers = async (limit: number, pipeline?: string): Promise<number[]> =>
    (await office.list(limit, pipeline)).map(({ sequence }) => sequence)
  t.deepEqual(await numbers(3), [300, 299, 298])
  t.deepEqual(await numbers(2, 'rare'), [300, 200])
  t.deepEqual(await numbers(10, 'rare'), [300, 200, 100])
  t.deepEqual(await numbers(10, 'none'), [])
  t.is((await numbers(1000)).length, 300)
  for (let i = 3; i < 300; i++) await office.delete(i)
  t.deepEqual(await numbers(10), [300, 2, 1])
  t.deepEqual(await numbers(2), [300, 2])
  t.deepEqual(await numbers(1), [300])
})
