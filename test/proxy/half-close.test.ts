/** A client that has finished sending still gets its responses. */

import test from 'ava'
import { Message, sluice } from '../../actors/index.ts'
import { serve, startProxy } from '../support/proxy.ts'
import { answering, ask, reply, Upstream } from '../support/upstream.ts'

for (const transport of ['handle', 'net'] as const) {
  test(`${transport}: a response comes after the client has finished sending, then the connection closes`, async t => {
    const upstream = await Upstream.start(t)
    const proxy = await startProxy(t, upstream.port, { transport })
    const client = await proxy.client()
    client.end(ask('/'))
    const connection = await upstream.connection()
    await connection.request()
    connection.write(reply('late'))
    t.is((await client.response()).body, 'late')
    t.is(await client.readToEnd(), '')
    t.is(client.error, undefined)
    await proxy.settled()
  })

  test(`${transport}: so do the responses to all that it had pipelined`, async t => {
    const upstream = await Upstream.start(
      t,
      answering(({ startLine }) => reply(startLine)),
    )
    const proxy = await startProxy(t, upstream.port, { transport })
    const client = await proxy.client()
    client.end(ask('/1') + ask('/2') + ask('/3'))
    for (const n of [1, 2, 3]) t.is((await client.response()).body, `GET /${n} HTTP/1.1`)
    t.is(await client.readToEnd(), '')
    await proxy.settled()
  })

  test(`${transport}: a body may come with the end`, async t => {
    const upstream = await Upstream.start(
      t,
      answering(({ body }) => reply(body)),
    )
    const proxy = await startProxy(t, upstream.port, { transport })
    const client = await proxy.client()
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n')
    await upstream.connection()
    client.end('hello')
    t.is((await client.response('POST')).body, 'hello')
    t.is(await client.readToEnd(), '')
    await proxy.settled()
  })
}

test('serveHTTP answers a client that has finished sending, at once or later', async t => {
  const promised = Promise.withResolvers<Message>()
  const script = sluice()
    .listen('127.0.0.1:0')
    .serveHTTP(({ head }) => (head.path === '/now' ? new Message('now') : promised.promise))
  const server = await serve(t, script)
  const client = await server.client()
  client.end(ask('/now') + ask('/later'))
  t.is((await client.response()).body, 'now')
  promised.resolve(new Message('later'))
  t.is((await client.response()).body, 'later')
  t.is(await client.readToEnd(), '')
  await server.settled()
})

test('an upstream that has finished sending inside its response has cut it', async t => {
  const upstream = await Upstream.start(t, async connection => {
    await connection.request()
    connection.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello')
  })
  const proxy = await startProxy(t, upstream.port)
  const client = await proxy.client()
  client.write(ask('/'))
  t.true((await client.readToEnd()).endsWith('\r\n\r\nhello'))
})
