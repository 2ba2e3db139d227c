/**
 * What two parsers may read differently is refused by the proxy, with the client told why and the connection closed.
 * A harmless request comes first in the same write: it is answered. One that comes behind is never looked at.
 */

import test from 'ava'
import { violations } from '../../runtime/codec/http1/index.ts'
import { fieldOf, statusOf } from '../support/http-text.ts'
import { startProxy } from '../support/proxy.ts'
import { chunked, harmless, refusedBodies, refusedHeads } from '../support/refused-requests.ts'
import { answering, reply, Upstream } from '../support/upstream.ts'

const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'

for (const transport of ['handle', 'net'] as const) {
  for (const [situation, request, id] of refusedHeads) {
    test(`${transport}: nothing of a request is forwarded when ${situation}`, async t => {
      const paths: string[] = []
      const upstream = await Upstream.start(
        t,
        answering(({ startLine }) => {
          paths.push(startLine)
          return reply('fine')
        }),
      )
      const proxy = await startProxy(t, upstream.port, { transport })
      const client = await proxy.client()
      client.write(harmless + request + smuggled)
      t.is((await client.response()).body, 'fine')
      const refusal = await client.response()
      t.is(statusOf(refusal), violations[id].status)
      t.is(fieldOf(refusal, 'connection'), 'close')
      t.regex(fieldOf(refusal, 'proxy-status') ?? '', /^sluice; error=http_request_error; details=".+"$/)
      t.true(refusal.body.includes(violations[id].reason))
      t.is(await client.readToEnd(), '', 'nothing follows the refusal')
      client.destroy()
      await proxy.settled()
      t.deepEqual(paths, ['GET /first HTTP/1.1'])
      t.is(upstream.received, '')
      t.is(upstream.connections.length, 1)
    })
  }
}

for (const [situation, body, id] of refusedBodies) {
  test(`the upstream never gets the end of a request when ${situation}`, async t => {
    const paths: string[] = []
    const upstream = await Upstream.start(
      t,
      answering(({ startLine }) => {
        paths.push(startLine)
        return reply('fine')
      }),
    )
    const proxy = await startProxy(t, upstream.port)
    const client = await proxy.client()
    client.write(harmless + chunked + body)
    if (id === 'truncated') client.end()
    else client.write(smuggled)
    t.is((await client.response()).body, 'fine')
    const refusal = await client.response('POST')
    t.is(statusOf(refusal), violations[id].status)
    t.is(fieldOf(refusal, 'connection'), 'close')
    t.is(await client.readToEnd(), '')
    client.destroy()
    await proxy.settled()
    await Promise.all(upstream.connections.map(connection => connection.readToEnd()))
    t.deepEqual(paths, ['GET /first HTTP/1.1'])
  })
}

const limits: readonly (readonly [situation: string, request: string, status: number])[] = [
  ['the request line is too long', `GET /${'a'.repeat(9000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
  ['a field is too long', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(40_000)}\r\n\r\n`, 431],
  ['there are too many fields', `GET / HTTP/1.1\r\nHost: a\r\n${'X: a\r\n'.repeat(101)}\r\n`, 431],
  [
    'a body is announced that is too large',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n',
    413,
  ],
  ['the version is not ours', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n', 505],
]

for (const [situation, request, status] of limits) {
  test(`the client is told ${status}, and nothing is forwarded, when ${situation}`, async t => {
    const upstream = await Upstream.start(t)
    const proxy = await startProxy(t, upstream.port, { server: { maxBodySize: 1000 } })
    const client = await proxy.client()
    client.write(request)
    const refusal = await client.response()
    t.is(statusOf(refusal), status)
    t.is(fieldOf(refusal, 'connection'), 'close')
    t.is(await client.readToEnd(), '')
    client.destroy()
    await proxy.settled()
    t.is(upstream.connections.length, 0)
  })
}

test('a chunked body that turns out to be too large is answered with 413, and the upstream never gets its end', async t => {
  const upstream = await Upstream.start(t)
  const proxy = await startProxy(t, upstream.port, { server: { maxBodySize: 1000 } })
  const client = await proxy.client()
  client.write(`${chunked}3e8\r\n${'a'.repeat(1000)}\r\n`)
  const connection = await upstream.connection()
  await connection.read(/a{1000}/)
  client.write('1\r\nb\r\n0\r\n\r\n')
  t.is(statusOf(await client.response('POST')), 413)
  t.false((await connection.readToEnd()).includes('0\r\n\r\n'))
  client.destroy()
  await proxy.settled()
})

test('a refusal waits until the request before it is answered', async t => {
  const upstream = await Upstream.start(t)
  const proxy = await startProxy(t, upstream.port)
  const client = await proxy.client()
  client.write(`${harmless}GET / HTTP/1.1\nHost: a\r\n\r\n`)
  const connection = await upstream.connection()
  await connection.request()
  t.is(client.received, '')
  connection.write(reply('late'))
  t.is((await client.response()).body, 'late')
  t.is(statusOf(await client.response()), 400)
})
