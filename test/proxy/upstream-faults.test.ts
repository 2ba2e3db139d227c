/** What clients are told when an upstream fails: the right status at the right moment, said to be the proxy's own. */

import { connect as connectSocket } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { sluice } from '../../actors/index.ts'
import { monotonicMs } from '../../runtime/clock.ts'
import { resolver } from '../../runtime/net/resolver.ts'
import { startListening } from '../runtime/net/support/listening-scenarios.ts'
import { fieldOf, type HTTPText, statusOf } from '../support/http-text.ts'
import { type ProxyOptions, type RunningProxy, serve, startProxy } from '../support/proxy.ts'
import { answering, ask, reply, Upstream, unusedPort } from '../support/upstream.ts'

/** Checks a response that the proxy made itself: RFC 9209 tells who failed, and no address is let out. */
function isFault(t: ExecutionContext, response: HTTPText, status: number, error: string): void {
  t.is(statusOf(response), status)
  t.regex(fieldOf(response, 'proxy-status') ?? '', new RegExp(`^sluice; error=${error}; details="[^"]+"$`))
  const text = JSON.stringify(response)
  t.false(/127\.0\.0\.1|\.invalid|:\d{4,5}/.test(text), text)
}

for (const transport of ['handle', 'net'] as const) {
  const proxyTo = async (t: ExecutionContext, target: number | string, options: ProxyOptions = {}) => {
    const proxy = await startProxy(t, target, { transport, ...options })
    return { proxy, client: await proxy.client() }
  }

  test(`${transport}: a refused connection is a 502, and the client may ask again`, async t => {
    const { client, proxy } = await proxyTo(t, await unusedPort(t))
    for (let i = 0; i < 3; i++) {
      const response = await client.ask(ask('/'))
      isFault(t, response, 502, 'connection_refused')
      t.is(fieldOf(response, 'connection'), undefined)
    }
    client.end()
    await client.readToEnd()
    await proxy.settled()
  })

  test(`${transport}: a name that cannot be resolved is a 502`, async t => {
    const { client, proxy } = await proxyTo(t, 'nobody.invalid:80')
    isFault(t, await client.ask(ask('/')), 502, 'dns_error')
    client.end()
    await client.readToEnd()
    await proxy.settled()
  })

  for (const [how, end] of [
    ['reset', 'reset'],
    ['closed', 'end'],
  ] as const) {
    test(`${transport}: a connection that is ${how} before the response is a 502`, async t => {
      const upstream = await Upstream.start(t, async connection => {
        await connection.request()
        connection[end]()
      })
      const { client, proxy } = await proxyTo(t, upstream.port)
      for (let i = 0; i < 2; i++) isFault(t, await client.ask(ask('/')), 502, 'connection_terminated')
      t.is(upstream.connections.length, 2, 'a fresh connection that fails is not tried again')
      client.end()
      await client.readToEnd()
      await proxy.settled()
    })
  }

  for (const [option, error] of [
    ['readTimeout', 'connection_read_timeout'],
    ['idleTimeout', 'connection_read_timeout'],
  ] as const) {
    test(`${transport}: a silent upstream is a 504 after ${option}, and not before`, async t => {
      const upstream = await Upstream.start(t)
      const { client, proxy } = await proxyTo(t, upstream.port, { connect: { [option]: 1 } })
      const startMs = monotonicMs()
      const response = await client.ask(ask('/'))
      const elapsedMs = monotonicMs() - startMs
      isFault(t, response, 504, error)
      t.true(elapsedMs > 990 && elapsedMs < 4000, `${elapsedMs} ms`)
      await upstream.connections[0]?.readToEnd()
      client.end()
      await client.readToEnd()
      await proxy.settled()
    })
  }

  test(`${transport}: readTimeout counts from the request on a connection that was idle`, async t => {
    const upstream = await Upstream.start(
      t,
      answering(({ startLine }) => (startLine.includes('silent') ? undefined : reply('fine'))),
    )
    const { client } = await proxyTo(t, upstream.port, { connect: { readTimeout: 3 } })
    t.is(statusOf(await client.ask(ask('/'))), 200)
    // Another time-out tells that a second has passed.
    const silent = await Upstream.start(t)
    const elsewhere = await proxyTo(t, silent.port, { connect: { readTimeout: 1 } })
    t.is(statusOf(await elsewhere.client.ask(ask('/'))), 504)
    const startMs = monotonicMs()
    client.write(ask('/silent').replace('GET', 'POST'))
    isFault(t, await client.response('POST'), 504, 'connection_read_timeout')
    const elapsedMs = monotonicMs() - startMs
    t.true(elapsedMs > 2990, `${elapsedMs} ms`)
    t.is(upstream.connections.length, 1)
  })

  test(`${transport}: a connection that is not made in time is a 504`, async t => {
    const { port } = await startListening(t, { transport: 'net', backlog: 1, isStuck: true })
    // The kernel completes a few connections by itself, and leaves all others unanswered.
    for (let i = 0; i < 8; i++) {
      const socket = connectSocket(port, '127.0.0.1').on('error', () => {})
      t.teardown(() => socket.destroy())
    }
    const { client, proxy } = await proxyTo(t, port, { connect: { connectTimeout: 0.3 } })
    const startMs = monotonicMs()
    isFault(t, await client.ask(ask('/')), 504, 'connection_timeout')
    const elapsedMs = monotonicMs() - startMs
    t.true(elapsedMs > 290 && elapsedMs < 4000, `${elapsedMs} ms`)
    client.end()
    await client.readToEnd()
    await proxy.settled()
  })

  const malformed: readonly (readonly [situation: string, response: string])[] = [
    ['is no HTTP', '+OK POP3 ready\r\n'],
    ['has no status', 'HTTP/1.1 OK\r\n\r\n'],
    ['is of another version', 'HTTP/2.0 200 OK\r\n\r\n'],
    ['has two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello'],
    [
      'has length and chunks',
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['has a length of letters', 'HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello'],
    ['has a folded field', 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n'],
    ['has a NUL', 'HTTP/1.1 200 OK\r\nX: \0\r\nContent-Length: 0\r\n\r\n'],
    ['has an encoding that is not known', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello'],
    ['has an endless head', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}`],
  ]
  for (const [situation, text] of malformed) {
    test(`${transport}: a response that ${situation} is a 502`, async t => {
      const upstream = await Upstream.start(
        t,
        answering(() => text),
      )
      const { client, proxy } = await proxyTo(t, upstream.port)
      for (let i = 0; i < 2; i++) isFault(t, await client.ask(ask('/')), 502, 'http_protocol_error')
      await upstream.connections[0]?.readToEnd()
      client.end()
      await client.readToEnd()
      await proxy.settled()
    })
  }

  const cut: readonly (readonly [situation: string, request: string, response: string])[] = [
    ['of known length', ask('/'), 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello'],
    ['in chunks', ask('/'), 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'],
    ['inside a chunk', ask('/'), 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhello'],
  ]
  for (const [situation, request, text] of cut) {
    for (const end of ['end', 'reset'] as const) {
      test(`${transport}: a response ${situation} that is cut (${end}) never looks whole to the client`, async t => {
        const upstream = await Upstream.start(t, async connection => {
          await connection.request()
          connection.write(text)
          await connection.read(/^$/)
          connection[end]()
        })
        const { client, proxy } = await proxyTo(t, upstream.port)
        client.write(request)
        await t.throwsAsync(client.response(), { message: /the peer ended/ })
        t.regex(client.received, /^HTTP\/1.1 200 OK\r\n/)
        client.destroy()
        await proxy.settled()
      })
    }
  }

  for (const [version, response] of [
    ['1.0', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'],
    ['1.0', 'HTTP/1.1 200 OK\r\nX: until close\r\n\r\nhello'],
  ] as const) {
    test(`${transport}: ${JSON.stringify(response)} that is cut ends the connection of an HTTP/${version} client with a reset`, async t => {
      const upstream = await Upstream.start(t)
      const { client, proxy } = await proxyTo(t, upstream.port)
      client.write(`GET / HTTP/${version}\r\n\r\n`)
      const connection = await upstream.connection()
      await connection.request()
      connection.write(response)
      await client.read(/hello/)
      connection.reset()
      await client.readToEnd()
      t.is((client.error as NodeJS.ErrnoException | undefined)?.code, 'ECONNRESET')
      await proxy.settled()
    })
  }
}

test.serial('a name that is not resolved in time is a 504', async t => {
  const { resolve } = resolver
  t.teardown(() => {
    resolver.resolve = resolve
  })
  resolver.resolve = host => (host === 'slow.test' ? new Promise(() => {}) : resolve.call(resolver, host))
  const proxy = await startProxy(t, 'slow.test:80', { connect: { connectTimeout: 0.2 } })
  const client = await proxy.client()
  const startMs = monotonicMs()
  isFault(t, await client.ask(ask('/')), 504, 'connection_timeout')
  const elapsedMs = monotonicMs() - startMs
  t.true(elapsedMs > 190 && elapsedMs < 4000, `${elapsedMs} ms`)
  client.end()
  await client.readToEnd()
  await proxy.settled()
})

test('bytes that answer no request end the connection that they came on, and harm nobody', async t => {
  const upstream = await Upstream.start(
    t,
    answering(() => `${reply('hello')}${reply('poison')}`),
  )
  const proxy = await startProxy(t, upstream.port)
  const client = await proxy.client()
  for (let i = 0; i < 3; i++) t.is((await client.ask(ask('/'))).body, 'hello')
  t.is(upstream.connections.length, 3)
})

test('an upstream that fails while the request is still coming is told at once, and the rest is thrown away', async t => {
  const upstream = await Upstream.start(t, async (connection, index) => {
    if (index > 0) return answering(() => reply('fine'))(connection, index)
    await connection.read(/hello/)
    connection.reset()
  })
  const proxy = await startProxy(t, upstream.port)
  const client = await proxy.client()
  client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello')
  isFault(t, await client.response('POST'), 502, 'connection_terminated')
  t.is(statusOf(await client.ask(`world${ask('/')}`)), 200)
  client.destroy()
  await proxy.settled()
})

test('a target of a script that is none is a 500, and the log says so', async t => {
  const script = sluice()
    .listen('127.0.0.1:0')
    .demuxHTTP()
    .to($ => $.muxHTTP().to($ => $.connect(() => 'no port here')))
  const proxy: RunningProxy = await serve(t, script)
  const client = await proxy.client()
  isFault(t, await client.ask(ask('/')), 500, 'proxy_(internal|configuration)_error')
  t.regex(proxy.running.logs[0]?.message ?? '', /no port here/)
})
