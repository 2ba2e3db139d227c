/** acceptTLS: TLS taken out of a stream inside of a pipeline, with Node on the other side. */

import test from 'ava'
import { sluice } from '../../actors/index.ts'
import { scope } from '../../runtime/script/scope.ts'
import { until } from '../support/proxy.ts'
import { runScript, transports } from '../support/run-script.ts'
import { testProgram } from '../support/stream.ts'
import { certificates, dial, dialect, echo } from '../support/tls-peers.ts'

const { ca, server, other, client, stranger } = certificates

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

test('in the dialect callbacks among the options find the context around them', async t => {
  const found: unknown[] = []
  const note = (what: string, count: number): void =>
    void found.push([what, count, scope.current !== undefined])
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
