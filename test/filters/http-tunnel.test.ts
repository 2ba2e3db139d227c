/** acceptHTTPTunnel and connectHTTPTunnel: a request, a response, then a stream. */

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { Data, Message, sluice } from '../../actors/index.ts'
import { runScript } from '../support/run-script.ts'
import { openStream, testProgram } from '../support/stream.ts'
import { TcpClient } from '../support/tcp-client.ts'
import { answering, reply, Upstream } from '../support/upstream.ts'

const connectTo = (target: string): string => `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`
const upgrade = 'GET /chat HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n'

const shout = (data: Data): Data => new Data(data.toString().toUpperCase())

/** Grants what goes to port 443, and shouts in the tunnel. */
const onBytes = () =>
  sluice({ target: '' })
    .listen('127.0.0.1:0')
    .acceptHTTPTunnel((request, ctx) => {
      ctx.target = request.head.path
      return request.head.path.endsWith(':80') ? new Message({ status: 403 }, 'no\n') : undefined
    })
    .to($ => $.replaceData(shout))

const onMessages = () =>
  sluice({ target: '' })
    .listen('127.0.0.1:0')
    .demuxHTTP()
    .to($ =>
      $.acceptHTTPTunnel((request, ctx) => {
        ctx.target = request.head.path
        return request.head.path.endsWith(':80') ? new Message({ status: 403 }, 'no\n') : undefined
      }).to($ => $.replaceData(shout)),
    )

async function client(t: ExecutionContext, script: unknown): Promise<TcpClient> {
  const { port } = await runScript(t, script)
  const peer = await TcpClient.connect(port)
  t.teardown(() => peer.destroy())
  return peer
}

for (const [where, script] of [
  ['on bytes', onBytes],
  ['behind demuxHTTP', onMessages],
] as const) {
  test(`${where}: a granted CONNECT makes a tunnel, and each direction ends by itself`, async t => {
    const peer = await client(t, script())
    peer.write(`${connectTo('a:443')}at once`)
    await peer.read(/\r\n\r\nAT ONCE$/)
    t.regex(peer.received, /^HTTP\/1\.1 200 OK\r\n/)
    t.notRegex(peer.received, /content-length|transfer-encoding/i)
    peer.end(' and later')
    t.regex(await peer.readToEnd(), /AT ONCE AND LATER$/)
  })

  test(`${where}: an Upgrade is answered with 101 and the protocol`, async t => {
    const peer = await client(t, script())
    peer.write(`${upgrade}hello`)
    await peer.read(/HELLO$/)
    t.regex(peer.received, /^HTTP\/1\.1 101 [\s\S]*upgrade: chat\r\n/i)
  })

  test(`${where}: another response is sent, and the next request is taken`, async t => {
    const peer = await client(t, script())
    const refused = await peer.ask(connectTo('a:80'))
    t.regex(refused.startLine, /^HTTP\/1\.1 403/)
    t.is(refused.body, 'no\n')
    peer.write(`${connectTo('a:443')}now`)
    await peer.read(/NOW$/)
  })

  test(`${where}: a plain request is told that here are tunnels only`, async t => {
    const peer = await client(t, script())
    t.regex((await peer.ask('GET / HTTP/1.1\r\nHost: a\r\n\r\n')).startLine, /^HTTP\/1\.1 400/)
  })
}

test('the answer may be a promise, and what comes meanwhile waits', async t => {
  const { promise, resolve } = Promise.withResolvers<Message>()
  const asked = Promise.withResolvers<void>()
  const script = sluice()
    .listen('127.0.0.1:0')
    .acceptHTTPTunnel(() => {
      asked.resolve()
      return promise
    })
    .to($ => $.replaceData(shout))
  const peer = await client(t, script)
  peer.write(`${connectTo('a:1')}early`)
  await asked.promise
  peer.write(' bird')
  resolve(new Message({ headers: { 'x-by': 'me' } }))
  await peer.read(/x-by: me\r\n[\s\S]*EARLY BIRD$/)
  t.regex(peer.received, /^HTTP\/1\.1 200/)
})

test('a callback that fails, or gives what is no response, is told as 500 behind demuxHTTP, and closes on bytes', async t => {
  for (const answer of [() => Promise.reject(new Error('no')), () => 7 as never]) {
    const messages = sluice()
      .listen('127.0.0.1:0')
      .demuxHTTP()
      .to($ => $.acceptHTTPTunnel(answer).to($ => $))
    t.regex((await (await client(t, messages)).ask(connectTo('a:1'))).startLine, /^HTTP\/1\.1 500/)
    const bytes = sluice()
      .listen('127.0.0.1:0')
      .acceptHTTPTunnel(answer)
      .to($ => $)
    const peer = await client(t, bytes)
    peer.write(connectTo('a:1'))
    t.is(await peer.readToEnd(), '')
  }
})

test('a request with a body over the limit is refused', async t => {
  const script = sluice()
    .listen('127.0.0.1:0')
    .acceptHTTPTunnel(() => undefined, { bodyLimit: 10 })
    .to($ => $)
  const peer = await client(t, script)
  const body = 'x'.repeat(11)
  const request = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  t.regex((await peer.ask(request)).startLine, /^HTTP\/1\.1 413/)
})

test('bytes that are no HTTP are refused', async t => {
  const peer = await client(t, onBytes())
  peer.write('\x05\x01\0\r\n\r\n')
  t.regex(await peer.readToEnd(), /^HTTP\/1\.1 400/)
})

test('the tunnel has a copy of the context: what it sets, the next does not see', async t => {
  const seen: number[] = []
  const { program, open } = testProgram(
    t,
    sluice({ count: 1 })
      .pipeline('main')
      .acceptHTTPTunnel((_, ctx) => {
        ctx.count++
      })
      .to($ =>
        $.handleStreamStart((_, ctx) => {
          seen.push(++ctx.count)
        }),
      ),
  )
  const stream = open().feed('', connectTo('a:1'))
  t.deepEqual(seen, [3])
  t.is(stream.context.count, 2)
  t.is(program.sessions.size, 1)
})

test('in a pipeline that others refer to, the first event tells whether there are bytes or messages', t => {
  const script = () =>
    sluice()
      .pipeline('main')
      .acceptHTTPTunnel(() => undefined)
      .to($ => $.replaceData(shout))
  t.regex(openStream(t, script()).feed('', `${connectTo('a:1')}x`).text, /^HTTP\/1\.1 200[\s\S]*X$/)
  const stream = openStream(t, script()).feed(new Message({ method: 'CONNECT', path: 'a:1' }), 'x')
  t.deepEqual(stream.output, ['<', '>', 'X'])
})

// connectHTTPTunnel

const connecting = (port: number, request: Message | (() => Promise<Message>), states?: string[]) =>
  sluice()
    .pipeline('main')
    .connectHTTPTunnel(request, {
      handshakeTimeout: '1s',
      onState: ({ state, response }) => states?.push(`${state} ${response?.status ?? ''}`),
    })
    .to($ => $.muxHTTP().to($ => $.connect(`127.0.0.1:${port}`)))

test('connectHTTPTunnel reaches a target through acceptHTTPTunnel', async t => {
  const { port } = await runScript(t, onBytes())
  const states: string[] = []
  const request = new Message({ method: 'CONNECT', path: 'a:443' })
  for (const given of [request, async () => request]) {
    const stream = openStream(t, connecting(port, given, states)).feed('hello')
    await stream.next(() => stream.text === 'HELLO')
    stream.feed(' again').end()
    await stream.ended()
    t.deepEqual(stream.output, ['HELLO AGAIN', '|'])
  }
  t.deepEqual(states.slice(0, 3), ['connecting ', 'connected 200', 'closed 200'])
})

test('an Upgrade is asked for as such', async t => {
  const upstream = await Upstream.start(t, async connection => {
    const { startLine: start, fields } = await connection.request()
    t.is(start, 'GET /chat HTTP/1.1')
    t.true(fields.some(([name, value]) => name.toLowerCase() === 'upgrade' && value === 'chat'))
    connection.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\nwelcome',
    )
  })
  const request = new Message({ method: 'GET', path: '/chat', headers: { host: 'a', upgrade: 'chat' } })
  const stream = openStream(t, connecting(upstream.port, request)).feed('hello')
  await stream.next(() => stream.text === 'welcome')
  await upstream.connections[0]?.read(/hello$/)
  t.pass()
})

for (const [status, code] of [
  ['403 Forbidden', 'Unauthorized'],
  ['407 Proxy Authentication Required', 'Unauthorized'],
  ['504 Gateway Timeout', 'ConnectionTimeout'],
  ['502 Bad Gateway', 'ConnectionRefused'],
  ['101 Switching Protocols', 'UpstreamProtocolError'],
] as const) {
  test(`an answer of ${status} ends the stream with ${code}`, async t => {
    const upstream = await Upstream.start(
      t,
      answering(() => reply('no', status)),
    )
    const stream = openStream(t, connecting(upstream.port, new Message({ method: 'CONNECT', path: 'a:1' })))
    t.is((await stream.feed('hello').ended()).error, code)
    t.is(stream.text, '')
    t.notRegex(upstream.received, /hello/)
  })
}

test('a proxy that is down, closes or is silent ends the stream in words', async t => {
  const early = await Upstream.start(t, connection => connection.end())
  const silent = await Upstream.start(t)
  for (const [port, code] of [
    [1, 'ConnectionRefused'],
    [early.port, 'ConnectionReset'],
    [silent.port, 'ConnectionTimeout'],
  ] as const) {
    const stream = openStream(t, connecting(port, new Message({ method: 'CONNECT', path: 'a:1' })))
    t.is((await stream.feed('hello').ended()).error, code)
  }
})

test('interim responses are waited out, and a stream that ends at once asks for nothing', async t => {
  const upstream = await Upstream.start(
    t,
    answering(() => 'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\nin'),
  )
  const request = new Message({ method: 'CONNECT', path: 'a:1' })
  const stream = openStream(t, connecting(upstream.port, request)).feed('')
  await stream.next(() => stream.text === 'in')
  t.deepEqual(openStream(t, connecting(1, request)).end().output, ['|'])
})

test('what is no request is refused when the script is loaded, or ends the stream', t => {
  t.throws(() => openStream(t, connecting(1, 7 as never)), { code: 'BadOption' })
  t.deepEqual(openStream(t, connecting(1, (() => 7) as never)).feed('x').output, ['|RuntimeError'])
})

test('curl goes through the tunnel', async t => {
  const upstream = await Upstream.start(
    t,
    answering(() => reply('from behind')),
  )
  const script = sluice({ target: '' })
    .listen('127.0.0.1:0')
    .acceptHTTPTunnel((request, ctx) => {
      ctx.target = request.head.path
    })
    .to($ => $.connect(ctx => ctx.target))
  const { port } = await runScript(t, script)
  const { stdout } = await promisify(execFile)('curl', [
    ...['-s', '--proxytunnel', '--proxy', `http://127.0.0.1:${port}`],
    `http://127.0.0.1:${upstream.port}/`,
  ])
  t.is(stdout, 'from behind')
})
