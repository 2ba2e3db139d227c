/** Clients that are slow, silent or do not read lose their connection, at the time that was set. */

import test from 'ava'
import { Message, sluice } from '../../actors/index.ts'
import { monotonicMs } from '../../runtime/clock.ts'
import { Bulk } from '../support/bulk.ts'
import { fieldOf, statusOf } from '../support/http-text.ts'
import { serve, startProxy } from '../support/proxy.ts'
import { answering, ask, reply, Upstream } from '../support/upstream.ts'

/** Time-outs are looked at twice a second. */
const isAbout = (elapsedMs: number, ms: number): boolean => elapsedMs > ms - 10 && elapsedMs < ms + 3000

for (const transport of ['handle', 'net'] as const) {
  test(`${transport}: a head that does not arrive whole within headTimeout is answered with 408`, async t => {
    const server = await serve(
      t,
      sluice().listen('127.0.0.1:0').serveHTTP(new Message('hi'), { headTimeout: 0.5 }),
      transport,
    )
    for (const before of ['', ask('/')]) {
      const client = await server.client()
      if (before !== '') t.is((await client.ask(before)).body, 'hi')
      const startMs = monotonicMs()
      client.write('GET / HTTP/1.1\r\nHost: ')
      const response = await client.response()
      t.true(isAbout(monotonicMs() - startMs, 500))
      t.is(statusOf(response), 408)
      t.is(fieldOf(response, 'connection'), 'close')
      t.is(await client.readToEnd(), '')
      client.destroy()
    }
    await server.settled()
  })

  test(`${transport}: headTimeout does not hurry what comes after the head, nor a client between requests`, async t => {
    const upstream = await Upstream.start(
      t,
      answering(({ body }) => reply(body)),
    )
    const proxy = await startProxy(t, upstream.port, { transport, server: { headTimeout: 0.5 } })
    const idle = await proxy.client()
    t.is(statusOf(await idle.ask(ask('/'))), 200)
    const slow = await proxy.client()
    slow.write('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello')
    const silent = await Upstream.start(t)
    const elsewhere = await startProxy(t, silent.port, { connect: { readTimeout: 1.5 } })
    const other = await elsewhere.client()
    t.is(statusOf(await other.ask(ask('/'))), 504, 'a second and a half later')
    slow.write('world')
    t.is((await slow.response('PUT')).body, 'helloworld')
    t.is(statusOf(await idle.ask(ask('/'))), 200)
  })

  test(`${transport}: a connection on which nothing moves for idleTimeout is closed`, async t => {
    const upstream = await Upstream.start(
      t,
      answering(() => reply('hi')),
    )
    const proxy = await startProxy(t, upstream.port, { transport, listen: { idleTimeout: 0.5 } })
    const silent = await proxy.client()
    const used = await proxy.client()
    t.is((await used.ask(ask('/'))).body, 'hi')
    const startMs = monotonicMs()
    t.is(await used.readToEnd(), '')
    t.is(await silent.readToEnd(), '')
    t.true(isAbout(monotonicMs() - startMs, 500))
    await proxy.settled()
  })

  test(`${transport}: a client that takes nothing of its response for writeTimeout is cut off`, async t => {
    let sending: Bulk | undefined
    const upstream = await Upstream.start(t, async connection => {
      await connection.request()
      connection.write('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n')
      sending = Bulk.send(connection.socket, 1_000_000_000)
    })
    const proxy = await startProxy(t, upstream.port, { transport, listen: { writeTimeout: 0.5 } })
    const client = await proxy.client()
    client.socket.pause()
    client.write(ask('/'))
    const connection = await upstream.connection()
    await connection.readToEnd()
    await proxy.settled()
    t.true((sending?.bytes ?? 0) < 500_000_000)
  })

  test(`${transport}: a client that takes nothing is cut off although there is ever more to send`, async t => {
    const upstream = await Upstream.start(t, async connection => {
      await connection.request()
      connection.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
      const chunk = `ffff\r\n${'b'.repeat(0xffff)}\r\n`
      for (let i = 0; i < 200; i++) connection.write(chunk)
      // A trickle behind the flood, as of server-sent events.
      const trickle = setInterval(() => connection.write('1\r\nb\r\n'), 100)
      t.teardown(() => clearInterval(trickle))
    })
    const proxy = await startProxy(t, upstream.port, {
      transport,
      listen: { writeTimeout: 1, bufferLimit: '64m' },
    })
    const client = await proxy.client()
    client.socket.pause()
    client.write(ask('/'))
    const connection = await upstream.connection()
    await connection.readToEnd()
    await proxy.settled()
  })

  test(`${transport}: a client that reads slowly is not cut off`, async t => {
    const size = 16 * 1024 * 1024
    const upstream = await Upstream.start(t, async connection => {
      await connection.request()
      connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
      await Bulk.send(connection.socket, size).done
    })
    const proxy = await startProxy(t, upstream.port, { transport, listen: { writeTimeout: 1 } })
    const client = await proxy.client()
    client.write(ask('/'))
    await client.read(/\r\n\r\n/)
    const receiving = Bulk.receive(client, size, size / 3)
    await receiving.done
    t.is(receiving.bytes, size)
  })
}

test('maxMessages closes a client connection behind so many responses, and says so in the last', async t => {
  const server = await serve(
    t,
    sluice().listen('127.0.0.1:0').serveHTTP(new Message('hi'), { maxMessages: 2 }),
  )
  const client = await server.client()
  client.write(ask('/') + ask('/') + ask('/'))
  t.is(fieldOf(await client.response(), 'connection'), undefined)
  t.is(fieldOf(await client.response(), 'connection'), 'close')
  t.is(await client.readToEnd(), '')
})

for (const transport of ['handle', 'net'] as const) {
  test(`${transport}: an upstream that takes nothing of a request for writeTimeout is a 504`, async t => {
    const upstream = await Upstream.start(t, connection => void connection.socket.pause())
    const proxy = await startProxy(t, upstream.port, { transport, connect: { writeTimeout: 0.5 } })
    const client = await proxy.client()
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n')
    Bulk.send(client.socket, 1_000_000_000)
    const response = await client.response('POST')
    t.is(statusOf(response), 504)
    t.regex(fieldOf(response, 'proxy-status') ?? '', /connection_write_timeout/)
  })

  test(`${transport}: writeTimeout is nothing to an upstream that has taken the request and thinks about it`, async t => {
    const upstream = await Upstream.start(t)
    const proxy = await startProxy(t, upstream.port, { transport, connect: { writeTimeout: 0.5 } })
    const client = await proxy.client()
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello')
    const connection = await upstream.connection()
    await connection.request()
    const silent = await Upstream.start(t)
    const elsewhere = await startProxy(t, silent.port, { connect: { readTimeout: 1.5 } })
    const other = await elsewhere.client()
    t.is(statusOf(await other.ask(ask('/'))), 504, 'a second and a half later')
    connection.write(reply('well'))
    t.is((await client.response('POST')).body, 'well')
  })
}
