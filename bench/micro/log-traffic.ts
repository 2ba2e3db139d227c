/**
 * What logging an exchange costs the thread that carries it, over the same exchange without: 1 KiB of JSON each way, heads
 * of a browser, all different but in the case that says otherwise. Transport and sink are in memory, so that it is the filter alone that is measured:
 * noting, copying, redacting and writing the document. With a companion, as in production, the documents are made there: that
 * thread's time is not in the numbers, nor is what it has to catch up with between rounds. Prints nanoseconds of the thread's CPU per exchange.
 */

import { Buffer } from 'node:buffer'
import { sluice } from '../../actors/index.ts'
import type { Sink, Sinks } from '../../actors/sink.ts'
import { CompanionSinks } from '../../observability/sinks/companion/companion-sinks.ts'
import { noLog } from '../../runtime/log.ts'
import { startMemoryHost } from '../harness/memory-host.ts'
import type { MemoryConnection } from '../harness/memory-transport.ts'

let documents = 0
let bytes = 0
const batch = Buffer.allocUnsafeSlow(1024 * 1024)
let used = 0

/** Copies what it is given into a batch, as any sink must, and forgets it. */
const sink: Sink = {
  isCongested: false,
  write({ json }, settled) {
    if (used + json.length > batch.length) used = 0
    batch.set(json, used)
    used += json.length
    documents++
    bytes += json.length
    settled?.({ kind: 'stored' })
  },
  refuse() {},
  awaitRelief() {},
  async flush() {},
  async close() {},
}
const inMemory: Sinks = { kinds: ['stdout'], check() {}, open: () => sink, rows: () => [], status: () => [] }

const companion = new CompanionSinks({
  log: noLog,
  thread: 0,
  threads: 1,
  logLevel: 'error',
  tracing: undefined,
  relayLog() {},
  relaySpans() {},
})
const nowhere = { path: '/dev/null', maxFileSize: 0 }

const item = (i: number) => ({ id: i, name: `item ${i}`, price: i * 1.5, text: 'a few words of text' })
const body = JSON.stringify(Array.from({ length: 16 }, (_, i) => item(i))).slice(0, 1023)
const requestOf = (i: number): Buffer =>
  Buffer.from(
    `POST /catalog/items/${i}?page=2 HTTP/1.1\r\nHost: shop.example:8000\r\n` +
      'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\r\n' +
      'Accept: application/json\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n' +
      `Cookie: session=${i.toString(36)}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  )
const responseOf = (i: number): Buffer =>
  Buffer.from(
    `HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 21 Nov 2026 08:00:00 GMT\r\nContent-Type: application/json\r\n` +
      `X-Request-Id: ${i.toString(36)}\r\nContent-Length: ${body.length}\r\nConnection: keep-alive\r\n\r\n${body}`,
  )
const requests = Array.from({ length: 1024 }, (_, i) => requestOf(i))
const responses = Array.from({ length: 1024 }, (_, i) => responseOf(i))

const plain = sluice()
  .listen(8000)
  .demuxHTTP()
  .to($ => $.muxHTTP(() => 'origin').to($ => $.connect('127.0.0.1:8080')))
const logging = (options: object, kind: 'stdout' | 'file' = 'stdout') =>
  sluice()
    .listen(8000)
    .demuxHTTP()
    .to($ =>
      $.logTraffic(kind, options)
        .muxHTTP(() => 'origin')
        .to($ => $.connect('127.0.0.1:8080')),
    )

const cases = {
  plain,
  'without bodies': logging({}),
  bodies: logging({ bodies: true }),
  'bodies, redacting': logging({ bodies: true, redact: ['password', '$.card.number'] }),
  'bodies, redacting, companion': logging(
    { bodies: true, redact: ['password', '$.card.number'], ...nowhere },
    'file',
  ),
  'without bodies, companion': logging(nowhere, 'file'),
  'bodies, same heads': logging({ bodies: true }),
  'sampled out': logging({ bodies: true, sample: 0 }),
}

interface Running {
  readonly name: string
  readonly pairs: { readonly client: MemoryConnection; readonly upstream: MemoryConnection }[]
  best: number
}

const running: Running[] = []
for (const [name, script] of Object.entries(cases)) {
  const sinks = name.endsWith('companion') ? companion : inMemory
  const transport = await startMemoryHost(script, { sinks })
  const pairs: Running['pairs'] = []
  for (let i = 0; i < 64; i++) pairs.push(await transport.pair(requests[i] as Buffer))
  pairs.forEach(({ upstream }, i) => {
    upstream.feed(responses[i] as Buffer)
  })
  running.push({ name, pairs, best: Number.POSITIVE_INFINITY })
}

function round({ name, pairs }: Running, exchanges: number): number {
  const spread = name.endsWith('same heads') ? 0 : 1023
  const since = process.threadCpuUsage()
  for (let i = 0; i < exchanges; i += pairs.length) {
    for (let k = 0; k < pairs.length; k++) pairs[k]?.client.feed(requests[(i + k) & spread] as Buffer)
    for (let k = 0; k < pairs.length; k++) pairs[k]?.upstream.feed(responses[(i + k) & spread] as Buffer)
  }
  const { user, system } = process.threadCpuUsage(since)
  return ((user + system) * 1000) / exchanges
}

/** Resolves when the companion has nothing to do. */
async function untilIdle(): Promise<void> {
  while (companion.rows().some(({ inFlight }) => inFlight > 0))
    await new Promise(resolve => setTimeout(resolve, 5))
}

// Short rounds, so that some are not disturbed.
for (let i = 0; i < 60; i++)
  for (const each of running) {
    await untilIdle()
    each.best = Math.min(each.best, round(each, 64 * 80))
  }
for (const { from, accepted, delivered } of companion.rows())
  if (delivered === 0 || delivered !== accepted) throw new Error(`${from}: ${delivered} of ${accepted}`)
const base = running[0]?.best ?? 0
for (const { name, best } of running)
  process.stdout.write(
    `${JSON.stringify({ bench: 'log-traffic', case: name, unit: 'ns/exchange', best: Math.round(best), added: Math.round(best - base) })}\n`,
  )
process.stdout.write(
  `${JSON.stringify({ bench: 'log-traffic', documents, bytesPerDocument: Math.round(bytes / documents) })}\n`,
)
await companion.stop()
