/**
 * Whatever the server does, each document has one outcome, and what is said to be stored is what is stored, once:
 * stored + duplicate + dead-lettered + dropped = given.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import {
  everyThirdItem,
  type Fault,
  halfAnAnswer,
  itemsWhere,
  nonsense,
  resetBeforeAnswer,
  resetHalfWay,
  type StrictElasticsearch,
  whole,
} from '../../support/elasticsearch/index.ts'
import { startElasticsearch } from '../../support/elasticsearch.ts'
import { entries, openSink, type TestSink } from '../../support/sinks.ts'
import { makeFolder } from '../../support/sluice.ts'

const dataStream = 'logs-traffic-default'

const open = (t: ExecutionContext, server: StrictElasticsearch, options: object = {}): TestSink =>
  openSink(t, 'elasticsearch', {
    node: server.url,
    dataStream,
    batchCount: 50,
    batchInterval: '20ms',
    retryDelay: '2ms',
    maxRetryDelay: '40ms',
    ...options,
  })

/** All that was given is somewhere, and the server has what the sink says that it has. */
function assertExact(t: ExecutionContext, server: StrictElasticsearch, sink: TestSink): void {
  const { accepted, delivered, duplicate, deadLettered, inFlight } = sink.row
  t.is(accepted, sink.given)
  t.is(inFlight, 0)
  t.is(delivered + duplicate + deadLettered + sink.dropped, sink.given)
  t.is(server.documents(dataStream).size, delivered + duplicate)
  const kinds = sink.count()
  t.is(kinds.stored ?? 0, delivered)
  t.is(kinds.duplicate ?? 0, duplicate)
  t.is(kinds['dead-lettered'] ?? 0, deadLettered)
  t.is(sink.status?.waiting, 0)
  t.is(sink.status?.memoryBytes, 0)
}

const isThird = (id: string): boolean => Number(id.slice(3)) % 3 === 0

const situations: Record<string, Fault[]> = {
  'all is well': [],
  'every third item is refused with 429': [everyThirdItem(429)],
  'every third item is refused with 503': [everyThirdItem(503)],
  'whole requests are refused with 429': [whole(429, { each: 2, times: 8 })],
  'whole requests are refused with 503': [whole(503, { each: 2, times: 8 })],
  'whole requests are refused with 502 and 504': [
    whole(502, { each: 3, times: 5 }),
    whole(504, { each: 4, times: 5 }),
  ],
  'connections are reset half-way': [resetHalfWay({ each: 2, times: 8 })],
  'connections are reset before the answer': [resetBeforeAnswer({ each: 2, times: 8 })],
  'answers break off': [halfAnAnswer({ each: 2, times: 8 })],
  'answers make no sense': [nonsense({ each: 2, times: 8 })],
  'everything goes wrong in turn': [
    whole(429, { each: 5, times: 4 }),
    resetHalfWay({ each: 4, times: 4 }),
    resetBeforeAnswer({ each: 3, times: 4 }),
    halfAnAnswer({ each: 5, times: 4 }),
    everyThirdItem(429),
  ],
}

for (const [situation, faults] of Object.entries(situations)) {
  test(`each document is stored once when ${situation}`, async t => {
    const server = await startElasticsearch(t)
    server.faults = faults
    const sink = open(t, server)
    sink.write(...entries(1000))
    await sink.untilSettled(1000)
    assertExact(t, server, sink)
    t.deepEqual(
      [...server.documents(dataStream).keys()].sort(),
      entries(1000)
        .map(({ id }) => id)
        .sort(),
    )
  })
}

test('a third of the items are refused for now, another third for good, and the rest is stored', async t => {
  const server = await startElasticsearch(t)
  server.faults = [itemsWhere(isThird, 400), everyThirdItem(429)]
  const [refusing] = server.faults
  // One fault looks at a request: both at once are one that asks the two.
  const later = everyThirdItem(429)
  server.faults = [
    call => {
      const effects = [refusing?.(call), later(call)]
      return {
        kind: 'items',
        statusOf: id => {
          for (const effect of effects) {
            const status = effect?.kind === 'items' ? effect.statusOf(id) : undefined
            if (status !== undefined) return status
          }
          return undefined
        },
      }
    },
  ]
  const file = join(makeFolder(t), 'dead.jsonl')
  const sink = open(t, server, { deadLetters: file })
  sink.write(...entries(900))
  await sink.untilSettled(900)
  assertExact(t, server, sink)
  t.deepEqual(sink.count(), { stored: 600, 'dead-lettered': 300 })
  t.true((sink.status?.retriedEntries ?? 0) > 100)
  const letters = readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
  t.is(letters.length, 300)
  t.true(
    letters.every(
      ({ id, reason, document }) =>
        isThird(id) && /^400 /.test(reason) && JSON.parse(document).event.id === id,
    ),
  )
})

test('a request that is too large is halved until it fits, and a document that never will is put aside', async t => {
  const server = await startElasticsearch(t, { maxBytes: 4000 })
  const sink = open(t, server, { compression: 'none' })
  sink.write(...entries(300), ...entries(1, 300, { large: 'x'.repeat(5000) }), ...entries(100, 301))
  await sink.untilSettled(401)
  assertExact(t, server, sink)
  t.is(sink.outcomes.get('id-300')?.[0]?.kind, 'dead-lettered')
  t.regex(sink.reasonOf('id-300'), /413/)
  t.deepEqual(sink.count(), { stored: 400, 'dead-lettered': 1 })
  const before = server.requests.length
  sink.write(...entries(200, 500))
  await sink.untilSettled(601)
  t.true(
    server.requests.slice(before).every(({ status }) => status === 200),
    'it has learnt what the server takes',
  )
})

test('one document that spoils its request is found and put aside, and the others are stored', async t => {
  const server = await startElasticsearch(t)
  const sink = open(t, server)
  const spoiled = { id: 'x'.repeat(600), timeMs: 0, json: Buffer.from('{"@timestamp":0}') }
  sink.write(...entries(40), spoiled, ...entries(40, 40))
  await sink.untilSettled(81)
  assertExact(t, server, sink)
  t.deepEqual(sink.count([spoiled.id]), { 'dead-lettered': 1 })
})

test('the server is away and comes back: all is written, in order of what it can take', async t => {
  const server = await startElasticsearch(t)
  const sink = open(t, server)
  sink.write(...entries(100))
  await sink.untilSettled(100)
  await server.away()
  sink.write(...entries(400, 100))
  await sink.logs.next(({ code }) => code === 'SinkTroubled')
  t.true(sink.isBalanced)
  t.is(sink.row.inFlight, 400)
  t.regex(sink.status?.trouble ?? '', /ECONNREFUSED|closed|reset/)
  await server.back()
  await sink.untilSettled(500)
  assertExact(t, server, sink)
  await sink.logs.next(({ code }) => code === 'SinkRecovered')
  t.is(sink.status?.trouble, undefined)
})

test('a buffer that is full drops what comes, counts it, and never holds more', async t => {
  const server = await startElasticsearch(t)
  await server.away()
  const sink = open(t, server, { bufferLimit: '64k' })
  for (let at = 0; at < 2000; at += 100) {
    sink.write(...entries(100, at))
    t.true(sink.isBalanced)
    t.true((sink.status?.memoryBytes ?? 0) <= 65_536)
  }
  t.true(sink.sink.isCongested)
  const { dropped } = sink.row
  t.true((dropped.overflow ?? 0) > 1500)
  const relieved = new Promise<void>(resolve => sink.sink.awaitRelief(resolve))
  await server.back()
  await relieved
  t.false(sink.sink.isCongested)
  await sink.untilSettled(2000)
  assertExact(t, server, sink)
})

test('documents that the server had already are told as such', async t => {
  const server = await startElasticsearch(t)
  const first = open(t, server)
  first.write(...entries(100))
  await first.untilSettled(100)
  const second = open(t, server)
  second.write(...entries(150))
  await second.untilSettled(150)
  t.deepEqual(second.count(), { duplicate: 100, stored: 50 })
  assertExact(t, server, second)
})

test('a document that is always refused with a server error is put aside in the end', async t => {
  const server = await startElasticsearch(t)
  server.faults = [itemsWhere(id => id === 'id-7', 500)]
  const sink = open(t, server, { maxTries: 4 })
  sink.write(...entries(20))
  await sink.untilSettled(20)
  assertExact(t, server, sink)
  t.regex(sink.reasonOf('id-7'), /500.*tried 4 times/)
})

test('closing writes what is left; what cannot be written in time is dropped and told', async t => {
  const server = await startElasticsearch(t)
  const sink = open(t, server, { batchInterval: '1h' })
  sink.write(...entries(30))
  await sink.sink.close(5000)
  t.deepEqual(sink.count(), { stored: 30 })
  const other = open(t, server, { batchInterval: '1h' })
  await server.away()
  other.write(...entries(30, 100))
  await other.sink.close(50)
  t.deepEqual(other.count(), { dropped: 30 })
  t.deepEqual(other.row.dropped, { closed: 30 })
  t.is(other.row.inFlight, 0)
  other.write(...entries(1, 200))
  t.deepEqual(other.row.dropped, { closed: 31 })
})
