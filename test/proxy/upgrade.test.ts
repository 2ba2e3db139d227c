/** Upgrade: after 101 the connection is a tunnel: RFC 9110 §7.8. */

import test from 'ava'
import { Data, Message, MessageEnd, MessageStart, sluice } from '../../actors/index.ts'
import { fieldOf, statusOf } from '../support/http-text.ts'
import { type RunningProxy, serve, startProxy } from '../support/proxy.ts'
import type { TcpClient } from '../support/tcp-client.ts'
import { answering, ask, reply, Upstream } from '../support/upstream.ts'

const upgrading = ask('/chat', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: x')
const switching = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

interface Tunnel {
  readonly proxy: RunningProxy
  readonly upstream: Upstream
  readonly client: TcpClient
  readonly server: TcpClient
}

for (const transport of ['handle', 'net'] as const) {
  const open = async (
    t: Parameters<typeof Upstream.start>[0],
    behindRequest = '',
    behindResponse = '',
  ): Promise<Tunnel> => {
    const upstream = await Upstream.start(t)
    const proxy = await startProxy(t, upstream.port, { transport })
    const client = await proxy.client()
    client.write(upgrading + behindRequest)
    const server = await upstream.connection()
    const request = await server.request()
    t.is(fieldOf(request, 'connection')?.toLowerCase(), 'upgrade')
    t.is(fieldOf(request, 'upgrade'), 'websocket')
    t.is(fieldOf(request, 'sec-websocket-key'), 'x')
    server.write(switching + behindResponse)
    const response = await client.response()
    t.is(statusOf(response), 101)
    t.is(fieldOf(response, 'connection')?.toLowerCase(), 'upgrade')
    t.is(fieldOf(response, 'upgrade'), 'websocket')
    t.is(fieldOf(response, 'content-length'), undefined)
    t.is(fieldOf(response, 'transfer-encoding'), undefined)
    return { proxy, upstream, client, server }
  }

  test(`${transport}: bytes go both ways through the tunnel`, async t => {
    const { client, server, proxy } = await open(t)
    for (let i = 0; i < 3; i++) {
      client.write(`ping ${i}\r\n\r\n`)
      await server.read(new RegExp(`ping ${i}`))
      server.write(`HTTP/1.1 999 pong ${i}`)
      await client.read(new RegExp(`pong ${i}$`))
    }
    t.is(server.received, 'ping 0\r\n\r\nping 1\r\n\r\nping 2\r\n\r\n')
    client.end()
    await server.readToEnd()
    server.end()
    await client.readToEnd()
    await proxy.settled()
  })

  test(`${transport}: bytes that come right behind the heads are not lost`, async t => {
    const { client, server } = await open(t, 'first of client', 'first of server')
    await client.read(/^first of server$/)
    await server.read(/^first of client$/)
  })

  test(`${transport}: when the client has finished sending, the server goes on until it has finished too`, async t => {
    const { client, server, proxy } = await open(t)
    client.end('bye')
    t.is(await server.readToEnd(), 'bye')
    server.write('not yet')
    await client.read(/^not yet$/)
    server.end('bye')
    t.is(await client.readToEnd(), 'not yetbye')
    await proxy.settled()
  })

  test(`${transport}: when the server has finished sending, the client goes on until it has finished too`, async t => {
    const { client, server, proxy } = await open(t)
    server.end('bye')
    t.is(await client.readToEnd(), 'bye')
    client.write('not yet')
    await server.read(/^not yet$/)
    client.end('bye')
    t.is(await server.readToEnd(), 'not yetbye')
    await proxy.settled()
  })

  test(`${transport}: either side may break the tunnel off`, async t => {
    const first = await open(t)
    first.client.reset()
    await first.server.readToEnd()
    await first.proxy.settled()
    const second = await open(t)
    second.server.reset()
    await second.client.readToEnd()
    second.client.destroy()
    await second.proxy.settled()
  })

  test(`${transport}: an upgrade that is refused stays HTTP, on both connections`, async t => {
    const upstream = await Upstream.start(
      t,
      answering(({ startLine }) => reply(startLine.includes('chat') ? 'no' : 'yes')),
    )
    const proxy = await startProxy(t, upstream.port, { transport })
    const client = await proxy.client()
    client.write(upgrading + ask('/next'))
    const refusal = await client.response()
    t.is(statusOf(refusal), 200)
    t.is(refusal.body, 'no')
    t.is((await client.response()).body, 'yes')
    t.is(upstream.connections.length, 1)
    client.end()
    await client.readToEnd()
    await proxy.settled()
  })

  test(`${transport}: a switch that nobody asked for is answered with 502`, async t => {
    const upstream = await Upstream.start(
      t,
      answering(() => `${switching}tunnelled`),
    )
    const proxy = await startProxy(t, upstream.port, { transport })
    const client = await proxy.client()
    const response = await client.ask(ask('/'))
    t.is(statusOf(response), 502)
    t.false(response.body.includes('tunnelled'))
    t.is(statusOf(await client.ask(ask('/', 'Upgrade: websocket'))), 502, 'Connection did not nominate it')
    client.end()
    t.is(await client.readToEnd(), '')
    await proxy.settled()
  })
}

test('a request with a body is sent whole before the tunnel begins, although the upstream switches at once', async t => {
  const upstream = await Upstream.start(t)
  const proxy = await startProxy(t, upstream.port)
  const client = await proxy.client()
  client.write(
    upgrading.replace('GET', 'POST').replace('\r\n\r\n', '\r\nTransfer-Encoding: chunked\r\n\r\n') +
      '5\r\nhello\r\n',
  )
  const server = await upstream.connection()
  await server.read(/hello/)
  server.write(`${switching}welcome`)
  t.is(statusOf(await client.response()), 101)
  await client.read(/^welcome$/)
  client.write('6\r\n world\r\n0\r\n\r\ntunnelled')
  t.is((await server.request()).body, 'hello world')
  await server.read(/^tunnelled$/)
})

test('a request may ask for 100 and for an upgrade', async t => {
  const upstream = await Upstream.start(t)
  const proxy = await startProxy(t, upstream.port)
  const client = await proxy.client()
  const fields = '\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n'
  client.write(upgrading.replace('GET', 'POST').replace('\r\n\r\n', fields))
  const server = await upstream.connection()
  await server.read(/\r\n\r\n/)
  server.write('HTTP/1.1 100 Continue\r\n\r\n')
  t.is(statusOf(await client.interimOrFinal()), 100)
  client.write('hello')
  t.is((await server.request()).body, 'hello')
  server.write(switching)
  t.is(statusOf(await client.interimOrFinal()), 101)
  client.write('ping')
  await server.read(/^ping$/)
})

test('an HTTP/1.0 client cannot upgrade', async t => {
  const upstream = await Upstream.start(
    t,
    answering(request => reply(String(fieldOf(request, 'upgrade')))),
  )
  const proxy = await startProxy(t, upstream.port)
  const client = await proxy.client()
  client.write('GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  t.is((await client.response()).body, 'undefined')
})

test('a script that sees the messages does not get in the way of the tunnel', async t => {
  const upstream = await Upstream.start(t)
  const heads: string[] = []
  const script = sluice()
    .listen('127.0.0.1:0')
    .demuxHTTP()
    .to($ =>
      $.handleMessageStart(({ head }) => {
        heads.push(head.method)
        head.headers['x-added'] = '1'
      })
        .muxHTTP()
        .to($ => $.connect(`127.0.0.1:${upstream.port}`))
        .handleMessageStart(({ head }) => {
          heads.push(String(head.status))
          head.headers['x-added'] = '2'
        }),
    )
  const proxy = await serve(t, script)
  const client = await proxy.client()
  client.write(`${upgrading}early`)
  const server = await upstream.connection()
  const request = await server.request()
  t.is(fieldOf(request, 'x-added'), '1')
  t.is(fieldOf(request, 'upgrade'), 'websocket')
  server.write(switching)
  const response = await client.response()
  t.is(fieldOf(response, 'x-added'), '2')
  t.is(fieldOf(response, 'upgrade'), 'websocket')
  await server.read(/^early$/)
  server.write('pong')
  await client.read(/^pong$/)
  t.deepEqual(heads, ['GET', '101'])
})

test('a script that switches protocols although nobody asked for it is answered with 500', async t => {
  const server = await serve(
    t,
    sluice()
      .listen('127.0.0.1:0')
      .serveHTTP(new Message({ status: 101 })),
  )
  const client = await server.client()
  const response = await client.ask(ask('/'))
  t.is(statusOf(response), 500)
  t.is(await client.readToEnd(), '')
})

test('a script makes a tunnel by itself', async t => {
  const script = sluice()
    .listen('127.0.0.1:0')
    .demuxHTTP()
    .to($ =>
      $.replaceMessageEnd()
        .replaceMessageStart(({ head }) => [
          new MessageStart({ status: 101, headers: { upgrade: head.headers.upgrade } }),
          new MessageEnd(),
        ])
        .replaceData(data => new Data(data.toString().toUpperCase())),
    )
  const client = await (await serve(t, script)).client()
  client.write(`${upgrading}early`)
  const response = await client.response()
  t.is(fieldOf(response, 'upgrade'), 'websocket')
  await client.read(/^EARLY$/)
  client.write(' late')
  await client.read(/^EARLY LATE$/)
})

test('serveHTTP that does not care about the upgrade answers as ever', async t => {
  const server = await serve(t, sluice().listen('127.0.0.1:0').serveHTTP(new Message('plain')))
  const client = await server.client()
  for (let i = 0; i < 2; i++) t.is((await client.ask(upgrading)).body, 'plain')
})
