/** Connections to upstreams are kept and shared: muxHTTP. */

import test from 'ava'
import { sluice } from '../../actors/index.ts'
import { statusOf } from '../support/http-text.ts'
import { serve, startProxy, until } from '../support/proxy.ts'
import { answering, ask, reply, Upstream } from '../support/upstream.ts'

for (const transport of ['handle', 'net'] as const) {
  test(`${transport}: requests one after the other use one connection, whichever client they come from`, async t => {
    const upstream = await Upstream.start(
      t,
      answering(({ startLine }) => reply(startLine)),
    )
    const proxy = await startProxy(t, upstream.port, { transport })
    for (let i = 0; i < 5; i++) {
      const client = await proxy.client()
      for (let j = 0; j < 20; j++) t.is((await client.ask(ask(`/${i}/${j}`))).body, `GET /${i}/${j} HTTP/1.1`)
      client.destroy()
    }
    t.is(upstream.connections.length, 1)
    await proxy.settled()
  })

  test(`${transport}: requests at one time use as many connections, which are all used again`, async t => {
    const upstream = await Upstream.start(t)
    const proxy = await startProxy(t, upstream.port, { transport })
    const clients = await Promise.all(Array.from({ length: 10 }, () => proxy.client()))
    for (let round = 0; round < 3; round++) {
      for (const client of clients) client.write(ask('/'))
      await until(() => upstream.connections.length === 10)
      await Promise.all(upstream.connections.map(connection => connection.request()))
      for (const connection of upstream.connections) connection.write(reply('hello'))
      for (const client of clients) t.is((await client.response()).body, 'hello')
    }
    t.is(upstream.connections.length, 10)
  })

  test(`${transport}: maxSessions makes requests wait, in order, for a connection`, async t => {
    const upstream = await Upstream.start(t)
    const proxy = await startProxy(t, upstream.port, { transport, mux: { maxSessions: 2 } })
    const clients = await Promise.all(Array.from({ length: 6 }, () => proxy.client()))
    for (const [i, client] of clients.entries()) {
      client.write(`PUT /${i} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n${i}`)
      if (i < 2) await upstream.connection()
    }
    const [first, second] = upstream.connections
    if (first === undefined || second === undefined) return t.fail()
    t.is((await first.request()).body, '0')
    t.is((await second.request()).body, '1')
    second.write(reply('a'))
    t.is((await clients[1]?.response())?.body, 'a')
    t.is((await second.request()).body, '2')
    first.write(reply('b'))
    t.is((await first.request()).body, '3')
    clients[4]?.reset()
    await until(() => proxy.running.host.status().sessions === 5)
    first.write(reply('c'))
    t.is((await first.request()).body, '5', 'who has gone is not waited for')
    for (const connection of [first, second]) connection.write(reply('d'))
    t.is((await clients[5]?.response())?.body, 'd')
    t.is(upstream.connections.length, 2)
    for (const client of clients) client.destroy()
    await proxy.settled()
  })

  test(`${transport}: maxMessages ends a connection after so many requests, and says so with the last`, async t => {
    const lasts: boolean[] = []
    const upstream = await Upstream.start(
      t,
      answering(({ fields }) => {
        lasts.push(fields.some(([name, value]) => name.toLowerCase() === 'connection' && value === 'close'))
        return reply('hello')
      }),
    )
    const proxy = await startProxy(t, upstream.port, { transport, mux: { maxMessages: 3 } })
    const client = await proxy.client()
    for (let i = 0; i < 7; i++) t.is((await client.ask(ask('/'))).body, 'hello')
    t.is(upstream.connections.length, 3)
    t.deepEqual(lasts, [false, false, true, false, false, true, false])
    for (const connection of upstream.connections.slice(0, 2)) await connection.readToEnd()
  })

  test(`${transport}: maxIdle ends connections that nobody uses`, async t => {
    const upstream = await Upstream.start(
      t,
      answering(() => reply('hello')),
    )
    const proxy = await startProxy(t, upstream.port, { transport, mux: { maxIdle: 0.5 } })
    const client = await proxy.client()
    t.is((await client.ask(ask('/'))).body, 'hello')
    await upstream.connections[0]?.readToEnd()
    t.is((await client.ask(ask('/'))).body, 'hello')
    t.is(upstream.connections.length, 2)
  })
}

test('an idle connection that its upstream closes is not used again, and a POST is not lost on it', async t => {
  const upstream = await Upstream.start(t, async connection => {
    await connection.request()
    connection.write(reply('hello'))
  })
  const proxy = await startProxy(t, upstream.port)
  const client = await proxy.client()
  for (let i = 0; i < 5; i++) {
    const post = await client.ask('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx')
    t.is(statusOf(post), 200)
    const connection = upstream.connections[i]
    connection?.end()
    await connection?.readToEnd()
  }
  t.is(upstream.connections.length, 5)
})

const byHost = (port: number) =>
  sluice<{ host: string }>({ host: '' })
    .listen('127.0.0.1:0')
    .demuxHTTP()
    .to($ =>
      $.handleMessageStart(({ head }, ctx) => {
        ctx.host = head.headers.host
      })
        .muxHTTP(ctx => ctx.host, { maxSessions: 1 })
        .to($ => $.connect(`127.0.0.1:${port}`))
        .handleMessageStart((_, ctx) => {
          // The key was asked for when the request began; what becomes of the variable is nothing to the pool.
          ctx.host = 'other'
        }),
    )

test('each key has connections of its own', async t => {
  const upstream = await Upstream.start(
    t,
    answering(() => reply('hello')),
  )
  const proxy = await serve(t, byHost(upstream.port))
  const client = await proxy.client()
  for (let i = 0; i < 3; i++)
    for (const host of ['a', 'b', 'other'])
      t.is((await client.ask(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).body, 'hello')
  t.is(upstream.connections.length, 3)
})

test('a key that changes on the way does not cost another key its connections', async t => {
  const upstream = await Upstream.start(t)
  const proxy = await serve(t, byHost(upstream.port))
  const first = await proxy.client()
  first.write('GET / HTTP/1.1\r\nHost: other\r\n\r\n')
  const busy = await upstream.connection()
  await busy.request()
  // The exchange of this one ends with nothing left in its pool, and with a variable that names the busy one.
  const second = await proxy.client()
  second.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const once = await upstream.connection()
  await once.request()
  once.write(reply('bye', '200 OK', 'Connection: close'))
  t.is((await second.response()).body, 'bye')
  second.write('GET / HTTP/1.1\r\nHost: other\r\n\r\n')
  const third = await proxy.client()
  third.write('GET / HTTP/1.1\r\nHost: b\r\n\r\n')
  await (await upstream.connection()).request()
  t.is(
    upstream.connections.length,
    3,
    'the second request for "other" waits for the one connection of its key',
  )
  busy.write(reply('first'))
  t.is((await first.response()).body, 'first')
  await busy.request()
  busy.write(reply('second'))
  t.is((await second.response()).body, 'second')
})
