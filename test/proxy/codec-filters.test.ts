/** The codec as filters of their own, for scripts that put HTTP together step by step as in Pipy. */

import test from 'ava'
import { Message, sluice } from '../../actors/index.ts'
import { fieldOf, statusOf } from '../support/http-text.ts'
import { serve } from '../support/proxy.ts'
import { answering, ask, reply, Upstream, unusedPort } from '../support/upstream.ts'

const echo = () =>
  sluice()
    .listen('127.0.0.1:0')
    .decodeHTTPRequest()
    .replaceMessage(({ head, body }) => new Message(`${head.method} ${head.path} ${body}`))
    .encodeHTTPResponse()

for (const transport of ['handle', 'net'] as const) {
  test(`${transport}: decodeHTTPRequest and encodeHTTPResponse serve a connection`, async t => {
    const server = await serve(t, echo(), transport)
    const client = await server.client()
    client.write(
      `${ask('/1')}POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello${ask('/3').replace('GET', 'HEAD')}${ask('/4')}`,
    )
    t.is((await client.response()).body, 'GET /1 ')
    t.is((await client.response()).body, 'POST /2 hello')
    t.is(fieldOf(await client.response('HEAD'), 'content-length'), undefined)
    t.is((await client.response()).body, 'GET /4 ')
    client.write(ask('/5', 'Connection: close'))
    const last = await client.response()
    t.is(last.body, 'GET /5 ')
    t.is(fieldOf(last, 'connection'), 'close')
    t.is(await client.readToEnd(), '')
    client.end()
    await server.settled()
  })

  test(`${transport}: they refuse what is no HTTP behind what they have answered`, async t => {
    const server = await serve(t, echo(), transport)
    const client = await server.client()
    client.write(`${ask('/1')}GET / HTTP/1.1\nHost: a\r\n\r\n${ask('/never')}`)
    t.is((await client.response()).body, 'GET /1 ')
    const refusal = await client.response()
    t.is(statusOf(refusal), 400)
    t.is(await client.readToEnd(), '')
    client.end()
    await server.settled()
  })

  test(`${transport}: encodeHTTPRequest, connect and decodeHTTPResponse ask an upstream`, async t => {
    const upstream = await Upstream.start(
      t,
      answering(({ startLine }) =>
        startLine.startsWith('HEAD')
          ? 'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n'
          : `HTTP/1.1 103 Early Hints\r\n\r\n${reply(startLine)}`,
      ),
    )
    const script = sluice()
      .listen('127.0.0.1:0')
      .demuxHTTP()
      .to($ => $.encodeHTTPRequest().connect(`127.0.0.1:${upstream.port}`).decodeHTTPResponse())
    const proxy = await serve(t, script, transport)
    const client = await proxy.client()
    for (let i = 0; i < 2; i++) {
      client.write(ask(`/${i}`))
      t.is(statusOf(await client.interimOrFinal()), 103)
      t.is((await client.interimOrFinal()).body, `GET /${i} HTTP/1.1`)
      t.is(fieldOf(await client.ask(ask('/').replace('GET', 'HEAD')), 'content-length'), '7')
    }
    t.is(upstream.connections.length, 4, 'one for each message')
    await Promise.all(upstream.connections.map(connection => connection.readToEnd()))
    client.end()
    await client.readToEnd()
    await proxy.settled()
  })

  test(`${transport}: they say what went wrong with an upstream`, async t => {
    const script = (port: number) =>
      sluice()
        .listen('127.0.0.1:0')
        .demuxHTTP()
        .to($ => $.encodeHTTPRequest().connect(`127.0.0.1:${port}`).decodeHTTPResponse())
    const refused = await serve(t, script(await unusedPort(t)), transport)
    t.is(statusOf(await (await refused.client()).ask(ask('/'))), 502)
    for (const response of ['', 'nonsense\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n']) {
      const upstream = await Upstream.start(t, async connection => {
        await connection.request()
        connection.end(response)
      })
      const proxy = await serve(t, script(upstream.port), transport)
      const client = await proxy.client()
      client.write(ask('/'))
      if (response.startsWith('HTTP')) t.true((await client.readToEnd()).endsWith('\r\n\r\n'))
      else t.is(statusOf(await client.response()), 502, response)
      client.destroy()
      await proxy.settled()
    }
  })
}
