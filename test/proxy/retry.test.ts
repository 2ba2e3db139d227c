/**
 * An upstream may close a connection that was idle just when a request is on its way to it. Such a request is sent
 * once more, on a fresh connection, when that is safe: RFC 9112 §9.3.1, RFC 9110 §9.2.2.
 */

import test, { type ExecutionContext } from 'ava'
import { statusOf } from '../support/http-text.ts'
import { type ProxyOptions, startProxy, until } from '../support/proxy.ts'
import type { TcpClient } from '../support/tcp-client.ts'
import { answering, ask, reply, Upstream } from '../support/upstream.ts'

/** What an upstream does with the second request on a connection: it never answers that whole. */
type Ending = (connection: TcpClient) => void

interface Scene {
  readonly client: TcpClient
  readonly upstream: Upstream
  /** Requests as they came to the upstream, by connection. */
  readonly requests: string[][]
}

/** A proxy with one connection to its upstream that has been used, and is idle. */
async function idleConnection(
  t: ExecutionContext,
  ending: Ending,
  options: ProxyOptions = {},
): Promise<Scene> {
  const requests: string[][] = []
  const upstream = await Upstream.start(t, async (connection, index) => {
    const seen: string[] = []
    requests.push(seen)
    for (;;) {
      const { startLine, body } = await connection.request()
      seen.push(body === '' ? startLine : `${startLine} ${body}`)
      if (seen.length === 2 && index === 0) ending(connection)
      else connection.write(reply(startLine.startsWith('HEAD') ? '' : 'fine'))
    }
  })
  const proxy = await startProxy(t, upstream.port, options)
  const client = await proxy.client()
  t.is((await client.ask(ask('/first'))).body, 'fine')
  return { client, upstream, requests }
}

const endings: Readonly<Record<string, Ending>> = {
  reset: connection => connection.reset(),
  closed: connection => connection.end(),
}

const body = 'a'.repeat(1000)
const safe: Readonly<Record<string, string>> = {
  GET: ask('/x'),
  HEAD: ask('/x').replace('GET', 'HEAD'),
  OPTIONS: ask('/x').replace('GET', 'OPTIONS'),
  DELETE: ask('/x').replace('GET', 'DELETE'),
  'PUT with a small body': `PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n${body}`,
  'PUT with a small body in chunks': `PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n${body}\r\n0\r\n\r\n`,
}

const unsafe: Readonly<Record<string, string>> = {
  POST: 'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello',
  'POST without a body': 'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n',
  PATCH: 'PATCH /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello',
  'an unknown method': ask('/x').replace('GET', 'BREW'),
  'PUT with a body larger than replaySize': `PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n${'a'.repeat(20_000)}`,
}

for (const transport of ['handle', 'net'] as const) {
  for (const [how, ending] of Object.entries(endings)) {
    for (const [what, request] of Object.entries(safe)) {
      test(`${transport}: ${what} is sent again, once and whole, when an idle connection is ${how} under it`, async t => {
        const { client, requests } = await idleConnection(t, ending, { transport })
        t.is(statusOf(await client.ask(request)), 200)
        t.is(requests.length, 2)
        t.is(requests[1]?.length, 1)
        t.is(requests[1]?.[0], requests[0]?.[1])
        t.is(statusOf(await client.ask(ask('/next'))), 200)
        t.is(requests[1]?.length, 2, 'the fresh connection is used from then on')
      })
    }
    for (const [what, request] of Object.entries(unsafe)) {
      test(`${transport}: ${what} is not sent again when an idle connection is ${how} under it`, async t => {
        const { client, requests } = await idleConnection(t, ending, { transport })
        t.is(statusOf(await client.ask(request)), 502)
        t.is(requests.length, 1)
        t.is(statusOf(await client.ask(ask('/next'))), 200)
      })
    }
  }
}

const cuts: Readonly<Record<string, string>> = {
  'half a head': 'HTTP/1.1 20',
  'an interim response': 'HTTP/1.1 103 Early Hints\r\n\r\n',
}

for (const [what, response] of Object.entries(cuts)) {
  for (const how of ['reset', 'end'] as const) {
    test(`a request is not sent again when ${what} came before the connection ended (${how})`, async t => {
      const { client, requests } = await idleConnection(t, connection => {
        connection.socket.write(response, () => connection[how]())
      })
      t.is(statusOf(await client.ask(ask('/x'))), 502)
      t.is(requests.length, 1)
    })
  }
}

test('a request is not sent again when half a response came, which is cut', async t => {
  const { client, requests } = await idleConnection(t, connection =>
    connection.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello'),
  )
  client.write(ask('/x'))
  t.true((await client.readToEnd()).endsWith('hello'))
  t.is(requests.length, 1)
})

test('a request is not sent again because the upstream is slow', async t => {
  const { client, requests } = await idleConnection(t, () => {}, { connect: { readTimeout: 0.5 } })
  t.is(statusOf(await client.ask(ask('/x'))), 504)
  t.is(requests.length, 1)
})

test('a request is not sent again because its response is malformed', async t => {
  const { client, requests } = await idleConnection(t, connection => connection.write('nonsense\r\n\r\n'))
  t.is(statusOf(await client.ask(ask('/x'))), 502)
  t.is(requests.length, 1)
})

test('a request that is lost twice is answered with 502', async t => {
  let seen = 0
  const upstream = await Upstream.start(t, async (connection, index) => {
    for (let i = 0; ; i++) {
      await connection.request()
      seen++
      if (index === 0 && i === 0) connection.write(reply('fine'))
      else connection.reset()
    }
  })
  const proxy = await startProxy(t, upstream.port)
  const client = await proxy.client()
  t.is(statusOf(await client.ask(ask('/first'))), 200)
  t.is(statusOf(await client.ask(ask('/lost'))), 502)
  t.is(seen, 3)
  t.is(statusOf(await client.ask(ask('/lost'))), 502)
  t.is(seen, 4, 'with no idle connection there is nothing to try again')
})

test('a body that is still coming goes on to the fresh connection', async t => {
  const upstream = await Upstream.start(t, async (connection, index) => {
    if (index > 0) return answering(({ body }) => reply(body))(connection, index)
    await connection.request()
    connection.write(reply('fine'))
    await connection.read(/hello/)
    connection.reset()
  })
  const proxy = await startProxy(t, upstream.port)
  const client = await proxy.client()
  t.is(statusOf(await client.ask(ask('/first'))), 200)
  client.write('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello')
  await upstream.connection()
  const fresh = await upstream.connection()
  await until(() => fresh.received.includes('hello'))
  client.write('world')
  t.is((await client.response('PUT')).body, 'helloworld')
})

test('requests that wait for a session get it although one is tried again', async t => {
  let lost = 0
  const upstream = await Upstream.start(t, async (connection, index) => {
    for (let i = 0; ; i++) {
      const { startLine } = await connection.request()
      if (index === 0 && i === 1) {
        lost++
        connection.reset()
      } else connection.write(reply(startLine))
    }
  })
  const proxy = await startProxy(t, upstream.port, { mux: { maxSessions: 1 } })
  const clients = await Promise.all(Array.from({ length: 5 }, () => proxy.client()))
  const answers = await Promise.all(clients.map((client, i) => client.ask(ask(`/${i}`))))
  t.deepEqual(
    answers.map(answer => answer.body),
    clients.map((_, i) => `GET /${i} HTTP/1.1`),
  )
  t.is(lost, 1)
})
