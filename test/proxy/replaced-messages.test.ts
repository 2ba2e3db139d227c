/** A script that changes or makes messages never has to care how they are framed. */

import test, { type ExecutionContext } from 'ava'
import {
  Data,
  type HTTPRequestHead,
  Message,
  MessageEnd,
  MessageStart,
  type Stage,
  sluice,
} from '../../actors/index.ts'
import { fieldOf, statusOf } from '../support/http-text.ts'
import { serve } from '../support/proxy.ts'
import type { TcpClient } from '../support/tcp-client.ts'
import { answering, ask, reply, Upstream, unusedPort } from '../support/upstream.ts'

/** A client of a script that serves each exchange so. */
async function clientOf(
  t: ExecutionContext,
  exchange: ($: Stage<object, 'messages', HTTPRequestHead, false>) => object,
): Promise<TcpClient> {
  return (await serve(t, sluice().listen('127.0.0.1:0').demuxHTTP().to(exchange))).client()
}

const doubled = (body: Data): Data => new Data(body.toString().repeat(2))

/** What upstreams send, and the body in it. */
const responses: Readonly<Record<string, string>> = {
  'of known length': reply('hello'),
  'in chunks': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n',
}

for (const [framing, response] of Object.entries(responses)) {
  test(`replaceMessageBody of a response ${framing} sends the length of the new body`, async t => {
    const upstream = await Upstream.start(
      t,
      answering(() => response),
    )
    const client = await clientOf(t, $ =>
      $.muxHTTP()
        .to($ => $.connect(`127.0.0.1:${upstream.port}`))
        .replaceMessageBody(doubled),
    )
    for (let i = 0; i < 2; i++) {
      const got = await client.ask(ask('/'))
      t.is(got.body, 'hellohello')
      t.is(fieldOf(got, 'content-length'), '10')
      t.is(fieldOf(got, 'transfer-encoding'), undefined)
    }
  })

  test(`replaceData of a response ${framing} frames what comes out`, async t => {
    const upstream = await Upstream.start(
      t,
      answering(() => response),
    )
    const client = await clientOf(t, $ =>
      $.muxHTTP()
        .to($ => $.connect(`127.0.0.1:${upstream.port}`))
        .replaceData(doubled),
    )
    for (let i = 0; i < 2; i++) {
      const got = await client.ask(ask('/'))
      t.is(got.body, framing === 'in chunks' ? 'helhellolo' : 'hellohello')
      t.is(fieldOf(got, 'content-length'), '10')
    }
  })
}

const requests: Readonly<Record<string, string>> = {
  'of known length': 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello',
  'in chunks':
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n',
}

for (const [framing, request] of Object.entries(requests)) {
  test(`replaceMessageBody of a request ${framing} sends the length of the new body`, async t => {
    const upstream = await Upstream.start(
      t,
      answering(got => reply(`${got.body} ${fieldOf(got, 'content-length')} ${got.isChunked}`)),
    )
    const client = await clientOf(t, $ =>
      $.replaceMessageBody(doubled)
        .muxHTTP()
        .to($ => $.connect(`127.0.0.1:${upstream.port}`)),
    )
    for (let i = 0; i < 2; i++) {
      client.write(request)
      t.is((await client.response('POST')).body, 'hellohello 10 false')
    }
    t.is((await client.ask(ask('/'))).body, ' undefined false', 'nothing doubled is nothing')
  })
}

test('a message may be replaced by another, in both directions, with another body and head', async t => {
  const upstream = await Upstream.start(
    t,
    answering(({ startLine, body }) => reply(`${startLine} ${body}`)),
  )
  const client = await clientOf(t, $ =>
    $.replaceMessage(
      ({ head }) => new Message({ ...head, method: 'PUT', path: '/other' }, 'a longer body than before'),
    )
      .muxHTTP()
      .to($ => $.connect(`127.0.0.1:${upstream.port}`))
      .replaceMessage(
        ({ head, body }) => new Message({ ...head, status: 203, headers: { x: 'y' } }, `<${body}>`),
      ),
  )
  for (let i = 0; i < 2; i++) {
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc')
    const got = await client.response('POST')
    t.is(statusOf(got), 203)
    t.is(fieldOf(got, 'x'), 'y')
    t.is(got.body, '<PUT /other HTTP/1.1 a longer body than before>')
    t.is(fieldOf(got, 'content-length'), String(got.body.length))
  }
})

test('a script answers without an upstream, and its connection goes on', async t => {
  const script = sluice()
    .listen('127.0.0.1:0')
    .demuxHTTP()
    .to($ => $.replaceMessage(({ head }) => new Message({ status: 404 }, `no ${head.path}`)))
  const server = await serve(t, script)
  const client = await server.client()
  client.write(ask('/1') + ask('/2'))
  for (const n of [1, 2]) {
    const got = await client.response()
    t.is(statusOf(got), 404)
    t.is(got.body, `no /${n}`)
    t.truthy(fieldOf(got, 'date'), 'RFC 9110 §6.6.1')
  }
  client.end()
  t.is(await client.readToEnd(), '')
  await server.settled()
})

/** A client of a script that answers /large so, and cannot connect for anything else. */
async function clientOfLarge(
  t: ExecutionContext,
  answer: Message | (() => readonly (Data | MessageStart | MessageEnd)[]),
): Promise<TcpClient> {
  const nobody = await unusedPort(t)
  const script = sluice({ isLarge: false })
    .listen('127.0.0.1:0')
    .demuxHTTP()
    .to($ =>
      $.handleMessageStart(({ head }, ctx) => {
        ctx.isLarge = head.path === '/large'
      }).branch(
        ctx => ctx.isLarge,
        $ => $.replaceMessage(answer),
        $ => $.muxHTTP().to($ => $.connect(`127.0.0.1:${nobody}`)),
      ),
    )
  return (await serve(t, script)).client()
}

test('a large answer is whole, also when it is the turn of the connection to an upstream that fails', async t => {
  const body = 'b'.repeat(3_000_000)
  const client = await clientOfLarge(t, new Message(body))
  client.write(ask('/refused') + ask('/large') + ask('/refused') + ask('/large'))
  for (let i = 0; i < 2; i++) {
    t.is(statusOf(await client.response()), 502)
    t.is((await client.response()).body.length, body.length)
  }
})

test('an answer in many pieces is whole', async t => {
  const pieces = Array.from({ length: 6000 }, (_, i) => new Data(`${i} `.padEnd(300)))
  const client = await clientOfLarge(t, () => [
    new MessageStart({ status: 200 }),
    ...pieces,
    new MessageEnd(),
  ])
  client.write(ask('/large') + ask('/refused') + ask('/large'))
  t.is((await client.response()).body.length, 1_800_000)
  t.is(statusOf(await client.response()), 502)
  t.is((await client.response()).body.length, 1_800_000)
})

test('a script that ends the stream behind its answer has answered that request alone', async t => {
  const { StreamEnd } = await import('../../actors/index.ts')
  const client = await clientOf(t, $ =>
    $.replaceMessage(({ head }) => [new Message(head.path), new StreamEnd()]),
  )
  client.write(ask('/1') + ask('/2') + ask('/3'))
  for (const n of [1, 2, 3]) t.is((await client.response()).body, `/${n}`)
})

test('empty bodies are framed as such, and 204 and 304 get none at all', async t => {
  const script = sluice()
    .listen('127.0.0.1:0')
    .serveHTTP(({ head }) => {
      if (head.path === '/204') return new Message({ status: 204 }, 'not allowed')
      if (head.path === '/304') return new Message({ status: 304 }, 'not allowed')
      if (head.path === '/none') return new Message({ status: 200 })
      return new Message({ status: 200 }, '')
    })
  const client = await (await serve(t, script)).client()
  for (const path of ['/204', '/304', '/none', '/empty']) {
    const got = await client.ask(ask(path))
    t.is(got.body, '')
    t.is(fieldOf(got, 'transfer-encoding'), undefined)
    t.is(fieldOf(got, 'content-length'), path === '/none' || path === '/empty' ? '0' : undefined)
  }
  const head = await client.ask(ask('/').replace('GET', 'HEAD'))
  t.is(statusOf(head), 200)
  t.is((await client.ask(ask('/'))).body, '')
})

test('a body that is larger than bufferSize is sent in chunks, and to HTTP/1.0 until the connection closes', async t => {
  const body = 'b'.repeat(100_000)
  const script = sluice().listen('127.0.0.1:0').serveHTTP(new Message(body), { bufferSize: '4k' })
  const server = await serve(t, script)
  const client = await server.client()
  for (let i = 0; i < 2; i++) {
    const got = await client.ask(ask('/'))
    t.true(got.isChunked)
    t.is(got.body, body)
  }
  const older = await server.client()
  const got = await older.ask('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
  t.is(fieldOf(got, 'connection'), 'close')
  t.is(got.body, body)
})

test('a body that comes piece by piece, over time, is sent in chunks as it comes', async t => {
  const parts = ['one', 'two', 'three'].map(text => ({ text, ...Promise.withResolvers<Data>() }))
  let asked = 0
  const client = await clientOf(t, $ =>
    $.replaceMessage(() => [
      new MessageStart({ status: 200 }),
      new Data('?'),
      new Data('?'),
      new Data('?'),
      new MessageEnd(),
    ]).replaceData(() => parts[asked++ % 3]?.promise),
  )
  client.write(ask('/'))
  for (const { text, resolve } of parts) {
    resolve(new Data(text))
    await client.read(new RegExp(`\r\n${text}\r\n`))
  }
  const got = await client.response()
  t.true(got.isChunked)
  t.is(got.body, 'onetwothree')
})

test('trailers of a script are sent, and nothing in them that would change the framing', async t => {
  const client = await clientOf(t, $ =>
    $.replaceMessage(() => [
      new MessageStart({ status: 200 }),
      new Data('b'.repeat(20_000)),
      new MessageEnd({ headers: { 'x-sum': '1', 'content-length': '5', 'transfer-encoding': 'chunked' } }),
    ]),
  )
  const got = await client.ask(ask('/'))
  t.deepEqual(got.trailers, [['x-sum', '1']])
})

test('what a script says of length and connection in its headers is not believed', async t => {
  const script = sluice()
    .listen('127.0.0.1:0')
    .serveHTTP(
      () =>
        new Message(
          {
            headers: {
              'Content-Length': 1,
              'transfer-encoding': 'chunked',
              connection: 'close',
              'keep-alive': 'x',
              x: ['1', '2'],
            },
          },
          'hello',
        ),
    )
  const client = await (await serve(t, script)).client()
  for (let i = 0; i < 2; i++) {
    const got = await client.ask(ask('/'))
    t.is(got.body, 'hello')
    t.is(fieldOf(got, 'content-length'), '5')
    t.is(fieldOf(got, 'connection'), undefined)
    t.is(fieldOf(got, 'x'), '1 | 2')
  }
})

test('the body of a response to HEAD that a script would change is not there, and its old length is not told', async t => {
  const upstream = await Upstream.start(
    t,
    answering(() => 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\n'),
  )
  const client = await clientOf(t, $ =>
    $.muxHTTP()
      .to($ => $.connect(`127.0.0.1:${upstream.port}`))
      .replaceMessageBody(() => new Data('another')),
  )
  for (let i = 0; i < 2; i++) {
    const got = await client.ask(ask('/').replace('GET', 'HEAD'))
    t.is(fieldOf(got, 'x'), 'y')
    t.is(fieldOf(got, 'content-length'), undefined)
  }
  t.is(upstream.connections.length, 1)
})
