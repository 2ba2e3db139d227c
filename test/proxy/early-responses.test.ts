/** An upstream may answer before it has read the request: RFC 9112 §9.5. The client must get that answer. */

import test from 'ava'
import { fieldOf, statusOf } from '../support/http-text.ts'
import { startProxy } from '../support/proxy.ts'
import { ask, reply, Upstream } from '../support/upstream.ts'

const post = (length: number) => `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`

/** Answers the first head that comes without waiting for its body. */
const hasty = (t: Parameters<typeof Upstream.start>[0], body = 'no') =>
  Upstream.start(t, async connection => {
    for (;;) {
      await connection.read(/\r\n\r\n/)
      connection.forget()
      connection.write(reply(body, '403 Forbidden'))
    }
  })

for (const transport of ['handle', 'net'] as const) {
  test(`${transport}: the rest of a small body is thrown away, and the connection goes on`, async t => {
    const upstream = await hasty(t)
    const proxy = await startProxy(t, upstream.port, { transport })
    const client = await proxy.client()
    for (let i = 0; i < 3; i++) {
      client.write(`${post(100_000)}${'a'.repeat(1000)}`)
      const response = await client.response('POST')
      t.is(statusOf(response), 403)
      t.is(response.body, 'no')
      client.write('a'.repeat(99_000))
    }
    t.is(statusOf(await client.ask(ask('/'))), 403)
    t.is(upstream.connections.length, 4, 'what the upstream has not read is of no use to the next request')
    client.end()
    t.is(await client.readToEnd(), '')
    await proxy.settled()
  })

  test(`${transport}: a client with a large body gets the whole response before its connection closes`, async t => {
    const upstream = await hasty(t, 'n'.repeat(50_000))
    const proxy = await startProxy(t, upstream.port, { transport })
    const client = await proxy.client()
    client.write(post(1 << 30))
    const chunk = 'a'.repeat(64 * 1024)
    const pump = (): void => {
      while (!client.isEnded && client.socket.write(chunk));
    }
    client.socket.on('drain', pump)
    pump()
    const response = await client.response('POST')
    t.is(statusOf(response), 403)
    t.is(response.body.length, 50_000)
    t.is(fieldOf(response, 'connection'), 'close')
    t.is(await client.readToEnd(), '')
    t.is(client.error, undefined)
    client.destroy()
    await proxy.settled()
  })
}

test('a chunked body that does not end is read up to a limit, then the connection closes', async t => {
  const upstream = await hasty(t)
  const proxy = await startProxy(t, upstream.port)
  const client = await proxy.client()
  client.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
  t.is(statusOf(await client.response('POST')), 403)
  const chunk = `10000\r\n${'a'.repeat(65_536)}\r\n`
  for (let i = 0; i < 32; i++) client.write(chunk)
  t.is(await client.readToEnd(), '')
  t.is(client.error, undefined)
  client.destroy()
  await proxy.settled()
})

test('pipelined requests behind a body that was not wanted are served', async t => {
  const upstream = await hasty(t)
  const proxy = await startProxy(t, upstream.port)
  const client = await proxy.client()
  client.write(`${post(10_000)}${'a'.repeat(100)}`)
  t.is(statusOf(await client.response('POST')), 403)
  client.write('a'.repeat(9_900) + ask('/1') + ask('/2'))
  t.is(statusOf(await client.response()), 403)
  t.is(statusOf(await client.response()), 403)
})

test('a client that breaks off while the rest of its body is thrown away has had its response', async t => {
  const upstream = await hasty(t)
  const proxy = await startProxy(t, upstream.port)
  const client = await proxy.client()
  client.write(`${post(10_000)}${'a'.repeat(100)}`)
  t.is(statusOf(await client.response('POST')), 403)
  client.end()
  t.is(await client.readToEnd(), '')
  await proxy.settled()
})

test('a response may begin before the request is over and end after it', async t => {
  const upstream = await Upstream.start(t)
  const proxy = await startProxy(t, upstream.port)
  const client = await proxy.client()
  for (let i = 0; i < 2; i++) {
    client.write(`${post(10)}hello`)
    const connection = upstream.connections[0] ?? (await upstream.connection())
    await connection.read(/hello/)
    connection.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n')
    await client.read(/yes/)
    client.write('world')
    t.is((await connection.request()).body, 'helloworld')
    connection.write('5\r\n, sir\r\n0\r\n\r\n')
    t.is((await client.response('POST')).body, 'yes, sir')
  }
  t.is(upstream.connections.length, 1)
})

test('a response that ends before the request does not end the exchange for an upstream that reads on', async t => {
  const upstream = await Upstream.start(t)
  const proxy = await startProxy(t, upstream.port)
  const client = await proxy.client()
  client.write(`${post(10)}hello`)
  const connection = await upstream.connection()
  await connection.read(/hello/)
  connection.write(reply('early'))
  t.is((await client.response('POST')).body, 'early')
  client.write('world')
  await connection.readToEnd()
  client.end()
  await client.readToEnd()
  await proxy.settled()
})
