/** Sinks that the companion of a thread hosts: what is handed over is written once and in order, and what dies with it is counted. */

import { channel } from 'node:diagnostics_channel'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { gzipSync } from 'node:zlib'
import ava, { type ExecutionContext } from 'ava'
import type { DocumentForm } from '../../../actors/filters/traffic/document-renderer.ts'
import type { ExchangeRecord } from '../../../actors/filters/traffic/exchange-record.ts'
import type { LedgerRow } from '../../../actors/host.ts'
import { sluice } from '../../../actors/index.ts'
import type { Sink, SinkEntry, SinkOutcome } from '../../../actors/sink.ts'
import type { LogRecord } from '../../../observability/log.ts'
import { CompanionSinks } from '../../../observability/sinks/companion/companion-sinks.ts'
import type { SpanBatch } from '../../../observability/tracing/span-recorder.ts'
import type { TracePolicy } from '../../../runtime/trace/tracer.ts'
import {
  everyThirdItem,
  halfAnAnswer,
  itemsWhere,
  resetBeforeAnswer,
  resetHalfWay,
  type StrictElasticsearch,
} from '../../support/elasticsearch/index.ts'
import { startElasticsearch } from '../../support/elasticsearch.ts'
import { Occurrences } from '../../support/occurrences.ts'
import { serve, until } from '../../support/proxy.ts'
import { Random } from '../../support/random.ts'
import { type LogLine, recordingLog } from '../../support/recording-log.ts'
import { entries } from '../../support/sinks.ts'
import { makeFolder } from '../../support/sluice.ts'
import { reply, Upstream } from '../../support/upstream.ts'

const dataStream = 'logs-traffic-default'

// One after the other, so that it is known whose a thread is.
const test = ava.serial

/** Threads that were started by this file. */
const workers: Worker[] = []
channel('worker_threads').subscribe(message => {
  workers.push((message as { worker: Worker }).worker)
})

const tracing: TracePolicy = {
  ratio: 1,
  isParentBased: true,
  level: 'message',
  keep: undefined,
  propagation: { w3c: true, b3: false, b3Multi: false },
  eventLimit: 128,
  linkLimit: 128,
}

const droppedOf = ({ dropped }: LedgerRow): number =>
  Object.values(dropped).reduce((sum, count) => sum + count, 0)

/** A thread's sinks, and what became of what they were given. */
class Hosted {
  readonly sinks: CompanionSinks
  readonly logs = new Occurrences<LogLine>()
  readonly relayed = new Occurrences<LogRecord>()
  readonly spans = new Occurrences<SpanBatch>()
  readonly outcomes = new Map<string, SinkOutcome[]>()
  private readonly before = workers.length

  constructor(t: ExecutionContext) {
    this.sinks = new CompanionSinks({
      log: recordingLog(this.logs),
      thread: 0,
      threads: 1,
      logLevel: 'info',
      tracing,
      relayLog: records => {
        for (const record of records) this.relayed.add(record)
      },
      relaySpans: batch => this.spans.add(batch),
    })
    t.teardown(() => this.sinks.stop())
  }

  write(sink: Sink, documents: readonly SinkEntry[]): void {
    for (const entry of documents)
      sink.write(entry, outcome =>
        this.outcomes.set(entry.id, [...(this.outcomes.get(entry.id) ?? []), outcome]),
      )
  }

  /** Ends the companion as a crash would. */
  async kill(): Promise<void> {
    await workers.slice(this.before).at(-1)?.terminate()
  }

  get companions(): number {
    return workers.length - this.before
  }

  get row(): LedgerRow {
    return this.sinks.rows()[0] as LedgerRow
  }

  get isBalanced(): boolean {
    return this.sinks.rows().every(row => {
      const settled = row.delivered + row.duplicate + row.deadLettered + droppedOf(row)
      return row.inFlight >= 0 && row.accepted === settled + row.inFlight
    })
  }

  /** How many had each outcome; those with none or several are counted as such. */
  get counts(): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const outcomes of this.outcomes.values()) {
      const [first] = outcomes
      const name = outcomes.length === 1 && first !== undefined ? first.kind : `${outcomes.length} outcomes`
      counts[name] = (counts[name] ?? 0) + 1
    }
    return counts
  }

  async idle(): Promise<void> {
    await until(() => this.sinks.rows().every(({ inFlight }) => inFlight === 0))
  }
}

const toElasticsearch = (server: StrictElasticsearch, more: object = {}): object => ({
  node: server.url,
  dataStream,
  batchInterval: '5ms',
  retryDelay: '2ms',
  maxRetryDelay: '20ms',
  ...more,
})

const linesOf = (path: string): { event: { id: string } }[] =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))

test('entries of any size come to the sink in order, and each has one outcome', async t => {
  const hosted = new Hosted(t)
  const path = join(makeFolder(t), 'documents.jsonl')
  const sink = hosted.sinks.open('file', { path, batchInterval: '5ms' }, 'test.sink')
  const documents = [
    ...entries(1500),
    ...entries(3, 1500, { text: 'ä€😀'.repeat(40_000) }),
    ...entries(1500, 1503, { text: 'ü' }),
  ]
  for (let i = 0; i < documents.length; i += 100) {
    hosted.write(sink, documents.slice(i, i + 100))
    t.true(hosted.isBalanced)
    await new Promise(resolve => setImmediate(resolve))
  }
  await sink.flush(60_000)
  t.deepEqual(hosted.counts, { stored: documents.length })
  t.is(hosted.row.delivered, documents.length)
  t.is(readFileSync(path, 'utf8'), documents.map(({ json }) => `${json}\n`).join(''))
  t.is(hosted.sinks.status()[0]?.waiting, 0)
  await sink.close(1000)
  t.deepEqual(hosted.sinks.status(), [])
})

test('what is stored, a duplicate, refused for good or no document at all is told of each entry', async t => {
  const server = await startElasticsearch(t)
  server.faults = [itemsWhere(id => id === 'id-7' || id === 'id-8', 400)]
  const hosted = new Hosted(t)
  const sink = hosted.sinks.open('elasticsearch', toElasticsearch(server), 'test.sink')
  hosted.write(sink, entries(10))
  await hosted.idle()
  hosted.write(sink, entries(5, 20))
  const twice: SinkOutcome[] = []
  sink.write(entries(1)[0] as SinkEntry, outcome => twice.push(outcome))
  const refused: SinkOutcome[] = []
  sink.refuse({ id: 'none', timeMs: 0, json: Buffer.from('no JSON') }, 'it is no JSON', outcome =>
    refused.push(outcome),
  )
  await hosted.idle()
  t.deepEqual(hosted.counts, { stored: 13, 'dead-lettered': 2 })
  t.deepEqual(twice, [{ kind: 'duplicate' }])
  t.deepEqual(refused, [{ kind: 'dead-lettered', reason: 'it is no JSON' }])
  t.like(hosted.row, { accepted: 17, delivered: 13, duplicate: 1, deadLettered: 3, inFlight: 0 })
  t.is((await hosted.relayed.next(({ fields }) => fields.code === 'SinkDeadLetter')).thread, 0)
})

test('a companion that dies loses what it had, which is counted and told, and the next one goes on', async t => {
  const server = await startElasticsearch(t)
  await server.away()
  const hosted = new Hosted(t)
  const sink = hosted.sinks.open('elasticsearch', toElasticsearch(server), 'test.sink')
  hosted.write(sink, entries(100))
  await hosted.relayed.next(({ fields }) => fields.code === 'SinkTroubled')
  await until(() => hosted.sinks.status()[0]?.trouble !== undefined)
  let isRelieved = false
  sink.awaitRelief(() => {
    isRelieved = true
  })
  await hosted.kill()
  const { message, lost } = await hosted.logs.next(({ code }) => code === 'CompanionDied')
  t.is(lost, 100)
  t.regex(message, /100 documents/)
  t.deepEqual(hosted.counts, { dropped: 100 })
  t.like(hosted.row, { accepted: 100, dropped: { 'companion-died': 100 }, inFlight: 0 })
  t.true(isRelieved)
  await server.back()
  hosted.write(sink, entries(50, 100))
  t.true(hosted.isBalanced)
  await hosted.idle()
  t.deepEqual(hosted.counts, { dropped: 100, stored: 50 })
  t.is(server.documents(dataStream).size, 50)
  t.is(hosted.companions, 2)
})

test('however often the companion dies, and whenever: nothing has two outcomes, and the ledger balances', async t => {
  const random = new Random(11)
  const hosted = new Hosted(t)
  const path = join(makeFolder(t), 'documents.jsonl')
  const sink = hosted.sinks.open('file', { path, batchInterval: '1ms' }, 'test.sink')
  let given = 0
  for (let death = 0; death < 4; death++) {
    const bursts = 5 + random.below(20)
    for (let i = 0; i < bursts; i++) {
      const count = random.below(60)
      hosted.write(sink, entries(count, given))
      given += count
      t.true(hosted.isBalanced)
      await new Promise(resolve => setImmediate(resolve))
    }
    // Some die before they listen, some in the middle of a write.
    await until(() => hosted.companions === death + 1)
    if (random.below(2) === 0) await until(() => hosted.row.inFlight === 0)
    hosted.write(sink, entries(40, given))
    given += 40
    await hosted.kill()
    await hosted.logs.next(({ code }) => code === 'CompanionDied')
    t.true(hosted.isBalanced)
    t.is(hosted.row.inFlight, 0)
  }
  hosted.write(sink, entries(10, given))
  await hosted.idle()
  const { stored = 0, dropped = 0, ...others } = hosted.counts
  t.deepEqual(others, {})
  t.is(stored + dropped, given + 10)
  t.is(hosted.row.delivered, stored)
  const written = new Set(linesOf(path).map(({ event }) => event.id))
  for (const [id, [outcome]] of hosted.outcomes) if (outcome?.kind === 'stored') t.true(written.has(id))
})

test('documents on disk outlive the companion, and are in the ledger again', async t => {
  const server = await startElasticsearch(t)
  await server.away()
  const hosted = new Hosted(t)
  const bufferPath = makeFolder(t)
  const sink = hosted.sinks.open('elasticsearch', toElasticsearch(server, { bufferPath }), 'test.sink')
  for (const entry of entries(30)) sink.write(entry)
  await until(() => hosted.sinks.status()[0]?.trouble !== undefined)
  await hosted.kill()
  await hosted.logs.next(({ code }) => code === 'CompanionDied')
  await until(() => hosted.sinks.status()[0]?.recovered === 30)
  t.true(hosted.isBalanced)
  await server.back()
  await hosted.idle()
  t.is(server.documents(dataStream).size, 30)
  t.like(hosted.row, { accepted: 60, delivered: 30, dropped: { 'companion-died': 30 } })
})

test('a folder that cannot be used is refused when the sink is opened', t => {
  const hosted = new Hosted(t)
  const folder = makeFolder(t, { file: '' })
  const error = t.throws(() =>
    hosted.sinks.open('stdout', { bufferPath: join(folder, 'file', 'inside') }, 'test.sink'),
  )
  t.regex(String(error?.message), /bufferPath .* cannot be used/)
  t.is(hosted.companions, 0)
})

test('a sink whose folder is gone before the companion has opened it takes nothing, and says so', async t => {
  const hosted = new Hosted(t)
  const bufferPath = join(makeFolder(t), 'buffer')
  const sink = hosted.sinks.open('stdout', { bufferPath }, 'test.sink')
  hosted.write(sink, entries(5))
  rmSync(bufferPath, { recursive: true })
  writeFileSync(bufferPath, 'no folder')
  await hosted.idle()
  hosted.write(sink, entries(1, 5))
  t.deepEqual(hosted.counts, { dropped: 6 })
  t.like(hosted.row, { accepted: 6, dropped: { unopened: 6 }, inFlight: 0 })
  t.regex(hosted.sinks.status()[0]?.trouble ?? '', /cannot be used/)
  await hosted.relayed.next(({ fields }) => fields.code === 'BadOption')
})

test('what is over bufferLimit is dropped and counted, and whoever waits is told of relief', async t => {
  const server = await startElasticsearch(t)
  await server.away()
  const hosted = new Hosted(t)
  const options = toElasticsearch(server, { bufferLimit: '64k' })
  const sink = hosted.sinks.open('elasticsearch', options, 'test.sink')
  hosted.write(sink, entries(1000))
  const { dropped: atOnce = 0 } = hosted.counts
  t.true(atOnce > 0 && atOnce < 1000)
  t.true(sink.isCongested)
  await until(() => hosted.sinks.status()[0]?.trouble !== undefined)
  t.true((hosted.sinks.status()[0]?.memoryBytes ?? 0) <= 64 * 1024)
  const { promise, resolve } = Promise.withResolvers<void>()
  sink.awaitRelief(resolve)
  await server.back()
  await promise
  await hosted.idle()
  t.true(hosted.isBalanced)
  t.is(hosted.row.delivered, server.documents(dataStream).size)
  t.is(hosted.row.delivered + (hosted.row.dropped.overflow ?? 0), 1000)
})

test('a sink that is closed while nothing can be written drops what it has, tells it, and takes no more', async t => {
  const server = await startElasticsearch(t)
  await server.away()
  const hosted = new Hosted(t)
  const sink = hosted.sinks.open('elasticsearch', toElasticsearch(server), 'test.sink')
  hosted.write(sink, entries(20))
  await sink.close(20)
  hosted.write(sink, entries(1, 20))
  t.deepEqual(hosted.counts, { dropped: 21 })
  t.like(hosted.row, { accepted: 21, dropped: { closed: 21 }, inFlight: 0 })
})

test('after a reload the ledger of a place goes on, and both of its sinks write what they have', async t => {
  const hosted = new Hosted(t)
  const path = join(makeFolder(t), 'documents.jsonl')
  const old = hosted.sinks.open('file', { path, batchInterval: '1h' }, 'test.sink')
  hosted.write(old, entries(10))
  const next = hosted.sinks.open('file', { path, batchInterval: '5ms' }, 'test.sink')
  hosted.write(next, entries(10, 10))
  await old.close(10_000)
  await hosted.idle()
  t.is(hosted.sinks.rows().length, 1)
  t.like(hosted.row, { accepted: 20, delivered: 20 })
  t.is(hosted.companions, 1)
})

test('options that cannot be sent to another thread keep the sink in this one', async t => {
  class Fields {
    readonly 'x-from' = 'a script'
  }
  const server = await startElasticsearch(t)
  const hosted = new Hosted(t)
  const options = toElasticsearch(server, { requestHeaders: new Fields() })
  const sink = hosted.sinks.open('elasticsearch', options, 'test.sink')
  hosted.write(sink, entries(5))
  await sink.close(10_000)
  t.is(hosted.companions, 0)
  t.deepEqual(hosted.counts, { stored: 5 })
  t.is(hosted.row.delivered, 5)
})

test('the span of a request that writes documents of recorded exchanges comes to this thread', async t => {
  const server = await startElasticsearch(t)
  const hosted = new Hosted(t)
  const sink = hosted.sinks.open('elasticsearch', toElasticsearch(server), 'test.sink')
  const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  for (const entry of entries(3)) sink.write({ ...entry, trace })
  const { spans, values } = await hosted.spans.next()
  t.is(spans, 1)
  t.true(values.includes(trace))
  t.true(values.some(value => typeof value === 'string' && value.startsWith('write elasticsearch')))
})

test('exchanges are noted here and written there: bodies, redaction, callbacks and compressed bodies', async t => {
  const hosted = new Hosted(t)
  const path = join(makeFolder(t), 'traffic.jsonl')
  const body = gzipSync('{"password":"hidden","kept":1}').toString('latin1')
  const upstream = await Upstream.start(t, async connection => {
    for (;;) {
      await connection.request()
      connection.write(
        `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      )
    }
  })
  const script = sluice({ tenant: 'blue' })
    .listen('127.0.0.1:0')
    .demuxHTTP()
    .to($ =>
      $.logTraffic('file', {
        path,
        batchInterval: '5ms',
        bodies: { decompress: true },
        redact: ['password'],
        when: ({ request }) => request.path !== '/left-out',
        fields: (_exchange, ctx) => ({ labels: { tenant: ctx.tenant } }),
      })
        .muxHTTP()
        .to($ => $.connect(`127.0.0.1:${upstream.port}`)),
    )
  const proxy = await serve(t, script, 'handle', { sinks: hosted.sinks })
  const client = await proxy.client()
  const json = Buffer.from('{"password":"secret","ä":"€"}').toString('latin1')
  for (const target of ['/one?password=1', '/left-out', '/two']) {
    client.write(
      `POST ${target} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${json.length}\r\n\r\n${json}`,
    )
    await client.response('POST')
  }
  client.destroy()
  const edges = (): readonly LedgerRow[] =>
    proxy.running.host.status().edges.filter(({ from }) => from.endsWith('.logTraffic'))
  await until(
    () => edges().length === 2 && edges().every(({ accepted, inFlight }) => accepted >= 2 && inFlight === 0),
  )
  const documents = readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
  t.deepEqual(
    documents.map(({ url }) => url.original),
    ['/one?password=[redacted]', '/two'],
  )
  for (const { http, labels, source } of documents) {
    t.is(http.request.body.content, '{"password":"[redacted]","ä":"€"}')
    t.is(http.response.body.content, '{"password":"[redacted]","kept":1}')
    t.deepEqual(labels, { tenant: 'blue' })
    t.is(source.ip, '127.0.0.1')
  }
  const [filter, sink] = edges()
  t.like(filter, { accepted: 3, delivered: 2, dropped: { 'not-sampled': 1 } })
  t.like(sink, { accepted: 2, delivered: 2 })
})

test('exchanges that a companion had when it died are counted at the filter as well', async t => {
  const server = await startElasticsearch(t)
  await server.away()
  const hosted = new Hosted(t)
  const upstream = await Upstream.start(t, async connection => {
    for (;;) {
      await connection.request()
      connection.write(reply('fine'))
    }
  })
  const logging = sluice()
    .listen('127.0.0.1:0')
    .demuxHTTP()
    .to($ =>
      $.logTraffic('elasticsearch', toElasticsearch(server) as never)
        .muxHTTP()
        .to($ => $.connect(`127.0.0.1:${upstream.port}`)),
    )
  const proxy = await serve(t, logging, 'handle', { sinks: hosted.sinks })
  const client = await proxy.client()
  const request = async (): Promise<void> => {
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.response('GET')
  }
  for (let i = 0; i < 5; i++) await request()
  await until(() => hosted.sinks.status()[0]?.trouble !== undefined)
  await hosted.kill()
  await hosted.logs.next(({ code }) => code === 'CompanionDied')
  await server.back()
  for (let i = 0; i < 3; i++) await request()
  const edges = (): readonly LedgerRow[] =>
    proxy.running.host.status().edges.filter(({ from }) => from.endsWith('.logTraffic'))
  await until(() => edges().every(({ accepted, inFlight }) => accepted === 8 && inFlight === 0))
  for (const edge of edges()) t.like(edge, { accepted: 8, delivered: 3, dropped: { 'companion-died': 5 } })
  t.is(server.documents(dataStream).size, 3)
})

/** A body that tells of its exchange from end to end, of a length that is seldom the same. */
const tellingBody = (i: number): string => `${i};`.repeat(1 + ((i * 37) % 900))

const recordOf = (i: number): ExchangeRecord => {
  const body = Buffer.from(tellingBody(i))
  const first = `POST /${i} HTTP/1.1\r\n`
  return {
    startMs: i,
    durationMs: 1,
    status: 204,
    error: '',
    reason: '',
    blame: '',
    upstream: null,
    ends: null,
    isSecure: false,
    traceparent: '',
    place: undefined,
    fields: i % 5 === 0 ? `{"labels":{"number":"${i}"}}` : '',
    request: {
      raw: `${first}Host: a\r\nContent-Type: text/plain\r\n`,
      lineEnd: first.length,
      firstEnd: 4,
      secondEnd: first.length - 11,
      isHTTP10: false,
      made: null,
      bytes: body.length,
      showsBody: true,
      packing: '',
      body: { buffer: body, length: body.length, isCut: false },
    },
    response: null,
  }
}

test('memory that is used again holds nothing of other documents, whatever is refused, reset or sent twice', async t => {
  const server = await startElasticsearch(t)
  server.faults = [
    everyThirdItem(429),
    resetHalfWay({ each: 3 }),
    resetBeforeAnswer({ each: 4 }),
    halfAnAnswer({ each: 5 }),
  ]
  const hosted = new Hosted(t)
  const options = toElasticsearch(server, { batchCount: 50, batchInterval: '2ms', maxTries: 1000 })
  const sink = hosted.sinks.open('elasticsearch', options, 'test.sink')
  const outcomes: Record<string, number> = {}
  const form: DocumentForm = {
    document: { dataset: 'traffic', namespace: 'default', service: '', headers: true },
    redact: [],
    reveal: [],
    bodies: { limit: 65536, types: ['*'], request: true, response: true, decompress: false, binary: 'omit' },
    thread: 0,
  }
  const notebook = sink.openNotebook?.(form, (outcome, count) => {
    outcomes[outcome.kind] = (outcomes[outcome.kind] ?? 0) + count
  })
  const count = 4000
  for (let i = 0; i < count; i++) {
    notebook?.write(recordOf(i))
    // So that memory comes back before the last of them is written.
    if (i % 100 === 99) await until(() => (hosted.sinks.status()[0]?.waiting ?? 0) < 500)
  }
  await sink.flush(60_000)
  await hosted.idle()
  t.is((outcomes.stored ?? 0) + (outcomes.duplicate ?? 0), count)
  const seen = new Set<string>()
  for (const document of server.documents(dataStream).values()) {
    const { url, http, labels } = document.source as {
      url: { original: string }
      http: { request: { body: { content: string } } }
      labels?: { number: string }
    }
    const i = Number(url.original.slice(1))
    seen.add(url.original)
    t.is(http.request.body.content, tellingBody(i))
    t.is(labels?.number, i % 5 === 0 ? String(i) : undefined)
  }
  t.is(seen.size, count)
})
