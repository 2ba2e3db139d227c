/** CONNECT: the proxy behind ours makes the tunnel, and ours is part of it. */

import test from 'ava'
import { statusOf } from '../support/http-text.ts'
import { startProxy } from '../support/proxy.ts'
import { ask, reply, Upstream } from '../support/upstream.ts'

const connect = 'CONNECT example.test:443 HTTP/1.1\r\nHost: example.test:443\r\n\r\n'

for (const transport of ['handle', 'net'] as const) {
  test(`${transport}: bytes go both ways through a tunnel that CONNECT asked for`, async t => {
    const upstream = await Upstream.start(t)
    const proxy = await startProxy(t, upstream.port, { transport })
    const client = await proxy.client()
    client.write(`${connect}hello`)
    const server = await upstream.connection()
    const request = await server.request()
    t.is(request.startLine, 'CONNECT example.test:443 HTTP/1.1')
    t.is(server.received, '', 'no byte of the tunnel is sent before there is one')
    server.write('HTTP/1.1 200 Connection established\r\nContent-Length: 5\r\n\r\nworld')
    const response = await client.response('CONNECT')
    t.is(statusOf(response), 200)
    t.deepEqual(response.fields, [])
    await client.read(/^world$/)
    await server.read(/^hello$/)
    client.end('bye')
    t.is(await server.readToEnd(), 'hellobye')
    server.end('bye')
    t.is(await client.readToEnd(), 'worldbye')
    await proxy.settled()
  })

  test(`${transport}: a refused CONNECT is a response like any other`, async t => {
    const upstream = await Upstream.start(t)
    const proxy = await startProxy(t, upstream.port, { transport })
    const client = await proxy.client()
    client.write(connect + ask('/next'))
    const server = await upstream.connection()
    await server.request()
    server.write(reply('who are you?', '407 Proxy Authentication Required'))
    t.is((await client.response()).body, 'who are you?')
    t.is((await server.request()).startLine, 'GET /next HTTP/1.1')
    server.write(reply('next'))
    t.is((await client.response()).body, 'next')
  })
}
