/** What a script does to heads, and to streams that are no HTTP, with tracing on. */

import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { type HTTPRequestHead, Message, sluice } from '../../../actors/index.ts'
import { placeAtWork } from '../../../runtime/trace/place-at-work.ts'
import { type Span, SpanKind } from '../../../runtime/trace/span.ts'
import { serve, until } from '../../support/proxy.ts'
import { recordSpans } from '../../support/recorded-spans.ts'
import { Upstream } from '../../support/upstream.ts'

const spans = recordSpans()

const incoming = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

async function origin(t: ExecutionContext): Promise<{ port: number; received: Record<string, unknown>[] }> {
  const received: Record<string, unknown>[] = []
  const server = createServer((request, response) => {
    received.push({ url: request.url, ...request.headers })
    response.end('hello')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, received }
}

test.serial('a head that a script has changed, or made anew, goes upstream with our span', async t => {
  const { port, received } = await origin(t)
  const script = sluice()
    .listen('127.0.0.1:0')
    .demuxHTTP()
    .to($ =>
      $.replaceMessageStart(start => {
        const head = start.head as HTTPRequestHead
        if (head.path === '/changed') head.headers['x-tenant'] = '7'
        else if (head.path === '/line') head.path = '/other?long=er'
        else if (head.path === '/made')
          return new Message({ method: 'GET', path: '/made', headers: { host: 'x' } })
        return start
      })
        .muxHTTP()
        .to($ => $.connect(`127.0.0.1:${port}`)),
    )
  const { running } = await serve(t, script)
  for (const path of ['/changed', '/line', '/made', '/as-it-is']) {
    spans.length = 0
    const response = await fetch(`http://127.0.0.1:${running.port}${path}`, {
      headers: { TraceParent: incoming, TraceState: 'congo=1' },
    })
    t.is(await response.text(), 'hello')
    await until(() => spans.some(span => span.kind === SpanKind.server))
    const upstream = spans.find(span => span.kind === SpanKind.client && span.name === 'GET') as Span
    t.is(upstream.traceId, incoming.slice(3, 35), path)
    t.is(received.at(-1)?.traceparent, upstream.traceparent, path)
    t.is(received.at(-1)?.tracestate, 'congo=1', path)
  }
  t.deepEqual(
    received.map(({ url }) => url),
    ['/changed', '/other?long=er', '/made', '/as-it-is'],
  )
  t.is(received[0]?.['x-tenant'], '7')
})

test.serial(
  'a stream of bytes is a session with its connection below it, and says what went through',
  async t => {
    spans.length = 0
    const upstream = await Upstream.start(t, async connection => {
      await connection.read(/ping/)
      connection.end('pong')
    })
    const { running } = await serve(t, sluice().listen('127.0.0.1:0').connect(`127.0.0.1:${upstream.port}`))
    const client = connect(running.port, '127.0.0.1')
    client.end('ping')
    await new Promise(resolve => client.resume().on('close', resolve))
    await until(() => spans.some(span => span.name === 'session'))
    const session = spans.find(span => span.name === 'session') as Span
    const connection = spans.find(span => span.name === 'connect') as Span
    t.is(connection.parentId, session.spanId)
    t.is(connection.traceId, session.traceId)
    const said = Object.fromEntries(
      session.attributes.flatMap((each, i) => (i % 2 === 0 ? [[each, session.attributes[i + 1]]] : [])),
    )
    t.like(said, {
      'network.peer.address': '127.0.0.1',
      'sluice.session.received_bytes': 4,
      'sluice.session.sent_bytes': 4,
    })
  },
)

test.serial(
  'a message that ends on a cut connection is an error, and an upgrade is one span until the tunnel ends',
  async t => {
    spans.length = 0
    const upstream = await Upstream.start(t, async (connection, index) => {
      await connection.read(/\r\n\r\n/)
      if (index === 0) connection.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart')
      else {
        connection.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n')
        await connection.read(/bye/)
        connection.end('bye')
      }
      if (index === 0) connection.destroy()
    })
    const { running } = await serve(
      t,
      sluice()
        .listen('127.0.0.1:0')
        .demuxHTTP()
        .to($ => $.muxHTTP().to($ => $.connect(`127.0.0.1:${upstream.port}`))),
    )
    await t.throwsAsync(async () => (await fetch(`http://127.0.0.1:${running.port}/`)).text())
    await until(() => spans.some(span => span.kind === SpanKind.server))
    t.is(spans.find(span => span.kind === SpanKind.server)?.error, 'UpstreamProtocolError')
    spans.length = 0
    const client = connect(running.port, '127.0.0.1')
    client.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n')
    await new Promise(resolve => client.once('data', resolve))
    t.false(spans.some(span => span.kind === SpanKind.server))
    client.end('bye')
    await new Promise(resolve => client.resume().on('close', resolve))
    await until(() => spans.some(span => span.kind === SpanKind.server))
    const tunnel = spans.find(span => span.kind === SpanKind.server) as Span
    t.is(tunnel.error, '')
    t.true(tunnel.attributes.includes(101))
  },
)

test.serial(
  'the handler of serveHTTP works in the span of its request, and the session is what it was afterwards',
  async t => {
    spans.length = 0
    const script = sluice()
      .listen('127.0.0.1:0')
      .serveHTTP(() => new Message({ status: 200 }, `${placeAtWork()?.span_id}\n`))
    const { running } = await serve(t, script)
    const client = connect(running.port, '127.0.0.1')
    let answered = ''
    client.on('data', bytes => {
      answered += bytes
    })
    const request = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'
    client.write(request + request)
    await until(() => answered.split('HTTP/1.1 200').length === 3)
    client.end()
    await until(() => spans.some(span => span.name === 'session'))
    const session = spans.find(span => span.name === 'session') as Span
    const messages = spans.filter(span => span.kind === SpanKind.server)
    t.is(messages.length, 2)
    for (const message of messages) {
      t.true(answered.includes(`${message.spanId}\n`))
      t.deepEqual(message.links, [session.traceparent])
    }
    t.is(placeAtWork(), undefined)
  },
)
