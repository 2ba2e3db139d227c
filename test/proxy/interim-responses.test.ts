/** `Expect: 100-continue` and other 1xx: RFC 9110 §10.1.1 and §15.2. */

import test from 'ava'
import { Message, MessageEnd, MessageStart, sluice } from '../../actors/index.ts'
import { fieldOf, statusOf } from '../support/http-text.ts'
import { serve, startProxy } from '../support/proxy.ts'
import { answering, ask, reply, Upstream } from '../support/upstream.ts'

const expecting = 'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n'

for (const transport of ['handle', 'net'] as const) {
  test(`${transport}: the upstream is asked whether it wants the body, and its 100 and final status pass`, async t => {
    const upstream = await Upstream.start(t)
    const proxy = await startProxy(t, upstream.port, { transport })
    const client = await proxy.client()
    for (let i = 0; i < 2; i++) {
      client.write(expecting)
      const connection = i === 0 ? await upstream.connection() : (upstream.connections[0] as never)
      const head = await connection.read(/\r\n\r\n/)
      t.regex(head, /^Expect: 100-continue\r$/m)
      t.is(client.received, '', 'the proxy does not answer the question itself')
      connection.write('HTTP/1.1 100 Continue\r\n\r\n')
      t.is((await client.interimOrFinal('POST')).startLine, 'HTTP/1.1 100 Continue')
      client.write('hello')
      t.is((await connection.request()).body, 'hello')
      connection.write(reply('thanks', '201 Created'))
      t.is(statusOf(await client.interimOrFinal('POST')), 201)
    }
    t.is(upstream.connections.length, 1)
    client.end()
    await client.readToEnd()
    await proxy.settled()
  })

  test(`${transport}: early hints and several other interim responses pass`, async t => {
    const upstream = await Upstream.start(
      t,
      answering(
        () =>
          `HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </b.css>\r\n\r\n${reply('hello')}`,
      ),
    )
    const proxy = await startProxy(t, upstream.port, { transport })
    const client = await proxy.client()
    for (let i = 0; i < 2; i++) {
      client.write(ask('/'))
      t.is(fieldOf(await client.interimOrFinal(), 'link'), '</a.css>')
      t.is(statusOf(await client.interimOrFinal()), 102)
      t.is(fieldOf(await client.interimOrFinal(), 'link'), '</b.css>')
      t.is((await client.interimOrFinal()).body, 'hello')
    }
    t.is(upstream.connections.length, 1)
  })

  test(`${transport}: a client of HTTP/1.0 gets no interim responses`, async t => {
    const upstream = await Upstream.start(
      t,
      answering(() => `HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n${reply('hello')}`),
    )
    const proxy = await startProxy(t, upstream.port, { transport })
    const client = await proxy.client()
    client.write('GET / HTTP/1.0\r\n\r\n')
    t.is((await client.interimOrFinal()).body, 'hello')
  })
}

test('a refused expectation reaches the client, and as nobody knows whether the body will come, the connection closes', async t => {
  const upstream = await Upstream.start(t, async connection => {
    await connection.read(/\r\n\r\n/)
    connection.write(reply('no', '417 Expectation Failed'))
  })
  const proxy = await startProxy(t, upstream.port)
  const client = await proxy.client()
  client.write(expecting)
  const response = await client.interimOrFinal('POST')
  t.is(statusOf(response), 417)
  t.is(fieldOf(response, 'connection'), 'close')
  t.is(response.body, 'no')
  t.is(await client.readToEnd(), '')
  client.destroy()
  await proxy.settled()
})

test('what follows a refused expectation is not taken for a request, body or not', async t => {
  const paths: string[] = []
  const upstream = await Upstream.start(t, async connection => {
    paths.push((await connection.read(/\r\n\r\n/)).split('\r\n')[0] ?? '')
    connection.write(reply('no', '417 Expectation Failed'))
  })
  const proxy = await startProxy(t, upstream.port)
  const client = await proxy.client()
  client.write(expecting)
  await client.response('POST')
  client.write(ask('/smuggled'))
  t.is(await client.readToEnd(), '')
  client.destroy()
  await proxy.settled()
  t.deepEqual(paths, ['POST / HTTP/1.1'])
})

test('a client that sends the body without waiting for 100 is served as well', async t => {
  const upstream = await Upstream.start(
    t,
    answering(({ body }) => `HTTP/1.1 100 Continue\r\n\r\n${reply(body)}`),
  )
  const proxy = await startProxy(t, upstream.port)
  const client = await proxy.client()
  for (let i = 0; i < 2; i++) t.is((await client.ask(`${expecting}hello`)).body, 'hello')
  t.is(upstream.connections.length, 1)
})

const echo = ({ body }: Message): Message => new Message(body?.size ? body : 'nothing')

const local = {
  serveHTTP: sluice().listen('127.0.0.1:0').serveHTTP(echo),
  replaceMessage: sluice()
    .listen('127.0.0.1:0')
    .demuxHTTP()
    .to($ => $.replaceMessage(echo)),
}

for (const [name, script] of Object.entries(local)) {
  test(`a client that waits for 100 gets it from ${name}`, async t => {
    const server = await serve(t, script)
    const client = await server.client()
    for (let i = 0; i < 2; i++) {
      client.write(expecting)
      t.is((await client.interimOrFinal('POST')).startLine, 'HTTP/1.1 100 Continue')
      client.write('hello')
      t.is((await client.interimOrFinal('POST')).body, 'hello')
    }
  })

  test(`a client of HTTP/1.0 gets no 100 from ${name}`, async t => {
    const server = await serve(t, script)
    const client = await server.client()
    client.write('POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n')
    client.write('hello')
    t.is((await client.interimOrFinal('POST')).body, 'hello')
  })
}

test('a request without a body is not asked for one, whatever it expects', async t => {
  const server = await serve(t, local.serveHTTP)
  const client = await server.client()
  client.write(ask('/', 'Expect: 100-continue'))
  t.is((await client.interimOrFinal()).body, 'nothing')
})

test('a script refuses a body before it is sent, by answering the head', async t => {
  const script = sluice()
    .listen('127.0.0.1:0')
    .demuxHTTP()
    .to($ => $.replaceMessageStart(() => [new MessageStart({ status: 413 }), new MessageEnd()]))
  const server = await serve(t, script)
  const client = await server.client()
  client.write(expecting)
  const response = await client.interimOrFinal('POST')
  t.is(statusOf(response), 413)
  t.is(fieldOf(response, 'connection'), 'close')
  t.is(await client.readToEnd(), '')
})

test('a script sends interim responses of its own', async t => {
  const script = sluice()
    .listen('127.0.0.1:0')
    .demuxHTTP()
    .to($ =>
      $.replaceMessage(() => [
        new Message({ status: 103, headers: { link: '</a.css>' } }),
        new Message({ status: 200 }, 'hello'),
      ]),
    )
  const server = await serve(t, script)
  const client = await server.client()
  for (let i = 0; i < 2; i++) {
    client.write(ask('/'))
    t.is(statusOf(await client.interimOrFinal()), 103)
    t.is((await client.interimOrFinal()).body, 'hello')
  }
})
