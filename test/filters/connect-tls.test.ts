/** connectTLS: TLS with a server, over a pipeline. */

import { once } from 'node:events'
import { createServer } from 'node:tls'
import test, { type ExecutionContext } from 'ava'
import { sluice } from '../../actors/index.ts'
import { runScript } from '../support/run-script.ts'
import { openStream } from '../support/stream.ts'
import { TcpClient } from '../support/tcp-client.ts'
import { certificates, dialect, nodeServer } from '../support/tls-peers.ts'
import { Upstream } from '../support/upstream.ts'

const { ca, server, client, stranger } = certificates

test('connectTLS speaks to a server, and each direction ends by itself', async t => {
  const port = await nodeServer(t, { ALPNProtocols: ['b'] })
  const agreed: unknown[] = []
  const script = sluice()
    .pipeline('main')
    .connectTLS({
      trusted: ca,
      sni: () => 'localhost',
      alpn: ['a', 'b'],
      handshake: ({ alpn, protocol, peer }) => agreed.push(alpn, protocol, peer?.subject),
    })
    .to($ => $.connect(`127.0.0.1:${port}`))
  const stream = openStream(t, script).feed('hello')
  await stream.next(event => event.kind === 0 && event.toString() === '<hello>')
  stream.end()
  await stream.ended()
  t.deepEqual(stream.output, ['<hello>bye', '|'])
  t.deepEqual(agreed, ['b', 'TLSv1.3', 'CN=localhost'])
})

test('a server that is not who it should be gets no byte of the stream', async t => {
  const received: string[] = []
  const listener = createServer({ ...server } as never, socket => {
    socket.on('error', () => {})
    socket.on('data', bytes => received.push(String(bytes)))
  }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  t.teardown(() => listener.close())
  const { port } = listener.address() as { port: number }
  for (const options of [
    { sni: 'localhost' },
    { sni: 'other.test', trusted: ca },
    { sni: 'localhost', trusted: stranger.cert },
    { sni: 'localhost', trusted: ca, verify: () => false },
  ]) {
    const script = sluice()
      .pipeline('main')
      .connectTLS(options)
      .to($ => $.connect(`127.0.0.1:${port}`))
    const stream = openStream(t, script).feed('secret')
    t.is((await stream.ended()).error, 'TLSError')
  }
  t.deepEqual(received, [])
})

test('with verify: false, or a callback that agrees, any server will do', async t => {
  const port = await nodeServer(t, stranger)
  for (const verify of [false, () => true]) {
    const script = sluice()
      .pipeline('main')
      .connectTLS({ verify })
      .to($ => $.connect(`127.0.0.1:${port}`))
    const stream = openStream(t, script).feed('hello')
    await stream.next(event => event.kind === 0 && event.toString() === '<hello>')
  }
  t.pass()
})

test('without a name to check the certificate for, the script is refused, or the stream', async t => {
  const main = () => sluice().pipeline('main')
  t.throws(() => openStream(t, main().connectTLS().to('main')), { code: 'BadOption', message: /'sni'/ })
  const late = main()
    .connectTLS({ sni: () => undefined })
    .to($ => $.dummy())
  t.is((await openStream(t, late).feed('x').ended()).error, 'TLSError')
})

test('a server that is down, is none, or closes at once ends the stream in words', async t => {
  const none = await Upstream.start(t, connection => connection.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  const early = await Upstream.start(t, connection => connection.end())
  for (const [port, code] of [
    [1, 'ConnectionRefused'],
    [none.port, 'TLSError'],
    [early.port, 'ConnectionReset'],
  ] as const) {
    const script = sluice()
      .pipeline('main')
      .connectTLS({ sni: 'localhost' })
      .to($ => $.connect(`127.0.0.1:${port}`))
    t.is((await openStream(t, script).feed('x').ended()).error, code)
  }
})

test('while the handshake is awaited, what comes waits within bounds', async t => {
  const silent = await Upstream.start(t)
  const script = sluice()
    .pipeline('main')
    .connectTLS({ sni: 'localhost', handshakeTimeout: '10ms' })
    .to($ => $.connect(`127.0.0.1:${silent.port}`))
  const stream = openStream(t, script).feed('x'.repeat(70_000))
  t.true(stream.source.isPaused)
  t.is((await stream.ended()).error, 'TLSError')
  t.false(stream.source.isPaused)
})

test('a stream that ends at once never connects', t => {
  const script = sluice()
    .pipeline('main')
    .connectTLS({ sni: 'localhost' })
    .to($ => $.connect('127.0.0.1:1'))
  t.deepEqual(openStream(t, script).end().output, ['|'])
})

test('a certificate is shown to a server that asks for one', async t => {
  const port = await nodeServer(t, { ca, requestCert: true, rejectUnauthorized: true })
  const script = sluice()
    .pipeline('main')
    .connectTLS({ sni: 'localhost', trusted: ca, certificate: () => client })
    .to($ => $.connect(`127.0.0.1:${port}`))
  const stream = openStream(t, script).feed('hello')
  await stream.next(event => event.kind === 0 && event.toString() === '<hello>')
  t.pass()
})

test('the two filters speak to each other, megabytes in both directions', async t => {
  const running = await echoRaw(t)
  const script = sluice()
    .listen('127.0.0.1:0')
    .connectTLS({ sni: 'localhost', trusted: ca })
    .to($ => $.connect(`127.0.0.1:${running.port}`))
  const { port } = await runScript(t, script)
  const peer = await TcpClient.connect(port)
  t.teardown(() => peer.destroy())
  const sent = Buffer.alloc(4 * 1024 * 1024, 'abcdefghijklmnopqrstuvwxyz')
  peer.socket.end(sent)
  t.true(Buffer.from(await peer.readToEnd(), 'latin1').equals(sent))
})
const echoRaw = (t: ExecutionContext) =>
  runScript(
    t,
    sluice()
      .listen('127.0.0.1:0')
      .acceptTLS({ certificate: server })
      .to($ => $.handleData(() => {})),
  )

test('in the dialect a server is checked when trusted is given, as in Pipy, and pipelines may stand in front', async t => {
  const port = await nodeServer(t)
  const connecting = (options?: object) =>
    dialect().pipeline?.('main').connectTLS?.('out', options).pipeline?.('out').connect?.(`127.0.0.1:${port}`)
  const trusting = openStream(t, connecting()).feed('hello')
  await trusting.next(event => event.kind === 0 && event.toString() === '<hello>')
  const checking = openStream(t, connecting({ trusted: [ca] })).feed('hello')
  await checking.next(event => event.kind === 0 && event.toString() === '<hello>')
  const strict = openStream(t, connecting({ trusted: [stranger.cert] })).feed('hello')
  t.is((await strict.ended()).error, 'TLSError')
})
