/** How bodies are delimited on each side of the proxy: RFC 9112 §6. */

import test from 'ava'
import { Message, sluice } from '../../actors/index.ts'
import { fieldOf, statusOf } from '../support/http-text.ts'
import { serve, startProxy } from '../support/proxy.ts'
import { answering, ask, reply, Upstream } from '../support/upstream.ts'

for (const transport of ['handle', 'net'] as const) {
  test(`${transport}: what answers HEAD, 204 and 304 has no body, and says of it what the origin said`, async t => {
    const upstream = await Upstream.start(
      t,
      answering(({ startLine }) => {
        if (startLine.startsWith('HEAD /length')) return 'HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n'
        if (startLine.startsWith('HEAD /chunked'))
          return 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
        if (startLine.startsWith('HEAD /unknown')) return 'HTTP/1.1 200 OK\r\nX: y\r\n\r\n'
        if (startLine.includes('/304'))
          return 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 99\r\n\r\n'
        if (startLine.includes('/204')) return 'HTTP/1.1 204 No Content\r\nX: y\r\n\r\n'
        return reply('next')
      }),
    )
    const proxy = await startProxy(t, upstream.port, { transport })
    const client = await proxy.client()
    const head = (path: string) => client.ask(ask(path).replace('GET', 'HEAD'))
    t.is(fieldOf(await head('/length'), 'content-length'), '1234')
    t.is(fieldOf(await head('/chunked'), 'transfer-encoding'), 'chunked')
    const unknown = await head('/unknown')
    t.is(fieldOf(unknown, 'content-length'), undefined)
    t.is(fieldOf(unknown, 'transfer-encoding'), undefined)
    const unmodified = await client.ask(ask('/304'))
    t.is(fieldOf(unmodified, 'content-length'), '99')
    t.is(fieldOf(unmodified, 'etag'), '"x"')
    const empty = await client.ask(ask('/204'))
    t.is(statusOf(empty), 204)
    t.is(fieldOf(empty, 'content-length'), undefined)
    t.is((await client.ask(ask('/'))).body, 'next')
    t.is(upstream.connections.length, 1)
    client.end()
    t.is(await client.readToEnd(), '')
    await proxy.settled()
  })

  test(`${transport}: bodies of responses keep their framing, and trailers pass`, async t => {
    const upstream = await Upstream.start(
      t,
      answering(({ startLine }) =>
        startLine.includes('/chunked')
          ? 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 11\r\nContent-Length: 5\r\n\r\n'
          : reply('sized'),
      ),
    )
    const proxy = await startProxy(t, upstream.port, { transport })
    const client = await proxy.client()
    const chunked = await client.ask(ask('/chunked', 'TE: trailers'))
    t.true(chunked.isChunked)
    t.is(chunked.body, 'hello world')
    t.deepEqual(chunked.trailers, [['x-sum', '11']], 'a trailer that would change the framing is left out')
    t.is(fieldOf(chunked, 'content-length'), undefined)
    const sized = await client.ask(ask('/sized'))
    t.is(fieldOf(sized, 'content-length'), '5')
    t.is(sized.body, 'sized')
  })

  test(`${transport}: bodies of requests keep their framing, and trailers pass`, async t => {
    const upstream = await Upstream.start(
      t,
      answering(request => reply(JSON.stringify({ ...request, fields: [] }))),
    )
    const proxy = await startProxy(t, upstream.port, { transport })
    const client = await proxy.client()
    const post = async (...lines: string[]) =>
      JSON.parse((await client.ask(`POST / HTTP/1.1\r\nHost: a\r\n${lines.join('\r\n')}`)).body)
    const sized = await post('Content-Length: 5', '', 'hello')
    t.is(sized.body, 'hello')
    t.false(sized.isChunked)
    const chunked = await post(
      'Transfer-Encoding: chunked',
      '',
      '5',
      'hello',
      '1',
      '!',
      '0',
      'X-Sum: 6',
      '',
      '',
    )
    t.is(chunked.body, 'hello!')
    t.true(chunked.isChunked)
    t.deepEqual(chunked.trailers, [['x-sum', '6']])
    const empty = await post('Content-Length: 0', '', '')
    t.is(empty.body, '')
    t.false(empty.isChunked)
  })

  test(`${transport}: a body that lasts until the upstream closes is chunked for HTTP/1.1, and lasts so for HTTP/1.0`, async t => {
    const upstream = await Upstream.start(t, async connection => {
      await connection.request()
      connection.write('HTTP/1.1 200 OK\r\nX: y\r\n\r\nhello ')
      await connection.read(/^$/)
      connection.end('world')
    })
    const proxy = await startProxy(t, upstream.port, { transport })
    const client = await proxy.client()
    for (let i = 0; i < 2; i++) {
      const response = await client.ask(ask('/'))
      t.true(response.isChunked)
      t.is(response.body, 'hello world')
      t.is(fieldOf(response, 'connection'), undefined)
    }
    const older = await proxy.client()
    older.write('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
    const text = await older.readToEnd()
    t.regex(text, /^HTTP\/1\.1 200 OK\r\n/)
    t.regex(text, /\r\nConnection: close\r\n/)
    t.notRegex(text, /Transfer-Encoding|Content-Length/i)
    t.true(text.endsWith('\r\n\r\nhello world'))
    client.end()
    older.destroy()
    await client.readToEnd()
    await proxy.settled()
  })
}

test('a chunked response reaches an HTTP/1.0 client without chunks, and the connection says where it ends', async t => {
  const upstream = await Upstream.start(
    t,
    answering(
      () => 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 5\r\n\r\n',
    ),
  )
  const proxy = await startProxy(t, upstream.port)
  const client = await proxy.client()
  client.write('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
  const text = await client.readToEnd()
  t.true(text.endsWith('\r\nConnection: close\r\n\r\nhello'), text)
  t.notRegex(text, /Transfer-Encoding/i)
})

test('a response of HTTP/1.0 is forwarded as one of ours', async t => {
  const upstream = await Upstream.start(t, async connection => {
    await connection.request()
    connection.end('HTTP/1.0 200 Fine\r\nContent-Length: 5\r\n\r\nhello')
  })
  const proxy = await startProxy(t, upstream.port)
  const client = await proxy.client()
  for (let i = 0; i < 2; i++) {
    const response = await client.ask(ask('/'))
    t.is(response.startLine, 'HTTP/1.1 200 Fine')
    t.is(response.body, 'hello')
  }
  t.is(upstream.connections.length, 2)
})

test('HTTP/1.0 keeps its connection when both sides say so, towards clients and towards upstreams', async t => {
  const requests: string[] = []
  const upstream = await Upstream.start(
    t,
    answering(request => {
      requests.push(request.startLine)
      t.is(fieldOf(request, 'connection'), undefined)
      return 'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello'
    }),
  )
  const proxy = await startProxy(t, upstream.port)
  const client = await proxy.client()
  for (let i = 0; i < 3; i++) {
    const response = await client.ask('GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n')
    t.is(fieldOf(response, 'connection'), 'keep-alive')
    t.is(response.body, 'hello')
  }
  t.is(upstream.connections.length, 1)
  t.deepEqual(requests, ['GET / HTTP/1.1', 'GET / HTTP/1.1', 'GET / HTTP/1.1'])
  client.write('GET / HTTP/1.0\r\n\r\n')
  t.is(fieldOf(await client.response(), 'connection'), 'close')
  t.is(await client.readToEnd(), '')
})

test('a client that says Connection: close gets the connection closed behind its response', async t => {
  const upstream = await Upstream.start(
    t,
    answering(request => {
      t.is(fieldOf(request, 'connection'), undefined, 'which is nothing to the upstream')
      return reply('hello')
    }),
  )
  const proxy = await startProxy(t, upstream.port)
  for (let i = 0; i < 2; i++) {
    const client = await proxy.client()
    const response = await client.ask(ask('/', 'Connection: close'))
    t.is(fieldOf(response, 'connection'), 'close')
    t.is(await client.readToEnd(), '')
  }
  t.is(upstream.connections.length, 1)
})

test('an upstream that says Connection: close is not asked again on that connection, and clients do not notice', async t => {
  const upstream = await Upstream.start(
    t,
    answering(() => reply('hello', '200 OK', 'Connection: close')),
  )
  const proxy = await startProxy(t, upstream.port)
  const client = await proxy.client()
  for (let i = 0; i < 3; i++) {
    const response = await client.ask(ask('/'))
    t.is(fieldOf(response, 'connection'), undefined)
    t.is(response.body, 'hello')
  }
  t.is(upstream.connections.length, 3)
})

test('a request of an unknown method passes, with its body', async t => {
  const upstream = await Upstream.start(
    t,
    answering(({ startLine, body }) => reply(`${startLine} ${body}`)),
  )
  const proxy = await startProxy(t, upstream.port)
  const client = await proxy.client()
  client.write('BREW /pot HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nmilk')
  t.is((await client.response()).body, 'BREW /pot HTTP/1.1 milk')
})

test('a request for a whole URI is sent in origin-form with the host of the URI', async t => {
  const upstream = await Upstream.start(
    t,
    answering(request => reply(`${request.startLine} ${fieldOf(request, 'host')}`)),
  )
  const proxy = await startProxy(t, upstream.port)
  const client = await proxy.client()
  client.write('GET http://example.test:81/a?b HTTP/1.1\r\nHost: other.test\r\n\r\n')
  t.is((await client.response()).body, 'GET /a?b HTTP/1.1 example.test:81')
})

test('HEAD is told the length that GET would have, RFC 9110 §8.6', async t => {
  const server = await serve(
    t,
    sluice()
      .listen('127.0.0.1:0')
      .serveHTTP(({ head }) =>
        head.path === '/204'
          ? new Message({ status: 204 }, 'dropped')
          : head.path === '/nothing'
            ? new Message({ status: 200 })
            : new Message(`at ${head.path}`),
      ),
  )
  const client = await server.client()
  const head = (path: string) => client.ask(ask(path).replace('GET', 'HEAD'))
  t.is(fieldOf(await head('/some'), 'content-length'), '8')
  t.is((await client.ask(ask('/some'))).body, 'at /some')
  t.is(fieldOf(await head('/204'), 'content-length'), undefined)
  t.is(fieldOf(await head('/nothing'), 'content-length'), undefined)
  t.is(fieldOf(await head('/other'), 'content-length'), '9')
})
