/** What the Elasticsearch sink says to a server, and which server it says it to. */

import test, { type ExecutionContext } from 'ava'
import { makeCertificates } from '../../runtime/net/support/certificates.ts'
import {
  type SeenRequest,
  type StrictElasticsearch,
  silence,
  slow,
  whole,
} from '../../support/elasticsearch/index.ts'
import { startElasticsearch } from '../../support/elasticsearch.ts'
import { entries, openSink, type TestSink } from '../../support/sinks.ts'

const dataStream = 'logs-traffic-default'

const open = (
  t: ExecutionContext,
  servers: StrictElasticsearch | StrictElasticsearch[],
  options: object = {},
): TestSink =>
  openSink(t, 'elasticsearch', {
    node: [servers].flat().map(({ url }) => url),
    dataStream,
    batchCount: 20,
    batchInterval: '5ms',
    retryDelay: '2ms',
    maxRetryDelay: '40ms',
    ...options,
  })

/** Writes so many, and gives the first bulk request. */
async function firstRequest(sink: TestSink, server: StrictElasticsearch, count = 10): Promise<SeenRequest> {
  sink.write(...entries(count))
  await sink.untilSettled(count)
  return server.bulkRequests[0] as SeenRequest
}

test('a bulk request is packed NDJSON in plain types, and names who sent it', async t => {
  const server = await startElasticsearch(t)
  const request = await firstRequest(open(t, server), server)
  t.like(request.headers, {
    'content-type': 'application/x-ndjson',
    accept: 'application/json',
    'content-encoding': 'gzip',
    'x-opaque-id': 'sluice/test.sink/1',
  })
  t.is(request.path, `/${dataStream}/_bulk`)
})

for (const major of [8, 9] as const) {
  test(`a server of major ${major} can be asked to behave as that version did`, async t => {
    const server = await startElasticsearch(t, { major })
    const request = await firstRequest(
      open(t, server, { compatibleWith: major, compression: 'none' }),
      server,
    )
    t.like(request.headers, {
      'content-type': `application/vnd.elasticsearch+x-ndjson; compatible-with=${major}`,
      accept: `application/vnd.elasticsearch+json; compatible-with=${major}`,
    })
    t.is(request.headers['content-encoding'], undefined)
    t.is(request.status, 200)
  })
}

test('it says who it is by API key, by password, or by token', async t => {
  const key = await startElasticsearch(t, { apiKey: 'aWQ6a2V5' })
  t.is((await firstRequest(open(t, key, { apiKey: 'aWQ6a2V5' }), key)).status, 200)
  const basic = { username: 'sluice', password: 'sésame' }
  const locked = await startElasticsearch(t, { basic })
  t.is((await firstRequest(open(t, locked, basic), locked)).status, 200)
  const any = await startElasticsearch(t)
  t.is((await firstRequest(open(t, any, { bearer: 'abc' }), any)).headers.authorization, 'Bearer abc')
})

test('a key that the server does not know is told once as what must be mended, and documents wait', async t => {
  const server = await startElasticsearch(t, { apiKey: 'right' })
  const sink = open(t, server, { apiKey: 'wrong' })
  sink.write(...entries(10))
  const told = await sink.logs.next(({ code }) => code === 'SinkMisconfigured')
  t.is(told.level, 'error')
  t.regex(told.message, /401 security_exception: unable to authenticate/)
  t.is(sink.row.inFlight, 10)
  t.regex(sink.status?.trouble ?? '', /401/)
})

test('an index that is missing and not made is told, and written to once it is there', async t => {
  const server = await startElasticsearch(t, { createsIndices: false })
  const sink = open(t, server, { dataStream: undefined, index: 'orders' })
  sink.write(...entries(10))
  t.regex(
    (await sink.logs.next(({ code }) => code === 'SinkMisconfigured')).message,
    /404 index_not_found_exception/,
  )
  await fetch(`${server.url}/orders`, { method: 'PUT' })
  await sink.untilSettled(10)
  t.deepEqual(sink.count(), { stored: 10 })
  t.is(server.documents('orders').size, 10)
})

test('with a template it puts that and makes the data stream before the first document', async t => {
  const server = await startElasticsearch(t, { createsIndices: false })
  const sink = open(t, server, { template: true, dataStream: 'traffic-edge' })
  const wrong = {
    id: 'wrong',
    timeMs: 0,
    json: Buffer.from('{"@timestamp":0,"http":{"response":{"status_code":"teapot"}}}'),
  }
  sink.write(...entries(100), wrong)
  await sink.untilSettled(101)
  t.deepEqual(
    server.requests.slice(0, 3).map(({ method, path }) => `${method} ${path}`),
    [
      'GET /_index_template/traffic-edge',
      'PUT /_index_template/traffic-edge',
      'PUT /_data_stream/traffic-edge',
    ],
  )
  t.true(server.store.indices.get('traffic-edge')?.isDataStream)
  t.is(server.documents('traffic-edge').size, 100)
  t.regex(sink.reasonOf('wrong'), /failed to parse field \[http.response.status_code\] of type \[long\]/)
})

test('a template and a data stream that are there already are left as they are', async t => {
  const server = await startElasticsearch(t)
  const template = { index_patterns: ['traffic-*'], data_stream: {}, priority: 7 }
  server.store.templates.set('traffic-edge', template)
  for (let i = 0; i < 2; i++) {
    const sink = open(t, server, { template: { index_patterns: ['never'] }, dataStream: 'traffic-edge' })
    sink.write(...entries(5, i * 5))
    await sink.untilSettled(5)
  }
  t.is(server.store.templates.get('traffic-edge'), template)
  t.is(server.documents('traffic-edge').size, 10)
})

test('a server that is away while it is set up is set up when it is back', async t => {
  const server = await startElasticsearch(t)
  await server.away()
  const sink = open(t, server, { template: true, dataStream: 'traffic-edge' })
  sink.write(...entries(10))
  await sink.logs.next(({ code }) => code === 'SinkTroubled')
  await server.back()
  await sink.untilSettled(10)
  t.is(server.documents('traffic-edge').size, 10)
})

test('nodes take turns', async t => {
  const servers = await Promise.all([1, 2, 3].map(() => startElasticsearch(t)))
  const sink = open(t, servers)
  for (let i = 0; i < 30; i++) {
    sink.write(...entries(20, i * 20))
    await sink.untilSettled((i + 1) * 20)
  }
  t.deepEqual(
    servers.map(({ bulkRequests }) => bulkRequests.length),
    [10, 10, 10],
  )
})

test('a node that fails is left alone for a while, the others take over, and it is used again', async t => {
  const [first, second] = await Promise.all([startElasticsearch(t), startElasticsearch(t)])
  const sink = open(t, [first, second] as StrictElasticsearch[], { maxRetryDelay: '200ms' })
  await first?.away()
  sink.write(...entries(400))
  await sink.untilSettled(400)
  t.deepEqual(sink.count(), { stored: 400 })
  t.is(second?.documents(dataStream).size, 400)
  await first?.back()
  for (let given = 400; first?.documents(dataStream).size === 0; given += 20) {
    sink.write(...entries(20, given))
    await sink.untilSettled(given + 20)
  }
  t.true((first?.documents(dataStream).size ?? 0) > 0)
})

test('a node that answers 503 is passed over like one that is away', async t => {
  const [first, second] = await Promise.all([startElasticsearch(t), startElasticsearch(t)])
  if (first !== undefined) first.faults = [whole(503)]
  const sink = open(t, [first, second] as StrictElasticsearch[])
  sink.write(...entries(200))
  await sink.untilSettled(200)
  t.is(second?.documents(dataStream).size, 200)
})

test('a request without an answer is given up after the time-out, and made again', async t => {
  const server = await startElasticsearch(t)
  server.faults = [silence({ times: 1 })]
  const sink = open(t, server, { timeout: '300ms' })
  sink.write(...entries(10))
  await sink.untilSettled(10)
  t.deepEqual(sink.count(), { duplicate: 10 })
  t.is(sink.status?.failedRequests, 1)
})

test('several requests are in flight at a time, and no more than the option says', async t => {
  const server = await startElasticsearch(t)
  server.faults = [slow(20)]
  const sink = open(t, server, { concurrency: 3 })
  let most = 0
  server.onRequest = () => {
    most = Math.max(most, sink.status?.requestsInFlight ?? 0)
  }
  sink.write(...entries(600))
  await sink.untilSettled(600)
  t.is(most, 3)
})

test('a server that refuses gets fewer requests at a time, and more again when it takes them', async t => {
  const server = await startElasticsearch(t)
  const sink = open(t, server, { concurrency: 8 })
  sink.write(...entries(2000))
  await sink.untilSettled(2000)
  t.is(sink.status?.window, 8)
  server.faults = [whole(429, { times: 40 })]
  let least = 8
  server.onRequest = () => {
    least = Math.min(least, sink.status?.window ?? 8)
  }
  sink.write(...entries(2000, 2000))
  await sink.untilSettled(4000)
  t.is(least, 1)
  t.true((sink.status?.window ?? 0) > 2)
})

test('a server whose queue is full is written to as fast as it can, and everything is stored', async t => {
  for (const refuses of ['items', 'whole'] as const) {
    const server = await startElasticsearch(t, { queue: { perSecond: 4000, size: 60, refuses } })
    const sink = open(t, server)
    sink.write(...entries(1000))
    await sink.untilSettled(1000)
    t.deepEqual(sink.count(), { stored: 1000 })
    t.is(server.documents(dataStream).size, 1000)
  }
})

test('it speaks TLS to servers whose authority it is given, and to no others', async t => {
  const { ca, other } = makeCertificates()
  const server = await startElasticsearch(t, { tls: other })
  const trusting = open(t, server, { tls: { ca, serverName: 'other.test' } })
  trusting.write(...entries(10))
  await trusting.untilSettled(10)
  t.deepEqual(trusting.count(), { stored: 10 })
  const wary = open(t, server)
  wary.write(...entries(1, 10))
  t.regex((await wary.logs.next(({ code }) => code === 'SinkTroubled')).message, /self-signed|certificate/)
  const careless = open(t, server, { tls: { verify: false } })
  careless.write(...entries(1, 20))
  await careless.untilSettled(1)
  t.deepEqual(careless.count(), { stored: 1 })
})

test('the pause that a server asks for with 429 is kept', async t => {
  const server = await startElasticsearch(t)
  server.faults = [whole(429, { times: 1, retryAfterSeconds: 1 })]
  const sink = open(t, server, { maxRetryDelay: '5s' })
  const sinceMs = performance.now()
  sink.write(...entries(10))
  await sink.untilSettled(10)
  t.true(performance.now() - sinceMs > 950)
  t.deepEqual(sink.count(), { stored: 10 })
})

test('ids of any characters arrive as they are', async t => {
  const server = await startElasticsearch(t)
  const sink = open(t, server)
  const ids = ['plain-1', 'with "quotes"', 'back\\slash', 'line\nend', 'ünï', '😀', '</script>', '\u0000']
  sink.write(...ids.map(id => ({ id, timeMs: 0, json: Buffer.from('{"@timestamp":0}') })))
  await sink.untilSettled(ids.length)
  t.deepEqual([...server.documents(dataStream).keys()].sort(), [...ids].sort())
})
