/** A client that goes away takes its exchange with it, and leaves nothing behind. */

import test from 'ava'
import { Message, sluice } from '../../actors/index.ts'
import { serve, startProxy, until } from '../support/proxy.ts'
import { ask, Upstream } from '../support/upstream.ts'

for (const transport of ['handle', 'net'] as const) {
  test(`${transport}: the upstream sees the end when the client breaks off before the response`, async t => {
    const upstream = await Upstream.start(t)
    const proxy = await startProxy(t, upstream.port, { transport })
    const client = await proxy.client()
    client.write(ask('/'))
    const connection = await upstream.connection()
    await connection.request()
    client.reset()
    await connection.readToEnd()
    await proxy.settled()
  })

  test(`${transport}: the upstream sees the end when the client breaks off inside its request`, async t => {
    const upstream = await Upstream.start(t)
    const proxy = await startProxy(t, upstream.port, { transport })
    for (const isOrderly of [true, false]) {
      const client = await proxy.client()
      client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello')
      const connection = await upstream.connection()
      await connection.read(/hello/)
      if (isOrderly) client.end()
      else client.reset()
      await connection.readToEnd()
      if (isOrderly) t.regex(await client.readToEnd(), /^HTTP\/1.1 400 /)
      client.destroy()
      await proxy.settled()
    }
  })

  test(`${transport}: the upstream sees the end when the client breaks off inside the response`, async t => {
    const upstream = await Upstream.start(t)
    const proxy = await startProxy(t, upstream.port, { transport })
    const client = await proxy.client()
    client.write(ask('/'))
    const connection = await upstream.connection()
    await connection.request()
    connection.write('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nhello')
    await client.read(/hello/)
    const chunk = 'b'.repeat(64 * 1024)
    const pump = (): void => {
      while (!connection.isEnded && connection.socket.write(chunk));
    }
    connection.socket.on('drain', pump)
    pump()
    client.reset()
    await connection.readToEnd()
    await proxy.settled()
  })

  test(`${transport}: a client that does not read, then goes, frees the upstream that was paused for it`, async t => {
    const upstream = await Upstream.start(t)
    const proxy = await startProxy(t, upstream.port, { transport })
    const client = await proxy.client()
    client.socket.pause()
    client.write(ask('/'))
    const connection = await upstream.connection()
    await connection.request()
    connection.write('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n')
    const chunk = 'b'.repeat(64 * 1024)
    while (connection.socket.writableLength < 1 << 20) {
      connection.write(chunk)
      await new Promise(resolve => setImmediate(resolve))
    }
    client.reset()
    await connection.readToEnd()
    await proxy.settled()
  })
}

test('a promise of a response that settles after the client has gone answers nobody', async t => {
  const { promise, resolve } = Promise.withResolvers<Message>()
  const asked = Promise.withResolvers<void>()
  const script = sluice()
    .listen('127.0.0.1:0')
    .serveHTTP(() => {
      asked.resolve()
      return promise
    })
  const server = await serve(t, script)
  const client = await server.client()
  client.write(ask('/'))
  await asked.promise
  client.reset()
  await server.settled()
  resolve(new Message('too late'))
  await promise
  t.deepEqual(server.running.logs, [])
})

test('the sessions of many clients that come and go are all freed', async t => {
  const upstream = await Upstream.start(t)
  const proxy = await startProxy(t, upstream.port)
  for (let round = 0; round < 5; round++) {
    const clients = await Promise.all(Array.from({ length: 40 }, () => proxy.client()))
    await until(() => proxy.running.host.status().sessions === 40)
    for (const [i, client] of clients.entries())
      if (i % 2 === 0) client.write(ask('/'))
      else client.write('GET / HT')
    for (let i = 0; i < 20; i++) await (await upstream.connection()).request()
    for (const client of clients) client.reset()
    await proxy.settled()
  }
  await Promise.all(upstream.connections.map(connection => connection.readToEnd()))
  t.is(proxy.running.host.status().listeners[0]?.connections, 0)
})
