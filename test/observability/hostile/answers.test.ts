/** Servers that documents and spans are sent to may answer anything: it costs bounded memory and time, and every item is accounted for. */

import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { ExportQueue } from '../../../observability/otlp/export-queue.ts'
import { OtlpSender } from '../../../observability/otlp/otlp-sender.ts'
import { rejectedBy } from '../../../observability/otlp/otlp-way.ts'
import { mostAnswerBytes } from '../../../observability/sinks/answer-text.ts'
import { readBulkAnswer, reasonIn } from '../../../observability/sinks/elasticsearch/bulk-answer.ts'
import { entries, openSink } from '../../support/sinks.ts'

const quick = { batchCount: 20, batchInterval: '5ms', retryDelay: '2ms', maxRetryDelay: '30ms' }

/** A server that reads each request and answers as `answer` does, which is given its number, from 1. */
async function serve(
  t: ExecutionContext,
  answer: (response: ServerResponse, number: number) => void,
): Promise<string> {
  let number = 0
  const server = createServer((request, response) => {
    response.on('error', () => {})
    request.resume().on('end', () => answer(response, ++number))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Writes as fast as it is read, until nobody reads; tells how much that was. */
function flood(response: ServerResponse, told: (bytes: number) => void): void {
  const chunk = Buffer.alloc(256 * 1024, 'x')
  let bytes = 0
  const more = (): void => {
    while (!response.destroyed) {
      bytes += chunk.length
      if (!response.write(chunk)) return
    }
  }
  response.on('drain', more)
  response.on('close', () => told(bytes))
  response.writeHead(200, { 'content-type': 'application/json' })
  more()
}

for (const kind of ['elasticsearch', 'http', 'otlp']) {
  test(`${kind}: an answer without end is cut, and the request is made again`, async t => {
    const cut = Promise.withResolvers<number>()
    const url = await serve(t, (response, number) => {
      if (number === 1) flood(response, cut.resolve)
      else response.end(JSON.stringify({ items: Array(5).fill({ create: { status: 201 } }) }))
    })
    const target = kind === 'elasticsearch' ? { node: url, dataStream: 'logs-a-b' } : { url }
    const sink = openSink(t, kind, { ...target, ...quick })
    sink.write(...entries(5))
    await sink.untilSettled(5)
    t.deepEqual(sink.count(), { stored: 5 })
    t.true((await cut.promise) < 2 * mostAnswerBytes)
  })

  test(`${kind}: an answer that comes a byte at a time is none after the time that a request has`, async t => {
    const url = await serve(t, (response, number) => {
      if (number > 1) {
        response.end(JSON.stringify({ items: Array(5).fill({ create: { status: 201 } }) }))
        return
      }
      response.writeHead(200)
      const drip = setInterval(() => response.write(' '), 20)
      response.on('close', () => clearInterval(drip))
    })
    const target = kind === 'elasticsearch' ? { node: url, dataStream: 'logs-a-b' } : { url }
    const sink = openSink(t, kind, { ...target, ...quick, timeout: '300ms' })
    sink.write(...entries(5))
    await sink.untilSettled(5)
    t.deepEqual(sink.count(), { stored: 5 })
  })
}

test('any answer to a bulk request is a verdict for each document, or is told to be none, and never long', t => {
  const result = fc.oneof(
    fc.record(
      {
        status: fc.oneof(fc.constantFrom(200, 201, 400, 409, 429, 503, -1, 1e99), fc.jsonValue()),
        error: fc.oneof(
          fc.record({
            type: fc.jsonValue(),
            reason: fc.oneof(fc.constant('r'.repeat(100_000)), fc.jsonValue()),
            caused_by: fc.jsonValue(),
          }),
          fc.jsonValue(),
        ),
      },
      { requiredKeys: [] },
    ),
    fc.jsonValue(),
  )
  const item = fc.oneof(fc.record({ create: result }), fc.jsonValue())
  const answer = fc.oneof(
    fc.record({ items: fc.array(item, { maxLength: 4 }), error: result }, { requiredKeys: [] }),
    fc.jsonValue(),
  )
  fc.assert(
    fc.property(
      fc.oneof(
        answer.map(each => JSON.stringify(each)),
        fc.string(),
      ),
      fc.nat(4),
      (text, documents) => {
        const verdicts = readBulkAnswer(text, documents)
        if (typeof verdicts === 'string') t.true(verdicts.length < 400)
        else {
          t.is(verdicts.length, documents)
          for (const verdict of verdicts) if ('reason' in verdict) t.true(verdict.reason.length < 3000)
        }
        t.true(reasonIn(text).length < 3000)
      },
    ),
    { numRuns: 500 },
  )
})

test('deep JSON is no answer, and breaks nothing', t => {
  const deep = `{"items":${'['.repeat(200_000)}${']'.repeat(200_000)}}`
  t.notThrows(() => readBulkAnswer(deep, 1))
  t.notThrows(() =>
    readBulkAnswer(`{"items":[{"create":${'{"error":'.repeat(50_000)}1${'}'.repeat(50_000)}}]}`, 1),
  )
  t.notThrows(() => reasonIn(`{"error":${'['.repeat(200_000)}${']'.repeat(200_000)}}`))
})

test('whatever a collector says it rejected, the ledger of an export balances', async t => {
  for (const said of [-5, 1e300, Number.NaN, Number.POSITIVE_INFINITY, 0.5, '3', '-1', {}, [], null, true]) {
    const serializer = { deserializeResponse: () => ({ partialSuccess: { rejectedSpans: said } }) }
    const queue = new ExportQueue<number>(
      {
        serialize: () => new Uint8Array(1),
        send: async () => ({ kind: 'taken', body: new Uint8Array(1) }),
        rejected: body => rejectedBy(serializer, body),
        dropped: () => {},
        close: () => {},
      },
      { queue: 100, batch: 10, delayMs: 1, timeoutMs: 1000 } as ConstructorParameters<typeof ExportQueue>[1],
    )
    queue.add([1, 2, 3, 4, 5, 6, 7])
    await queue.close(1000)
    const { accepted, exported, dropped, waiting } = queue.ledger
    const lost = Object.values(dropped).reduce((sum, each) => sum + each, 0)
    t.is(accepted, exported + lost + waiting, String(said))
    for (const count of [exported, lost])
      t.true(Number.isInteger(count) && count >= 0 && count <= 7, String(said))
  }
})

test('a collector that says when to come back may say anything, and one that says too much is not listened to', async t => {
  const fields = ['9'.repeat(400), '-1', '1e9', 'soon', '', '0', '99999999999999999999']
  const url = await serve(t, (response, number) => {
    const field = fields[number - 1]
    if (field === undefined) flood(response, () => {})
    else response.writeHead(503, { 'retry-after': field }).end('x'.repeat(1000))
  })
  const sender = new OtlpSender({
    url,
    headers: {},
    protocol: 'http/json',
    isCompressed: false,
    timeoutMs: 1000,
  })
  t.teardown(() => sender.close())
  for (const field of fields) {
    const result = await sender.send(new Uint8Array(1))
    t.is(result.kind, 'later')
    const ms = result.kind === 'later' ? result.retryAfterMs : undefined
    t.true(ms === undefined || ms >= 0, field)
  }
  t.is((await sender.send(new Uint8Array(1))).kind, 'later')
})
