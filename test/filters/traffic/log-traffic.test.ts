/** logTraffic writes one document per exchange, whatever becomes of it, and delays none. */

import { hostname } from 'node:os'
import test from 'ava'
import { Message, sluice } from '../../../actors/index.ts'
import { answering, ask, reply, Upstream, unusedPort } from '../../support/upstream.ts'
import { serveLogging, startLogging } from './support.ts'

const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

test('an exchange is a document of the Elastic Common Schema', async t => {
  const upstream = await Upstream.start(
    t,
    answering(() => reply('{"ok":true}', '201 Created', 'Content-Type: application/json; charset=utf-8')),
  )
  const { proxy, next, settled } = await startLogging(t, upstream.port, {
    bodies: true,
    dataset: 'shop.traffic',
    namespace: 'prod',
    service: 'shop',
  })
  const client = await proxy.client()
  const body = '{"name":"Käse"}'
  const bytes = Buffer.byteLength(body)
  client.socket.write(
    `POST /items?page=2 HTTP/1.1\r\nHost: shop.example:8000\r\nUser-Agent: test "1"\r\nReferer: http://a.example/\r\n` +
      `X-Request-Id: r-1\r\nTraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${bytes}\r\n\r\n${body}`,
  )
  t.is((await client.response('POST')).body, '{"ok":true}')
  const document = await next()
  t.regex(document['@timestamp'], iso)
  const { event, host, process: from, source, destination, ...rest } = document
  t.regex(event.id, /^[\da-z]{9}-[\da-z]{6}-[\da-f]{20}$/)
  t.regex(event.end, iso)
  t.is(event.start, document['@timestamp'])
  t.true(Number.isInteger(event.duration) && event.duration > 0)
  t.like(event, {
    kind: 'event',
    category: ['network', 'web'],
    type: ['access'],
    outcome: 'success',
    dataset: 'shop.traffic',
  })
  t.is(host.name, hostname())
  t.deepEqual(from, { pid: process.pid, thread: { id: 0 } })
  t.deepEqual(source, { address: '127.0.0.1', ip: '127.0.0.1', port: client.socket.localPort })
  t.deepEqual(destination, { address: '127.0.0.1', ip: '127.0.0.1', port: proxy.running.port })
  t.deepEqual(rest, {
    '@timestamp': document['@timestamp'],
    ecs: { version: '9.0.0' },
    http: {
      version: '1.1',
      request: {
        method: 'POST',
        id: 'r-1',
        referrer: 'http://a.example/',
        mime_type: 'application/json',
        headers: {
          host: 'shop.example:8000',
          'user-agent': 'test "1"',
          referer: 'http://a.example/',
          'x-request-id': 'r-1',
          traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
          'content-type': 'application/json',
        },
        body: { bytes, content: body },
      },
      response: {
        status_code: 201,
        mime_type: 'application/json',
        headers: { 'content-type': 'application/json; charset=utf-8' },
        body: { bytes: 11, content: '{"ok":true}' },
      },
    },
    url: {
      original: '/items?page=2',
      scheme: 'http',
      path: '/items',
      query: 'page=2',
      domain: 'shop.example',
      port: 8000,
      full: 'http://shop.example:8000/items?page=2',
    },
    network: { transport: 'tcp', protocol: 'http', type: 'ipv4' },
    user_agent: { original: 'test "1"' },
    trace: { id: '0af7651916cd43dd8448eb211c80319c' },
    span: { id: 'b7ad6b7169203331' },
    service: { name: 'shop' },
    sluice: { upstream: { address: '127.0.0.1', ip: '127.0.0.1', port: upstream.port } },
    observer: { type: 'proxy', product: 'sluice' },
    data_stream: { type: 'logs', dataset: 'shop.traffic', namespace: 'prod' },
  })
  client.destroy()
  await settled(1)
})

test('each exchange of a connection has its document, in order', async t => {
  const upstream = await Upstream.start(
    t,
    answering(({ startLine }) => reply(startLine.split(' ')[1] as string)),
  )
  const { proxy, sinks, settled } = await startLogging(t, upstream.port)
  const client = await proxy.client()
  // Pipelined: the second comes in the same read.
  client.write(ask('/0') + ask('/1'))
  t.is((await client.response()).body, '/0')
  t.is((await client.response()).body, '/1')
  for (let i = 2; i < 10; i++) t.is((await client.ask(ask(`/${i}`))).body, `/${i}`)
  client.end()
  await client.readToEnd()
  await settled(10)
  t.deepEqual(
    sinks.documents.seen.map(({ url }) => url.path),
    [...Array(10).keys()].map(i => `/${i}`),
  )
  t.deepEqual(
    [...sinks.entries].sort((a, b) => (a.id < b.id ? -1 : 1)),
    sinks.entries,
  )
})

test('an upstream that refuses is told with its code, and the status that the client got', async t => {
  const { proxy, next, settled } = await startLogging(t, await unusedPort(t))
  const client = await proxy.client()
  await client.ask(ask('/'))
  t.like(await next(), {
    event: { outcome: 'failure', type: ['access', 'error'] },
    http: { response: { status_code: 502 } },
    error: { type: 'ConnectionRefused' },
    sluice: { fault: { source: 'upstream' } },
  })
  client.destroy()
  await settled(1)
})

test('an upstream that is too slow is told with its code', async t => {
  const upstream = await Upstream.start(t)
  const { proxy, next, settled } = await startLogging(
    t,
    upstream.port,
    {},
    { connect: { readTimeout: '1ms' } },
  )
  const client = await proxy.client()
  await client.ask(ask('/'))
  t.like(await next(), { http: { response: { status_code: 504 } }, error: { type: 'ReadTimeout' } })
  client.destroy()
  await settled(1)
})

test('a response that breaks off is told with its status and its code', async t => {
  const upstream = await Upstream.start(t, async connection => {
    await connection.request()
    connection.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf')
    connection.end()
  })
  const { proxy, next, settled } = await startLogging(t, upstream.port)
  const client = await proxy.client()
  client.write(ask('/'))
  await client.readToEnd()
  t.like(await next(), {
    event: { outcome: 'failure' },
    http: { response: { status_code: 200, body: { bytes: 4 } } },
    error: { type: 'UpstreamProtocolError' },
  })
  client.destroy()
  await settled(1)
})

test('a client that leaves while it waits is the one to blame', async t => {
  const upstream = await Upstream.start(t)
  const { proxy, next, settled } = await startLogging(t, upstream.port)
  const client = await proxy.client()
  client.write(ask('/'))
  await (await upstream.connection()).request()
  client.reset()
  const document = await next()
  t.like(document, {
    event: { outcome: 'failure' },
    error: { type: 'ConnectionReset' },
    sluice: { fault: { source: 'downstream' } },
  })
  t.is(document.http.response, undefined)
  await settled(1)
})

test('a client that leaves in the middle of its request is told with what it sent', async t => {
  const upstream = await Upstream.start(t)
  const { proxy, next, settled } = await startLogging(t, upstream.port, { bodies: true })
  const client = await proxy.client()
  client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nsome')
  await (await upstream.connection()).read(/some/)
  client.destroy()
  t.like(await next(), {
    http: { request: { body: { bytes: 4, content: 'some' } } },
    sluice: { fault: { source: 'downstream' } },
  })
  await settled(1)
})

test('a request that breaks the protocol in its body is the fault of the client', async t => {
  const upstream = await Upstream.start(t)
  const { proxy, next, settled } = await startLogging(t, upstream.port)
  const client = await proxy.client()
  client.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n')
  await client.readToEnd()
  t.like(await next(), {
    http: { response: { status_code: 400 } },
    error: { type: 'ProtocolError' },
    sluice: { fault: { source: 'downstream' } },
  })
  client.destroy()
  await settled(1)
})

test('a response that comes before the request is whole ends the exchange', async t => {
  const upstream = await Upstream.start(t, async connection => {
    await connection.read(/first/)
    connection.write(reply('no', '413 Content Too Large'))
  })
  const { proxy, next, settled } = await startLogging(t, upstream.port)
  const client = await proxy.client()
  client.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n')
  t.is((await client.response()).body, 'no')
  const document = await next()
  t.like(document, { event: { outcome: 'failure' }, http: { response: { status_code: 413 } } })
  t.is(document.error, undefined)
  client.destroy()
  await settled(1)
})

test('a callback that throws is told as the fault of the script', async t => {
  const script = sluice()
    .listen('127.0.0.1:0')
    .demuxHTTP()
    .to($ =>
      $.logTraffic('stdout').replaceMessage(() => {
        throw new Error('oops')
      }),
    )
  const { proxy, next, settled } = await serveLogging(t, script)
  const client = await proxy.client()
  client.write(ask('/'))
  await client.readToEnd()
  t.like(await next(), {
    http: { response: { status_code: 500 } },
    error: { type: 'RuntimeError' },
    sluice: { fault: { source: 'script' } },
  })
  client.destroy()
  await settled(1)
})

test('answers of the script itself are logged, and requests as they were before filters behind changed them', async t => {
  const script = sluice()
    .listen('127.0.0.1:0')
    .demuxHTTP()
    .to($ =>
      $.logTraffic('stdout', { bodies: true })
        .handleMessageStart(msg => {
          msg.head.path = '/changed'
          msg.head.headers['x-added'] = 'yes'
        })
        .replaceMessage(new Message({ status: 404, headers: { 'Content-Type': 'text/plain' } }, 'No\n')),
    )
  const { proxy, next, settled } = await serveLogging(t, script)
  const client = await proxy.client()
  await client.ask(ask('/original'))
  const document = await next()
  t.like(document, {
    url: { path: '/original' },
    http: {
      response: {
        status_code: 404,
        mime_type: 'text/plain',
        headers: { 'content-type': 'text/plain' },
        body: { bytes: 3, content: 'No\n' },
      },
    },
  })
  t.deepEqual(document.http.request.headers, { host: 'test' })
  client.destroy()
  await settled(1)
})

test('requests that filters in front have changed are logged as changed', async t => {
  const script = sluice()
    .listen('127.0.0.1:0')
    .demuxHTTP()
    .to($ =>
      $.handleMessageStart(msg => {
        msg.head.path = '/changed'
        msg.head.headers['x-added'] = ['a', 'b']
      })
        .logTraffic('stdout')
        .replaceMessage(new Message('fine')),
    )
  const { proxy, next } = await serveLogging(t, script)
  const client = await proxy.client()
  await client.ask(ask('/original'))
  t.like(await next(), { url: { path: '/changed' }, http: { request: { headers: { 'x-added': 'a, b' } } } })
})

test('interim responses are not the response', async t => {
  const upstream = await Upstream.start(
    t,
    answering(() => `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${reply('fine')}`),
  )
  const { proxy, next, settled } = await startLogging(t, upstream.port)
  const client = await proxy.client()
  await client.ask(ask('/'))
  t.like(await next(), { http: { response: { status_code: 200, body: { bytes: 4 } } } })
  client.destroy()
  await settled(1)
})

test('a tunnel is one document at its end, with the bytes of both ways', async t => {
  const upstream = await Upstream.start(t, async connection => {
    await connection.request()
    connection.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\nhello')
    await connection.read(/12345678/)
    connection.end('bye')
  })
  const { proxy, sinks, next, settled } = await startLogging(t, upstream.port)
  const client = await proxy.client()
  client.write(ask('/chat', 'Upgrade: echo', 'Connection: upgrade'))
  await client.read(/hello/)
  t.is(sinks.entries.length, 0)
  client.write('12345678')
  await client.readToEnd()
  client.end()
  t.like(await next(), {
    event: { outcome: 'success' },
    http: { response: { status_code: 101 } },
    source: { bytes: 8 },
    destination: { bytes: 8 },
    network: { bytes: 16 },
  })
  await settled(1)
})

test('a CONNECT is logged as what it asks for', async t => {
  const upstream = await Upstream.start(t, async connection => {
    await connection.read(/\r\n\r\n/)
    connection.write('HTTP/1.1 200 OK\r\n\r\n')
    await connection.read(/ping/)
    connection.end('pong')
  })
  const { proxy, next, settled } = await startLogging(t, upstream.port)
  const client = await proxy.client()
  client.write('CONNECT db.example:5432 HTTP/1.1\r\nHost: db.example:5432\r\n\r\n')
  await client.read(/\r\n\r\n/)
  client.end('ping')
  await client.readToEnd()
  const document = await next()
  t.like(document, {
    http: { request: { method: 'CONNECT' } },
    url: { original: 'db.example:5432', domain: 'db.example', port: 5432 },
    source: { bytes: 4 },
    destination: { bytes: 4 },
  })
  await settled(1)
})

test('behind decodeHTTPRequest, exchanges follow each other in one pipeline', async t => {
  const upstream = await Upstream.start(
    t,
    answering(({ startLine }) => reply(startLine.split(' ')[1] as string)),
  )
  const script = sluice()
    .listen('127.0.0.1:0')
    .decodeHTTPRequest()
    .logTraffic('stdout')
    .muxHTTP()
    .to($ => $.connect(`127.0.0.1:${upstream.port}`))
    .encodeHTTPResponse()
  const { proxy, sinks, settled } = await serveLogging(t, script)
  const client = await proxy.client()
  client.write(ask('/0') + ask('/1') + ask('/2'))
  for (let i = 0; i < 3; i++) t.is((await client.response()).body, `/${i}`)
  client.end()
  await client.readToEnd()
  await settled(3)
  t.deepEqual(
    sinks.documents.seen.map(({ url, http }) => [
      url.path,
      http.response.status_code,
      http.response.body.bytes,
    ]),
    [
      ['/0', 200, 2],
      ['/1', 200, 2],
      ['/2', 200, 2],
    ],
  )
})

test('the upstream is told also when it is reached through a branch', async t => {
  const upstream = await Upstream.start(
    t,
    answering(() => reply('fine')),
  )
  const script = sluice()
    .listen('127.0.0.1:0')
    .demuxHTTP()
    .to($ =>
      $.logTraffic('stdout').branch(
        () => true,
        $ => $.muxHTTP().to($ => $.connect(`localhost:${upstream.port}`)),
        $ => $.replaceMessage(new Message('none')),
      ),
    )
  const { proxy, next } = await serveLogging(t, script)
  const client = await proxy.client()
  await client.ask(ask('/'))
  t.like(await next(), { sluice: { upstream: { address: 'localhost', port: upstream.port } } })
})

test('bytes that are no request are told with the status that they got', async t => {
  const upstream = await Upstream.start(t)
  const { proxy, next, settled } = await startLogging(t, upstream.port)
  const client = await proxy.client()
  client.write('GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n')
  await client.readToEnd()
  const document = await next()
  t.like(document, {
    event: { outcome: 'failure' },
    http: { response: { status_code: 400 } },
    error: { type: 'ProtocolError' },
    sluice: { fault: { source: 'downstream' } },
    source: { port: client.socket.localPort },
  })
  t.deepEqual(document.http.request, { body: { bytes: 0 } })
  t.is(document.url, undefined)
  client.destroy()
  await settled(1)
})
