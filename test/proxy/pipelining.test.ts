/** A client that sends requests without waiting for responses gets these in order, and cannot make the proxy hoard. */

import test from 'ava'
import { Message, sluice } from '../../actors/index.ts'
import { statusOf } from '../support/http-text.ts'
import { type RunningProxy, serve, startProxy } from '../support/proxy.ts'
import type { TcpClient } from '../support/tcp-client.ts'
import { answering, ask, reply, Upstream } from '../support/upstream.ts'

for (const transport of ['handle', 'net'] as const) {
  test(`${transport}: responses come in the order of the requests, although the first is answered last`, async t => {
    const upstream = await Upstream.start(
      t,
      answering(({ startLine }) => reply(startLine.split(' ')[1] ?? '')),
    )
    const proxy = await startProxy(t, upstream.port, { transport })
    const client = await proxy.client()
    const paths = Array.from({ length: 50 }, (_, i) => `/${i}`)
    client.write(paths.map(path => ask(path)).join(''))
    for (const path of paths) t.is((await client.response()).body, path)
    t.is(upstream.connections.length, 1)
    client.end()
    t.is(await client.readToEnd(), '')
    await proxy.settled()
  })
}

test('a request is not sent on before the one in front of it is answered', async t => {
  const upstream = await Upstream.start(t, firstIsOurs)
  const proxy = await startProxy(t, upstream.port)
  const client = await proxy.client()
  client.write(ask('/slow') + ask('/next'))
  const connection = await upstream.connection()
  t.regex((await connection.request()).startLine, /slow/)
  await busyMeanwhile(proxy)
  t.is(connection.received, '')
  connection.write(reply('slow'))
  t.is((await client.response()).body, 'slow')
  t.regex((await connection.request()).startLine, /next/)
})

for (const transport of ['handle', 'net'] as const) {
  test(`${transport}: requests that come one by one, while the first is not answered yet, wait their turn`, async t => {
    const upstream = await Upstream.start(t, firstIsOurs)
    const proxy = await startProxy(t, upstream.port, { transport })
    const client = await proxy.client()
    client.write('POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello')
    const connection = await upstream.connection()
    await connection.request()
    for (const path of ['/2', '/3']) {
      client.write(ask(path))
      await busyMeanwhile(proxy)
    }
    t.is(connection.received, '')
    for (const n of [1, 2, 3]) {
      connection.write(reply(`${n}`))
      t.is((await client.response()).body, `${n}`)
      if (n < 3) t.is((await connection.request()).startLine, `GET /${n + 1} HTTP/1.1`)
    }
    client.end()
    t.is(await client.readToEnd(), '')
    await proxy.settled()
  })
}

test('bodies are told from the requests that follow them', async t => {
  const upstream = await Upstream.start(
    t,
    answering(({ body }) => reply(`<${body}>`)),
  )
  const proxy = await startProxy(t, upstream.port)
  const client = await proxy.client()
  const post = 'POST / HTTP/1.1\r\nHost: a\r\n'
  client.write(
    `${post}Content-Length: 5\r\n\r\nhello${ask('/')}` +
      `${post}Transfer-Encoding: chunked\r\n\r\n3\r\nyou\r\n0\r\n\r\n${ask('/')}`,
  )
  for (const body of ['<hello>', '<>', '<you>', '<>']) t.is((await client.response()).body, body)
})

for (const transport of ['handle', 'net'] as const) {
  test(`${transport}: what a client sends behind a request under way stays in its socket`, async t => {
    const upstream = await Upstream.start(t, firstIsOurs)
    const proxy = await startProxy(t, upstream.port, { transport })
    const client = await proxy.client()
    client.write(ask('/stuck'))
    const connection = await upstream.connection()
    await connection.request()
    const flood = ask('/').repeat(1_000_000)
    client.write(flood)
    await busyMeanwhile(proxy)
    t.true(client.socket.writableLength > flood.length / 2, 'most of it is not even in the kernel')
    client.reset()
    connection.write(reply('to nobody'))
    await proxy.settled()
  })
}

const bigBody = 'b'.repeat(60_000)
const requests = 1000

type Answer = (request: { head: { path: string } }) => Message

/** Scripts that answer requests themselves. */
const answerers: Readonly<Record<string, (answer: Answer) => unknown>> = {
  serveHTTP: answer => sluice().listen('127.0.0.1:0').serveHTTP(answer),
  'serveHTTP with a promise': answer =>
    sluice()
      .listen('127.0.0.1:0')
      .serveHTTP(async request => answer(request)),
  replaceMessage: answer =>
    sluice()
      .listen('127.0.0.1:0')
      .demuxHTTP()
      .to($ => $.replaceMessage(answer)),
}

for (const transport of ['handle', 'net'] as const) {
  for (const name of ['upstream', ...Object.keys(answerers)]) {
    test(`${transport}: a client that reads no responses gets no more requests answered by ${name}`, async t => {
      let answered = 0
      const answer = (target: string): string => {
        if (target.includes('/other')) return 'other'
        answered++
        return bigBody
      }
      const upstream = await Upstream.start(
        t,
        answering(({ startLine }) => reply(answer(startLine))),
      )
      const answerer = answerers[name]
      const proxy =
        answerer === undefined
          ? await startProxy(t, upstream.port, { transport })
          : await serve(
              t,
              answerer(({ head }) => new Message(answer(head.path))),
              transport,
            )
      const client = await proxy.client()
      client.socket.pause()
      client.write(ask('/').repeat(requests))
      let before = -1
      while (answered !== before) {
        before = answered
        await busyMeanwhile(proxy)
      }
      t.true(answered < requests / 2, `${answered} of ${requests} were answered`)
      client.socket.resume()
      for (let i = 0; i < requests; i++) t.is((await client.response()).body.length, bigBody.length)
      client.end()
      await client.readToEnd()
    })
  }
}

test('requests behind one that closes the connection are not served', async t => {
  const served: string[] = []
  const answer: Answer = ({ head }) => {
    served.push(head.path)
    return new Message(head.path)
  }
  for (const [name, script] of Object.entries(answerers)) {
    const server = await serve(t, script(answer))
    const client = await server.client()
    client.write(ask('/first', 'Connection: close') + ask('/second') + ask('/third'))
    t.is((await client.response()).body, '/first')
    t.is(await client.readToEnd(), '')
    client.destroy()
    await server.settled()
    t.deepEqual(served.splice(0), ['/first'], name)
  }
})

for (const rest of ['GET /', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhello']) {
  test(`a client that ends inside its second request, ${JSON.stringify(rest)}, gets the first answered and the second refused`, async t => {
    const upstream = await Upstream.start(t)
    const proxy = await startProxy(t, upstream.port)
    const client = await proxy.client()
    client.end(ask('/first') + rest)
    const connection = await upstream.connection()
    await connection.request()
    connection.write(reply('first'))
    t.is((await client.response()).body, 'first')
    t.is(statusOf(await client.response()), 400)
    t.is(await client.readToEnd(), '')
    await proxy.settled()
  })
}

/** The first connection is the test's to answer, the others are for `busyMeanwhile`. */
const firstIsOurs = (connection: TcpClient, index: number): void | Promise<void> =>
  index === 0 ? undefined : answering(() => reply('other'))(connection, index)

/** Lets the proxy work for another client, so that whatever it would do for the first one has been done. */
async function busyMeanwhile(proxy: RunningProxy): Promise<void> {
  const other = await proxy.client()
  for (let i = 0; i < 30; i++) await other.ask(ask('/other'))
  other.destroy()
}
