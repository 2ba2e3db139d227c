/** acceptTLS and connectTLS: TLS inside of pipelines, with OpenSSL and Node on the other side. */

import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { type ConnectionOptions, connect, createServer, type TLSSocket } from 'node:tls'
import ava, { type ExecutionContext } from 'ava'
import { type AcceptTLSOptions, Data, sluice } from '../../actors/index.ts'
import { ScriptBuilder } from '../../actors/script/builder.ts'
import { scope } from '../../runtime/script/scope.ts'
import { makeCertificates } from '../runtime/net/support/certificates.ts'
import { opensslClient } from '../support/openssl.ts'
import { until } from '../support/proxy.ts'
import { type RunningScript, runScript, transports } from '../support/run-script.ts'
import { openStream, testProgram } from '../support/stream.ts'
import { TcpClient } from '../support/tcp-client.ts'
import { Upstream } from '../support/upstream.ts'

const test = ava
const { ca, server, other, client, stranger } = makeCertificates()

type Variables = { asked: string[]; state: string[] }
type Options = AcceptTLSOptions<Variables>

/** A TLS server that gives back what it gets, in angle brackets. */
const echo = (t: ExecutionContext, options: Partial<Options> = {}, transport?: keyof typeof transports) =>
  runScript(
    t,
    sluice<Variables>(() => ({ asked: [], state: [] }))
      .listen('127.0.0.1:0')
      .acceptTLS({ certificate: server, ...options })
      .to($ => $.replaceData(data => (data.size === 0 ? data : new Data(`<${data}>`)))),
    transport,
  )

async function dial(
  t: ExecutionContext,
  { port }: RunningScript,
  options: ConnectionOptions = {},
): Promise<TcpClient & { socket: TLSSocket }> {
  const socket = connect({
    port,
    host: '127.0.0.1',
    ca,
    servername: 'localhost',
    allowHalfOpen: true,
    ...options,
  } as never)
  t.teardown(() => socket.destroy())
  await once(socket, 'secureConnect')
  return new TcpClient(socket) as never
}

for (const transport of Object.keys(transports) as (keyof typeof transports)[]) {
  test(`${transport}: bytes pass in both directions, and each ends by itself`, async t => {
    const running = await echo(t, {}, transport)
    const peer = await dial(t, running)
    peer.write('hello')
    await peer.read(/^<hello>$/)
    peer.end(' and bye')
    t.is(await peer.readToEnd(), '<hello>< and bye>')
    t.is(peer.error, undefined)
  })
}

test('what was agreed on is told before the first byte', async t => {
  const told: unknown[] = []
  const states: string[] = []
  const running = await echo(t, {
    alpn: ['h2', 'http/1.1'],
    handshake: ({ alpn, serverName, protocol, cipher, peer }) =>
      told.push([alpn, serverName, protocol, typeof cipher, peer]),
    onState: ({ state, error }) => states.push(`${state} ${error?.code ?? ''}`),
  })
  const peer = await dial(t, running, { ALPNProtocols: ['http/1.1', 'x'] })
  t.is(peer.socket.alpnProtocol, 'http/1.1')
  peer.end('x')
  await peer.readToEnd()
  t.deepEqual(told, [['http/1.1', 'localhost', 'TLSv1.3', 'string', undefined]])
  await until(() => states.length === 3)
  t.deepEqual(states, ['handshake ', 'connected ', 'closed '])
})

for (const [how, choose] of [
  ['at once', (name: string | undefined) => (name === 'other.test' ? other : server)],
  ['later', async (name: string | undefined) => (name === 'other.test' ? other : server)],
] as const) {
  test(`a certificate is chosen by name ${how}, and for clients that ask for none`, async t => {
    const asked: (string | undefined)[] = []
    const running = await echo(t, {
      certificate: name => {
        asked.push(name)
        return choose(name)
      },
    })
    const named = await dial(t, running, { servername: 'other.test' })
    t.is(named.socket.getPeerCertificate().subject.CN, 'other.test')
    const nameless = await dial(t, running, { servername: '' })
    t.is(nameless.socket.getPeerCertificate().subject.CN, 'localhost')
    t.deepEqual(asked, ['other.test', undefined])
    named.write('x')
    await named.read(/<x>/)
  })
}

test('a client for whose name there is no certificate is refused, others are served', async t => {
  const running = await echo(t, { certificate: name => (name === 'localhost' ? server : undefined) })
  await t.throwsAsync(dial(t, running, { servername: 'other.test' }), { message: /handshake failure/ })
  await dial(t, running)
})

test('a callback that fails ends that session alone', async t => {
  const running = await echo(t, {
    certificate: async name => {
      if (name === 'other.test') throw new Error('no such tenant')
      return server
    },
  })
  await t.throwsAsync(dial(t, running, { servername: 'other.test' }))
  await dial(t, running)
  t.is(running.logs.length, 1)
  t.regex(running.logs[0]?.message ?? '', /no such tenant/)
})

test('a protocol may be chosen by a callback, by name or index', async t => {
  for (const [choice, expected] of [
    [1, 'b'],
    ['a', 'a'],
    [-1, false],
  ] as const) {
    const running = await echo(t, { alpn: () => choice })
    const peer = await dial(t, running, { ALPNProtocols: ['a', 'b'] })
    t.is(peer.socket.alpnProtocol, expected)
  }
})

test('a client that offers other protocols only is refused', async t => {
  const running = await echo(t, { alpn: ['h2'] })
  await t.throwsAsync(dial(t, running, { ALPNProtocols: ['x'] }), { message: /no application protocol/ })
})

test('with trusted, only clients with a certificate of that authority are let in', async t => {
  const seen: string[] = []
  const running = await echo(t, {
    trusted: ca,
    handshake: ({ peer }) => seen.push(peer?.subject ?? ''),
  })
  const peer = await dial(t, running, client)
  peer.write('x')
  await peer.read(/<x>/)
  t.deepEqual(seen, ['CN=client'])
  for (const identity of [{}, stranger]) {
    const refused = await dial(t, running, identity).catch((error: Error) => error)
    if (!(refused instanceof Error)) t.is(await refused.readToEnd(), '')
  }
  // A session that is resumed is checked as well.
  const again = await dial(t, running, { ...client, session: peer.socket.getSession() })
  again.write('y')
  await again.read(/<y>/)
})

test('verify decides, knowing what the check gave', async t => {
  const asked: unknown[] = []
  const running = await echo(t, {
    trusted: [ca],
    verify: (ok, peer) => {
      asked.push([ok, peer?.subject])
      return peer !== undefined
    },
  })
  const unknown = await dial(t, running, stranger)
  unknown.write('x')
  await unknown.read(/<x>/)
  const nobody = await dial(t, running)
  t.is(await nobody.readToEnd(), '')
  t.deepEqual(asked, [
    [false, 'CN=stranger'],
    [false, undefined],
  ])
})

// What OpenSSL's defaults refuse

for (const [what, args, words] of [
  ['TLS 1.1', ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'], /alert protocol version|unsupported protocol/],
  ['TLS 1.0', ['-tls1', '-cipher', 'ALL:@SECLEVEL=0'], /alert protocol version|unsupported protocol/],
  [
    'weak ciphers',
    ['-tls1_2', '-cipher', 'NULL:aNULL:@SECLEVEL=0'],
    /handshake failure|no ciphers|no cipher/,
  ],
] as const) {
  test(`openssl s_client with ${what} is refused`, async t => {
    const { port } = await echo(t)
    t.regex(await opensslClient(port, args), words)
  })
}

for (const version of ['1_2', '1_3'] as const) {
  test(`openssl s_client with TLS ${version} is served`, async t => {
    const { port } = await echo(t)
    t.regex(await opensslClient(port, [`-tls${version}`], 'hello\n'), /<hello\n>/)
  })
}

test('minVersion and maxVersion bound what is spoken', async t => {
  const newest = await echo(t, { minVersion: 'TLSv1.3' })
  t.regex(await opensslClient(newest.port, ['-tls1_2']), /alert protocol version/)
  const older = await echo(t, { maxVersion: 'TLSv1.2' })
  const peer = await dial(t, older)
  t.is(peer.socket.getProtocol(), 'TLSv1.2')
})

const hello = (bytes: string): string => Buffer.from(bytes, 'hex').toString('latin1')
for (const [what, bytes, alert] of [
  ['HTTP', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', false],
  [
    'SSL 2',
    hello(`802e010002001500000010010080020080030080040080050080060040070000${'11'.repeat(18)}`),
    true,
  ],
  ['a record of 64 kB', hello('160301ffff0100') + 'a'.repeat(70_000), true],
  ['a broken ClientHello', hello('160301000501000001ff'), true],
  ['zeros', '\0'.repeat(100), false],
  ['an alert', hello('15030100020228'), true],
] as const) {
  test(`${what} in place of a handshake ends the connection, with an alert where OpenSSL has one`, async t => {
    const states: string[] = []
    const { port } = await echo(t, { onState: ({ state, error }) => states.push(`${state} ${error?.code}`) })
    const peer = await TcpClient.connect(port)
    t.teardown(() => peer.destroy())
    peer.write(bytes)
    const answer = await peer.readToEnd()
    t.is(answer.startsWith('\x15\x03'), alert, JSON.stringify(answer))
    await until(() => states.at(-1) === 'closed TLSError')
  })
}

test('a broken record behind the handshake ends both sides with TLSError', async t => {
  const ends: string[] = []
  const running = await runScript(
    t,
    sluice()
      .listen('127.0.0.1:0')
      .acceptTLS({ certificate: server })
      .to($ => $.handleStreamEnd(({ error }) => ends.push(error))),
  )
  const raw = await TcpClient.connect(running.port)
  t.teardown(() => raw.destroy())
  const wire = new Duplex({
    read() {},
    write(bytes, _encoding, done) {
      raw.socket.write(bytes, done)
    },
  })
  raw.socket.on('data', bytes => wire.push(bytes))
  const secure = connect({ socket: wire, ca, servername: 'localhost' })
  secure.on('error', () => {})
  secure.on('secureConnect', () => secure.write('x'))
  await once(secure, 'data')
  raw.socket.write(Buffer.from(`1703030020${'00'.repeat(32)}`, 'hex'))
  await raw.readToEnd()
  t.deepEqual(ends, ['TLSError'])
})

test('a client that leaves during the handshake, or before, is no fault', async t => {
  const running = await echo(t)
  const early = await TcpClient.connect(running.port)
  early.end()
  t.is(await early.readToEnd(), '')
  const within = await TcpClient.connect(running.port)
  within.end('\x16\x03\x01')
  t.is(await within.readToEnd(), '')
  t.deepEqual(running.logs, [])
})

test('a handshake that is not done in time is given up', async t => {
  const { port } = await echo(t, { handshakeTimeout: '10ms' })
  const peer = await TcpClient.connect(port)
  peer.write('\x16')
  t.is(await peer.readToEnd(), '')
})

test('in the filter, noise in place of TLS gives an alert or nothing, and one StreamEnd', async t => {
  for (const bytes of ['', 'x', '\x16\x03\x01\0\x05\x01\0\0\x01\xff', '\x16\x03\x03\xff\xff']) {
    const script = sluice()
      .pipeline('main')
      .acceptTLS({ certificate: () => server })
      .to($ => $)
    const stream = openStream(t, script).feed('', new Data(bytes, 'latin1')).end()
    await stream.ended()
    t.is(stream.output.filter(each => each.startsWith('|')).length, 1)
  }
})

// connectTLS

/** A TLS server of Node's own that gives back what it gets. */
async function nodeServer(
  t: ExecutionContext,
  options: Parameters<typeof createServer>[0] = {},
): Promise<number> {
  const listener = createServer({ ...server, allowHalfOpen: true, ...options } as never, socket => {
    socket.on('error', () => {})
    socket.on('data', bytes => socket.write(`<${bytes}>`))
    socket.on('end', () => socket.end('bye'))
  }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  t.teardown(() => listener.close())
  return (listener.address() as { port: number }).port
}

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

test('what cannot be used is refused when the script is loaded', t => {
  const main = () => sluice().pipeline('main')
  for (const options of [
    {},
    { certificate: { cert: 'x', key: 'y' } },
    { certificate: { cert: server.cert } },
    { certificate: { cert: server.cert, key: other.key } },
    { certificate: { cert: 7, key: 8 } },
    { certificate: server, minVersion: 'TLSv2' },
    { certificate: server, maxVersion: 'TLSv1.1' },
    { certificate: server, ciphers: 'nonsense' },
    { certificate: server, alpn: [7] },
    { certificate: server, unknown: 1 },
  ])
    t.throws(
      () =>
        testProgram(
          t,
          main()
            .acceptTLS(options as never)
            .to($ => $.dummy()),
        ),
      { code: 'BadOption' },
    )
  t.notThrows(() =>
    testProgram(
      t,
      main()
        .acceptTLS({ certificate: server, minVersion: 'TLS1' as never, ciphers: 'HIGH' })
        .to($ => $.dummy()),
    ),
  )
})

// Pipy's dialect

type Dialect = Record<string, (...args: unknown[]) => Dialect>
const dialect = (): Dialect => new ScriptBuilder({}, true) as unknown as Dialect

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

test('in the dialect callbacks among the options find the context around them', async t => {
  const found: unknown[] = []
  const note = (what: string, count: number): void => void found.push([what, count, scope.current !== undefined])
  const script = dialect()
    .listen?.('127.0.0.1:0')
    .acceptTLS?.('echo', {
      certificate: (...args: unknown[]) => {
        note('certificate', args.length)
        return server
      },
      verify: (...args: unknown[]) => {
        note('verify', args.length)
        return true
      },
      handshake: (...args: unknown[]) => note('handshake', args.length),
    })
    .pipeline?.('echo')
  const peer = await dial(t, await runScript(t, script))
  peer.write('x')
  await peer.read(/x/)
  t.deepEqual(found, [
    ['certificate', 1, true],
    ['verify', 2, true],
    ['handshake', 1, true],
  ])
})
