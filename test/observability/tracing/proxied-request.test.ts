/** A real process in front of a real origin, and a collector that shows what it was sent. */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
// One after the other: each starts processes of its own.
import test, { type ExecutionContext } from 'ava'
import { OtlpReceiver, type ReceivedSpan } from '../../support/otlp-receiver.ts'
import { makeScript, type SluiceProcess, startSluice } from '../../support/sluice.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'

interface Origin {
  readonly port: number
  readonly received: Record<string, string | string[] | undefined>[]
}

async function startOrigin(t: ExecutionContext, status = 200): Promise<Origin> {
  const received: Origin['received'] = []
  const server = createServer((request, response) => {
    received.push(request.headers)
    request.resume()
    response.writeHead(status).end('hello')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, received }
}

const proxyTo = (port: number): string => `
  import { sluice } from 'sluice'
  export default sluice().listen('127.0.0.1:0').demuxHTTP().to($ => $
    .handleMessageStart(() => {})
    .muxHTTP(() => 'origin').to($ => $.connect('127.0.0.1:${port}')))`

const quickly = { OTEL_BSP_SCHEDULE_DELAY: '20', OTEL_BLRP_SCHEDULE_DELAY: '20' }

const start = (
  t: ExecutionContext,
  script: string,
  receiver: OtlpReceiver,
  args: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
): SluiceProcess =>
  startSluice(t, [makeScript(t, script), `--otlp=${receiver.url}`, ...args], { env: { ...quickly, ...env } })

const named = (spans: readonly ReceivedSpan[], name: string, kind?: number): ReceivedSpan | undefined =>
  spans.find(span => span.name === name && (kind === undefined || span.kind === kind))

test.serial(
  'a proxied request is a tree: the client that called, the message, the request upstream, its connection',
  async t => {
    const receiver = await OtlpReceiver.start(t)
    const origin = await startOrigin(t)
    const sluice = start(t, proxyTo(origin.port), receiver)
    const port = await sluice.port()
    const response = await fetch(`http://127.0.0.1:${port}/catalog?page=2&sig=hush`, {
      headers: {
        traceparent: `00-${traceId}-b7ad6b7169203331-01`,
        tracestate: 'congo=t61rcWkgMzE',
        baggage: 'tenant=7',
        'user-agent': 'shopper/1',
      },
    })
    t.is(await response.text(), 'hello')
    const spans = await receiver.spansWhen(all => all.filter(span => span.traceId === traceId).length >= 3)
    const message = named(spans, 'GET', 2) as ReceivedSpan
    const upstream = named(spans, 'GET', 3) as ReceivedSpan
    const connect = named(spans, 'connect') as ReceivedSpan
    t.is(message.parentSpanId, 'b7ad6b7169203331')
    t.is(message.traceState, 'congo=t61rcWkgMzE')
    t.is(upstream.parentSpanId, message.spanId)
    t.is(connect.parentSpanId, upstream.spanId)
    t.like(message.attributes, {
      'http.request.method': 'GET',
      'url.path': '/catalog',
      'url.query': 'page=2&sig=REDACTED',
      'url.scheme': 'http',
      'server.address': '127.0.0.1',
      'server.port': port,
      'network.peer.address': '127.0.0.1',
      'client.address': '127.0.0.1',
      'user_agent.original': 'shopper/1',
      'http.response.status_code': 200,
      'network.protocol.version': '1.1',
      'thread.id': 0,
    })
    t.like(upstream.attributes, {
      'http.request.method': 'GET',
      'server.address': '127.0.0.1',
      'server.port': origin.port,
      'url.full': `http://127.0.0.1:${origin.port}/catalog?page=2&sig=REDACTED`,
      'http.response.status_code': 200,
    })
    t.like(connect.attributes, { 'server.port': origin.port, 'network.transport': 'tcp' })
    t.is(message.status, 0)
    t.true(message.startNs <= upstream.startNs && upstream.endNs <= message.endNs)
    const aroundNs = BigInt(Date.now()) * 1_000_000n
    t.true(aroundNs - message.startNs < 20_000_000_000n && aroundNs >= message.startNs)
    t.like(message.resource, { 'service.name': 'sluice' })
    // The origin was told of the request upstream, and of all else as it came.
    t.is(origin.received[0]?.traceparent, `00-${traceId}-${upstream.spanId}-01`)
    t.is(origin.received[0]?.tracestate, 'congo=t61rcWkgMzE')
    t.is(origin.received[0]?.baggage, 'tenant=7')
    sluice.signal('SIGTERM')
    await sluice.exited
    // The session ends with its connection, in a trace of its own, and the message is linked to it.
    const session = named(receiver.spans.seen, 'session') as ReceivedSpan
    t.not(session.traceId, traceId)
    t.deepEqual(message.links, [{ traceId: session.traceId, spanId: session.spanId }])
  },
)

test.serial(
  'at level filter each filter that the message passes has a span, at level event each event is noted in it',
  async t => {
    const receiver = await OtlpReceiver.start(t)
    const origin = await startOrigin(t)
    const sluice = start(t, proxyTo(origin.port), receiver, ['--trace-level=event'])
    await (await fetch(`http://127.0.0.1:${await sluice.port()}/`, { method: 'POST', body: 'four' })).text()
    sluice.signal('SIGTERM')
    await sluice.exited
    const spans = receiver.spans.seen
    const message = named(spans, 'POST', 2) as ReceivedSpan
    const filters = spans.filter(span => span.traceId === message.traceId && span.kind === 1)
    t.deepEqual(filters.map(span => span.name).sort(), ['connect', 'handleMessageStart', 'muxHTTP'])
    const handle = named(filters, 'handleMessageStart') as ReceivedSpan
    t.is(handle.parentSpanId, message.spanId)
    t.deepEqual(
      handle.events.map(event => event.name),
      ['MessageStart', 'Data', 'MessageEnd'],
    )
    t.is(handle.events[1]?.attributes['sluice.event.bytes'], 4)
    t.like(handle.attributes, {
      'sluice.filter.events': 3,
      'sluice.filter.bytes': 4,
      'sluice.filter.index': 0,
    })
    t.true((handle.attributes['sluice.work.duration'] as number) > 0)
    // The connection is a step of the request upstream.
    const upstream = named(spans, 'POST', 3) as ReceivedSpan
    t.is(named(filters, 'connect')?.parentSpanId, upstream.spanId)
    // Before the message there is the session, which demuxHTTP is in.
    const demux = named(spans, 'demuxHTTP') as ReceivedSpan
    t.is(demux.parentSpanId, (named(spans, 'session') as ReceivedSpan).spanId)
  },
)

test.serial(
  'a copy that goes to another thread is in the trace of the request, and says how long it waited',
  async t => {
    const receiver = await OtlpReceiver.start(t)
    const origin = await startOrigin(t)
    const sluice = start(
      t,
      `
    import { sluice } from 'sluice'
    export default sluice()
      .listen('127.0.0.1:0').demuxHTTP().to($ => $
        .fork().to('log')
        .fork().to('mirror')
        .muxHTTP().to($ => $.connect('127.0.0.1:${origin.port}')))
      .pipeline('log', { placement: 'node', key: () => 'one' }).dummy()
      .pipeline('mirror').muxHTTP().to($ => $.connect('127.0.0.1:${origin.port}'))`,
      receiver,
      ['--threads=2'],
    )
    const port = await sluice.port()
    for (let i = 0; i < 8; i++)
      await (await fetch(`http://127.0.0.1:${port}/${i}`, { headers: { connection: 'close' } })).text()
    const isWhole = (spans: readonly ReceivedSpan[]): boolean =>
      spans.filter(span => span.name === 'process log').length === 8 &&
      spans.filter(span => span.name === 'fork mirror').length === 8 &&
      spans.filter(span => span.name === 'GET').length === 24
    const spans = await receiver.spansWhen(isWhole)
    const byId = new Map(spans.map(span => [span.spanId, span]))
    let crossed = 0
    for (const received of spans.filter(span => span.name === 'process log')) {
      const sent = byId.get(received.parentSpanId) as ReceivedSpan
      const message = byId.get(sent.parentSpanId) as ReceivedSpan
      t.is(sent.name, 'fork log')
      t.is(sent.kind, 4)
      t.is(received.kind, 5)
      t.is(message.kind, 2)
      t.is(received.traceId, message.traceId)
      t.like(received.attributes, {
        'messaging.system': 'sluice',
        'messaging.operation.name': 'process',
        'messaging.destination.name': 'log',
      })
      t.true((received.attributes['sluice.queue.duration'] as number) >= 0)
      if (received.attributes['thread.id'] !== message.attributes['thread.id']) crossed++
    }
    t.true(crossed > 0, 'both threads have served')
    // The mirror's own request upstream is a step of the fork.
    for (const branch of spans.filter(span => span.name === 'fork mirror')) {
      const mirrored = spans.find(span => span.parentSpanId === branch.spanId)
      t.is(mirrored?.kind, 3)
      t.is(mirrored?.traceId, branch.traceId)
    }
  },
)

test.serial(
  'an upstream that is not there makes errors of all that depend on it, and log lines name the trace',
  async t => {
    const receiver = await OtlpReceiver.start(t)
    const sluice = start(
      t,
      `
    import { sluice } from 'sluice'
    export default sluice().listen('127.0.0.1:0').demuxHTTP().to($ => $
      .handleMessageStart(msg => {
        console.log('seen', msg.head.path)
        if (msg.head.path === '/throw') throw new Error('oops')
      })
      .muxHTTP().to($ => $.connect('127.0.0.1:1')))`,
      receiver,
    )
    const port = await sluice.port()
    t.is((await fetch(`http://127.0.0.1:${port}/`)).status, 502)
    t.is((await fetch(`http://127.0.0.1:${port}/throw`)).status, 500)
    const spans = await receiver.spansWhen(all => all.filter(span => span.kind === 2).length === 2)
    const refused = spans.find(span => span.attributes['url.path'] === '/') as ReceivedSpan
    t.is(refused.status, 2)
    t.is(refused.attributes['error.type'], 'ConnectionRefused')
    t.is(refused.attributes['http.response.status_code'], 502)
    const upstream = spans.find(span => span.parentSpanId === refused.spanId) as ReceivedSpan
    t.is(upstream.attributes['error.type'], 'ConnectionRefused')
    t.is(named(spans, 'connect')?.attributes['error.type'], 'ConnectionRefused')
    const thrown = spans.find(span => span.attributes['url.path'] === '/throw') as ReceivedSpan
    t.is(thrown.attributes['error.type'], 'RuntimeError')
    const said = (await sluice.line(/^seen \/throw$/)) as { trace_id?: string; span_id?: string }
    t.is(said.trace_id, thrown.traceId)
    t.is(said.span_id, thrown.spanId)
    const line = (await sluice.line(/^RuntimeError$/)) as { trace_id?: string; span_id?: string }
    t.is(line.trace_id, thrown.traceId)
    t.is(line.span_id, thrown.spanId)
    const log = await receiver.logs.next(record => record.attributes['sluice.code'] === 'RuntimeError')
    t.is(log.traceId, thrown.traceId)
    t.is(log.severity, 'ERROR')
    t.regex(log.body, /oops/)
  },
)
