/** Fields that concern one connection only end at the proxy, in both directions: RFC 9110 §7.6.1. */

import test from 'ava'
import { fieldOf, type HTTPText } from '../support/http-text.ts'
import { startProxy } from '../support/proxy.ts'
import { answering, ask, reply, Upstream } from '../support/upstream.ts'

const names = (message: HTTPText): string[] => message.fields.map(([name]) => name.toLowerCase()).sort()

for (const transport of ['handle', 'net'] as const) {
  test(`${transport}: hop-by-hop fields and those that Connection names are dropped, others pass as they are`, async t => {
    const requests: HTTPText[] = []
    const upstream = await Upstream.start(
      t,
      answering(request => {
        requests.push(request)
        return reply(
          'hello',
          '200 OK',
          'Connection: X-Inner, keep-alive',
          'Keep-Alive: timeout=5',
          'X-Inner: 1',
          'X-Outer: 2',
          'Proxy-Connection: keep-alive',
          'TE: trailers',
          'Set-Cookie: a=1',
          'Set-Cookie: b=2',
          'ETag: "x"',
        )
      }),
    )
    const proxy = await startProxy(t, upstream.port, { transport })
    const client = await proxy.client()
    const response = await client.ask(
      ask(
        '/',
        'Connection: X-Secret , keep-alive,X-Other',
        'X-Secret: 1',
        'x-other: 2',
        'X-Kept: 3',
        'Keep-Alive: timeout=5',
        'Proxy-Connection: keep-alive',
        'TE: trailers, deflate',
        'Upgrade: h2c',
        'User-Agent: Tester/1.0',
      ),
    )
    const [request] = requests
    t.deepEqual(names(request as HTTPText), ['host', 'user-agent', 'x-kept'])
    t.deepEqual((request as HTTPText).fields.at(-1), ['User-Agent', 'Tester/1.0'], 'spelled as it was')
    t.deepEqual(names(response), ['content-length', 'etag', 'set-cookie', 'set-cookie', 'x-outer'])
    t.is(fieldOf(response, 'set-cookie'), 'a=1 | b=2')
  })
}

test('Connection cannot name the fields that frame and route a message', async t => {
  const upstream = await Upstream.start(
    t,
    answering(request => reply(`${fieldOf(request, 'host')} ${request.body}`)),
  )
  const proxy = await startProxy(t, upstream.port)
  const client = await proxy.client()
  client.write(
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: Host, Content-Length, Transfer-Encoding\r\n\r\nhello',
  )
  t.is((await client.response()).body, 'a hello')
})

test('an upgrade to h2c is not forwarded as one, and the request is served as HTTP/1.1', async t => {
  const requests: HTTPText[] = []
  const upstream = await Upstream.start(
    t,
    answering(request => {
      requests.push(request)
      return reply('hello')
    }),
  )
  const proxy = await startProxy(t, upstream.port)
  const client = await proxy.client()
  for (let i = 0; i < 2; i++) {
    const response = await client.ask(
      ask('/', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__'),
    )
    t.is(response.body, 'hello')
  }
  for (const request of requests) t.deepEqual(names(request), ['host'])
  t.is(upstream.connections.length, 1)
})
