/** A proxy that is to stop finishes what is under way, takes nothing new, and keeps nobody waiting. */

import test, { type ExecutionContext } from 'ava'
import { Message, sluice } from '../../actors/index.ts'
import { fieldOf } from '../support/http-text.ts'
import { type RunningProxy, serve, startProxy } from '../support/proxy.ts'
import { TcpClient } from '../support/tcp-client.ts'
import { answering, ask, reply, Upstream } from '../support/upstream.ts'

/** Drains it for at most 5 s, and fails when that was not enough. */
async function drain(t: ExecutionContext, proxy: RunningProxy): Promise<void> {
  const late = Promise.withResolvers<void>()
  const timer = setTimeout(late.resolve, 5000)
  await Promise.race([proxy.running.host.drain(5000), late.promise])
  clearTimeout(timer)
  t.is(proxy.running.host.status().sessions, 0, 'all sessions have ended in time')
}

for (const transport of ['handle', 'net'] as const) {
  test(`${transport}: idle connections are closed, and new ones refused`, async t => {
    const upstream = await Upstream.start(
      t,
      answering(() => reply('hello')),
    )
    const proxy = await startProxy(t, upstream.port, { transport })
    const fresh = await proxy.client()
    const used = await proxy.client()
    t.is((await used.ask(ask('/'))).body, 'hello')
    const drained = drain(t, proxy)
    t.is(await fresh.readToEnd(), '')
    t.is(await used.readToEnd(), '')
    t.is(used.error, undefined)
    await t.throwsAsync(TcpClient.connect(proxy.running.port), { code: 'ECONNREFUSED' })
    await drained
  })

  test(`${transport}: what is under way completes, with Connection: close`, async t => {
    const upstream = await Upstream.start(t)
    const proxy = await startProxy(t, upstream.port, { transport })
    const client = await proxy.client()
    const uploader = await proxy.client()
    client.write(ask('/'))
    const first = await upstream.connection()
    await first.request()
    uploader.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello')
    const second = await upstream.connection()
    await second.read(/hello/)
    const drained = drain(t, proxy)
    uploader.write('world')
    t.is((await second.request()).body, 'helloworld')
    second.write(reply('thanks'))
    first.write(reply('late'))
    for (const [who, body] of [
      [client, 'late'],
      [uploader, 'thanks'],
    ] as const) {
      const response = await who.response()
      t.is(response.body, body)
      t.is(fieldOf(response, 'connection'), 'close')
      t.is(await who.readToEnd(), '')
      who.end()
    }
    await drained
  })

  test(`${transport}: a response that has begun completes, and then its connection closes`, async t => {
    const upstream = await Upstream.start(t)
    const proxy = await startProxy(t, upstream.port, { transport })
    const client = await proxy.client()
    client.write(ask('/') + ask('/never'))
    const connection = await upstream.connection()
    await connection.request()
    connection.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello')
    await client.read(/hello/)
    const drained = drain(t, proxy)
    connection.write('world')
    t.is((await client.response()).body, 'helloworld')
    t.is(await client.readToEnd(), '')
    client.end()
    t.is(connection.received, '')
    await drained
  })

  test(`${transport}: a request whose head has begun to arrive is still answered`, async t => {
    const upstream = await Upstream.start(
      t,
      answering(() => reply('hello')),
    )
    const proxy = await startProxy(t, upstream.port, { transport })
    const client = await proxy.client()
    t.is((await client.ask(ask('/'))).body, 'hello')
    const other = await proxy.client()
    client.write('GET / HTTP/1.1\r\nHo')
    t.is((await other.ask(ask('/'))).body, 'hello')
    const drained = drain(t, proxy)
    client.write('st: a\r\n\r\n')
    const response = await client.response()
    t.is(response.body, 'hello')
    t.is(fieldOf(response, 'connection'), 'close')
    client.end()
    await drained
  })
}

const linked = () =>
  sluice().listen('127.0.0.1:0').link('http').pipeline('http').serveHTTP(new Message('hello'))

const branched = () =>
  sluice({ isHTTP: false })
    .listen('127.0.0.1:0')
    .handleStreamStart((_, ctx) => {
      ctx.isHTTP = true
    })
    .branch(
      ctx => ctx.isHTTP,
      $ => $.demuxHTTP().to($ => $.replaceMessage(new Message('hello'))),
      $ => $.dummy(),
    )

for (const [how, script] of Object.entries({ linked, branched })) {
  test(`a server that the connection is ${how} to is drained as well`, async t => {
    const server = await serve(t, script())
    const client = await server.client()
    t.is((await client.ask(ask('/'))).body, 'hello')
    const drained = drain(t, server)
    t.is(await client.readToEnd(), '')
    await drained
  })

  test(`a server that the connection is ${how} to closes connections for good, too`, async t => {
    const server = await serve(t, script())
    const client = await server.client()
    t.is((await client.ask(ask('/', 'Connection: close'))).body, 'hello')
    t.is(await client.readToEnd(), '')
    // The client has not closed its side: the proxy does not wait for that for long.
    const startMs = performance.now()
    await server.settled()
    t.true(performance.now() - startMs < 8000)
  })
}

test('after a reload clients keep their connections until their next request', async t => {
  const server = await serve(t, sluice().listen('127.0.0.1:0').serveHTTP(new Message('old')))
  const client = await server.client()
  t.is((await client.ask(ask('/'))).body, 'old')
  await server.running.host.reload(sluice().listen('127.0.0.1:0').serveHTTP(new Message('new')))
  const response = await client.ask(ask('/'))
  t.is(response.body, 'old')
  t.is(fieldOf(response, 'connection'), 'close')
  t.is(await client.readToEnd(), '')
  client.destroy()
  await server.settled()
})
