/** The filter `sink`: what it takes for a document, and what it puts out. */

import test, { type ExecutionContext } from 'ava'
import { sluice } from '../../actors/index.ts'
import { failureOf } from '../../actors/shared/work.ts'
import { ThreadSinks } from '../../observability/sinks/thread-sinks.ts'
import { Message, MessageEnd, MessageStart, StreamEnd } from '../../runtime/event.ts'
import { eachItemAtFirst, itemsWhere, type StrictElasticsearch } from '../support/elasticsearch/index.ts'
import { startElasticsearch } from '../support/elasticsearch.ts'
import { Occurrences } from '../support/occurrences.ts'
import { events, type Harness, harness, type TestSession } from '../support/pipeline-harness.ts'
import { type LogLine, recordingLog } from '../support/recording-log.ts'

const target = 'logs-test-default'

interface Bench {
  readonly server: StrictElasticsearch
  readonly session: TestSession
  readonly running: Harness
}

/** A pipeline that writes what a test feeds it. */
async function open(t: ExecutionContext, options: object = {}): Promise<Bench> {
  const server = await startElasticsearch(t)
  const sinks = new ThreadSinks({ log: recordingLog(new Occurrences<LogLine>()), thread: 0, threads: 1 })
  const all = {
    node: server.url,
    dataStream: target,
    batchInterval: '5ms',
    retryDelay: '2ms',
    maxRetryDelay: '20ms',
    ...options,
  }
  const script = sluice()
    .pipeline('main')
    .replaceMessage(message => message)
    .sink('elasticsearch', all)
  const running = harness(t, script, { sinks })
  t.teardown(() => running.program.closeSinks(0))
  return { server, session: running.open(), running }
}

const message = (id: string, n: unknown = 1): Message =>
  new Message({ id }, JSON.stringify({ '@timestamp': '2026-11-21T10:00:00Z', n }))

/** The events of a message. */
const feed = (session: TestSession, ...messages: Message[]): void => {
  for (const { head, body, payload } of messages)
    session.feed(
      new MessageStart(head),
      ...(body === undefined ? [] : [body]),
      new MessageEnd(undefined, payload),
    )
}

/** The heads of answers, once there are so many. */
async function answers(session: TestSession, count: number): Promise<object[]> {
  const heads = (): object[] =>
    session.output.flatMap(event => (event instanceof MessageStart ? [event.head] : []))
  while (heads().length < count) await session.occurred.next()
  return heads()
}

test('each message is answered with what became of it, in their order', async t => {
  const { server, session } = await open(t)
  server.faults = [itemsWhere(id => id === 'b', 400)]
  feed(session, message('a'), message('b'), message('a'), message('c'))
  t.like(await answers(session, 4), [
    { status: 201, id: 'a' },
    { status: 400, id: 'b' },
    { status: 409, id: 'a' },
    { status: 201, id: 'c' },
  ])
  t.deepEqual([...server.documents(target).keys()], ['a', 'c'])
})

test('what is stored or put aside need not be given again, what was dropped must', async t => {
  const { server, session, running } = await open(t)
  server.faults = [itemsWhere(id => id === 'b', 400)]
  feed(session, message('a'), message('b'), message('a'))
  t.deepEqual((await answers(session, 3)).map(failureOf), [undefined, undefined, undefined])
  await server.away()
  feed(session, message('c'))
  await running.program.closeSinks(10)
  const [, , , dropped] = await answers(session, 4)
  t.like(dropped, { status: 503, reason: 'closed' })
  t.true(failureOf(dropped as object)?.isUnavailable)
})

test('an answer waits for those of the messages before it', async t => {
  const { server, session } = await open(t, { batchCount: 1 })
  server.faults = [call => (call.ids.includes('first') ? eachItemFirst(call) : undefined)]
  const eachItemFirst = eachItemAtFirst(429, 3)
  feed(session, message('first'), message('second'), message('third'))
  t.deepEqual(
    (await answers(session, 3)).map(head => (head as { id: string }).id),
    ['first', 'second', 'third'],
  )
})

test('the end of the stream comes after the last answer', async t => {
  const { session } = await open(t)
  feed(session, message('a'))
  session.feed(new StreamEnd())
  t.deepEqual(session.shown, [])
  t.deepEqual(await session.until(event => event.kind === 3), ['S{"status":201,"id":"a"}', 'E', 'X'])
})

test('without answers the stream ends at once, and what was given is written all the same', async t => {
  const { server, session, running } = await open(t, { answers: false })
  feed(session, message('a'))
  session.feed(new StreamEnd())
  t.deepEqual(session.shown, ['X'])
  await running.program.closeSinks(5000)
  t.deepEqual([...server.documents(target).keys()], ['a'])
})

test('a payload is the document, whatever the body says', async t => {
  const { server, session } = await open(t)
  feed(session, new Message({ id: 'p' }, 'not this', undefined, { '@timestamp': 0, from: 'payload' }))
  await answers(session, 1)
  t.like(server.documents(target).get('p')?.source, { from: 'payload' })
})

test('a document of several lines becomes one of one line', async t => {
  const { server, session } = await open(t)
  feed(session, new Message({ id: 'l' }, '{\n  "@timestamp": 0,\n  "text": "a\\nb"\n}\n'))
  t.like(await answers(session, 1), [{ status: 201 }])
  t.like(server.documents(target).get('l')?.source, { text: 'a\nb' })
})

test('a message without an id gets one', async t => {
  const { server, session } = await open(t)
  feed(session, new Message({}, '{"@timestamp":0}'), new Message({ id: 7 }, '{"@timestamp":0}'))
  const [first] = (await answers(session, 2)) as { id: string }[]
  t.regex(first?.id ?? '', /^[\da-f-]{36}$/)
  t.deepEqual([...server.documents(target).keys()], [first?.id, '7'])
})

for (const [what, given, reason] of [
  ['no JSON', new Message({ id: 'x' }, 'hello'), /no JSON/],
  ['no object', new Message({ id: 'x' }, '[1]'), /no object/],
  ['nothing', new Message({ id: 'x' }), /no JSON/],
  ['too large', new Message({ id: 'x' }, JSON.stringify({ text: 'x'.repeat(200) })), /larger than bodyLimit/],
] as const) {
  test(`a message that is ${what} is put aside with the reason, and counted`, async t => {
    const { server, session, running } = await open(t, { bodyLimit: 100 })
    feed(session, given, message('fine'))
    const [refused, fine] = (await answers(session, 2)) as { status: number; reason: string }[]
    t.is(refused?.status, 400)
    t.regex(refused?.reason ?? '', reason)
    t.is(fine?.status, 201)
    t.deepEqual([...server.documents(target).keys()], ['fine'])
    const [row] = running.program.surroundings.sinks?.rows() ?? []
    t.like(row, { accepted: 2, delivered: 1, deadLettered: 1, inFlight: 0 })
  })
}

test('while the sink is congested its source is paused, and nothing is lost', async t => {
  const { server, session } = await open(t, { bufferLimit: '8k' })
  await server.away()
  let given = 0
  while (!session.source.isPaused) feed(session, message(`id-${given++}`))
  t.true(given < 40)
  await server.back()
  const heads = (await answers(session, given)) as { status: number }[]
  t.true(heads.every(({ status }) => status === 201))
  t.false(session.source.isPaused)
})

test('with the policy drop its source is never paused, and what finds no room is answered with 503', async t => {
  const { server, session } = await open(t, { bufferLimit: '8k', policy: 'drop', batchInterval: '1h' })
  for (let i = 0; i < 100; i++) feed(session, message(`id-${i}`))
  t.false(session.source.isPaused)
  await session.program.closeSinks(5000)
  const heads = (await answers(session, 100)) as { status: number; reason?: string }[]
  const dropped = heads.filter(({ status }) => status === 503)
  t.true(dropped.length > 50)
  t.true(dropped.every(({ reason }) => reason === 'overflow'))
  t.is(server.documents(target).size, 100 - dropped.length)
})

for (const [what, kind, options, reason] of [
  ['a kind that there is not', 'elasticsaerch', {}, /did you mean 'elasticsearch'/],
  ['an option that there is not', 'elasticsearch', { nodes: 'http://a' }, /did you mean 'node'/],
  ['no server', 'elasticsearch', { index: 'a' }, /wants option 'node'/],
  ['nothing to write to', 'elasticsearch', { node: 'http://a' }, /either dataStream or index/],
  [
    'a password in the URL',
    'elasticsearch',
    { node: 'http://u:p@a', index: 'a' },
    /password, which would show/,
  ],
  [
    'two ways to say who we are',
    'elasticsearch',
    { node: 'http://a', index: 'a', apiKey: 'k', bearer: 'b' },
    /takes one of/,
  ],
  ['a name in upper case', 'elasticsearch', { node: 'http://a', index: 'A' }, /lower case/],
  [
    'a certificate that is none',
    'elasticsearch',
    { node: 'https://a', index: 'a', tls: { ca: 'x', cert: 'y' } },
    /cannot be used/,
  ],
] as const) {
  test(`a script that gives it ${what} is refused`, t => {
    const sinks = new ThreadSinks({ log: recordingLog(new Occurrences<LogLine>()), thread: 0, threads: 1 })
    const script = sluice()
      .pipeline('main')
      .replaceMessage(message => message)
      .sink(kind as 'elasticsearch', options as never)
    t.throws(() => harness(t, script, { sinks }), { message: reason })
  })
}

test('events that are part of no message are of no interest to it', async t => {
  const { session } = await open(t)
  session.feed(...events('D:outside', 'X'))
  t.deepEqual(session.shown, ['X'])
})
