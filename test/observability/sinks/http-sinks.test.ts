/** What the sinks for HTTP and OTLP send, and what the answers mean to them. */

import test, { type ExecutionContext } from 'ava'
import { LogServer } from '../../support/log-server.ts'
import { entries, openSink, type TestSink } from '../../support/sinks.ts'

const quick = { batchCount: 20, batchInterval: '5ms', retryDelay: '2ms', maxRetryDelay: '30ms' }

const open = (t: ExecutionContext, kind: string, server: LogServer, options: object = {}): TestSink =>
  openSink(t, kind, { url: server.url, ...quick, ...options })

test('lines and arrays go out as their types say, to the path and with the fields that are given', async t => {
  const server = await LogServer.start(t)
  const lines = open(t, 'http', server, {
    url: `${server.url}/in/here?key=1`,
    requestHeaders: { 'x-team': 'shop' },
    method: 'PUT',
  })
  lines.write(...entries(3))
  await lines.untilSettled(3)
  const [first] = server.requests
  t.like(first, { method: 'PUT', path: '/in/here?key=1' })
  t.like(first?.headers, { 'content-type': 'application/x-ndjson', 'x-team': 'shop' })
  t.is(
    first?.body,
    entries(3)
      .map(({ json }) => `${json}\n`)
      .join(''),
  )
  const array = open(t, 'http', server, { format: 'array', bearer: 'abc' })
  array.write(...entries(3))
  await array.untilSettled(3)
  const second = server.requests[1]
  t.like(second?.headers, { 'content-type': 'application/json', authorization: 'Bearer abc' })
  t.deepEqual(
    JSON.parse(second?.body ?? ''),
    entries(3).map(({ json }) => JSON.parse(json.toString())),
  )
})

for (const kind of ['http', 'otlp']) {
  for (const status of [400, 422]) {
    test(`${kind}: the document that a ${status} is about is found and put aside, and the others are stored`, async t => {
      const server = await LogServer.start(t)
      server.respond = ({ body }) => (body.includes('id-13') ? { status, body: 'bad' } : { status: 200 })
      const sink = open(t, kind, server)
      sink.write(...entries(20))
      await sink.untilSettled(20)
      t.deepEqual(sink.count(), { stored: 19, 'dead-lettered': 1 })
      t.regex(sink.reasonOf('id-13'), new RegExp(`${status}: bad`))
    })
  }

  test(`${kind}: a request that is too large is halved`, async t => {
    const server = await LogServer.start(t)
    server.respond = ({ body }) => ({ status: body.length > 1500 ? 413 : 200 })
    const sink = open(t, kind, server)
    sink.write(...entries(60))
    await sink.untilSettled(60)
    t.deepEqual(sink.count(), { stored: 60 })
    t.true(server.taken.every(({ body }) => body.length <= 1500))
  })

  test(`${kind}: answers that pass are waited out`, async t => {
    const server = await LogServer.start(t)
    const statuses = [429, 503, 500, 408, 502, 504]
    server.respond = ({ number }) => ({ status: statuses[number - 1] ?? 200 })
    const sink = open(t, kind, server)
    sink.write(...entries(10))
    await sink.untilSettled(10)
    t.deepEqual(sink.count(), { stored: 10 })
    t.is(server.requests.length, 7)
  })

  test(`${kind}: resets are tried again`, async t => {
    const server = await LogServer.start(t)
    server.respond = ({ number }) => (number < 4 ? 'reset' : { status: 200 })
    const sink = open(t, kind, server)
    sink.write(...entries(10))
    await sink.untilSettled(10)
    t.deepEqual(sink.count(), { stored: 10 })
  })

  test(`${kind}: an answer that only a person can mend is told, and documents wait`, async t => {
    const server = await LogServer.start(t)
    server.respond = () => ({ status: 403, body: 'not you' })
    const sink = open(t, kind, server)
    sink.write(...entries(10))
    t.regex((await sink.logs.next(({ code }) => code === 'SinkMisconfigured')).message, /403: not you/)
    t.is(sink.row.inFlight, 10)
    server.respond = () => ({ status: 204 })
    await sink.untilSettled(10)
    t.deepEqual(sink.count(), { stored: 10 })
  })
}

test('a document is a log record with its time, trace, id and fields', async t => {
  const server = await LogServer.start(t)
  const sink = open(t, 'otlp', server, {
    resource: { 'service.name': 'edge', 'deployment.environment.name': 'test' },
  })
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  const document = {
    event: { outcome: 'failure' },
    n: 7,
    big: 2 ** 60,
    share: 0.5,
    no: null,
    yes: true,
    list: ['a', 1],
    text: 'ü',
  }
  sink.write({
    id: 'one',
    timeMs: 1_795_000_000_123.25,
    json: Buffer.from(JSON.stringify(document)),
    traceId,
    spanId: 'b7ad6b7169203331',
  })
  await sink.untilSettled(1)
  const [request] = server.requests
  t.is(request?.path, '/v1/logs')
  t.like(request?.headers, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
  const [{ resource, scopeLogs }] = JSON.parse(request?.body ?? '').resourceLogs
  t.deepEqual(resource.attributes, [
    { key: 'service.name', value: { stringValue: 'edge' } },
    { key: 'deployment.environment.name', value: { stringValue: 'test' } },
  ])
  t.is(scopeLogs[0].scope.name, 'sluice')
  const [record] = scopeLogs[0].logRecords
  t.like(record, {
    timeUnixNano: '1795000000123250000',
    severityNumber: 17,
    traceId,
    spanId: 'b7ad6b7169203331',
    attributes: [{ key: 'log.record.uid', value: { stringValue: 'one' } }],
  })
  const fields = Object.fromEntries(
    record.body.kvlistValue.values.map(({ key, value }: { key: string; value: unknown }) => [key, value]),
  )
  t.deepEqual(fields, {
    event: { kvlistValue: { values: [{ key: 'outcome', value: { stringValue: 'failure' } }] } },
    n: { intValue: '7' },
    big: { doubleValue: 2 ** 60 },
    share: { doubleValue: 0.5 },
    no: {},
    yes: { boolValue: true },
    list: { arrayValue: { values: [{ stringValue: 'a' }, { intValue: '1' }] } },
    text: { stringValue: 'ü' },
  })
})

test('a URL of a collector may have the path of logs already', async t => {
  const server = await LogServer.start(t)
  const sink = open(t, 'otlp', server, {
    url: `${server.url}/otlp/v1/logs`,
    body: 'text',
    compression: 'none',
  })
  sink.write(...entries(1))
  await sink.untilSettled(1)
  t.is(server.requests[0]?.path, '/otlp/v1/logs')
  t.regex(server.requests[0]?.body ?? '', /"body":\{"stringValue":"\{\\"@timestamp/)
})

test('records that a collector rejects within a request are put aside, as many as it says', async t => {
  const server = await LogServer.start(t)
  const partialSuccess = { rejectedLogRecords: '3', errorMessage: 'too old' }
  server.respond = () => ({ status: 200, body: JSON.stringify({ partialSuccess }) })
  const sink = open(t, 'otlp', server)
  sink.write(...entries(10))
  await sink.untilSettled(10)
  t.deepEqual(sink.count(), { 'dead-lettered': 3, stored: 7 })
  t.regex(sink.reasonOf('id-0'), /rejected 3 of 10 records .* too old/)
})
