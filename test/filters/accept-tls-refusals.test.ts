/** acceptTLS refuses what OpenSSL's defaults refuse, and bytes that are no TLS. */

import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { connect } from 'node:tls'
import test from 'ava'
import { Data, sluice } from '../../actors/index.ts'
import { opensslClient } from '../support/openssl.ts'
import { until } from '../support/proxy.ts'
import { runScript } from '../support/run-script.ts'
import { openStream } from '../support/stream.ts'
import { TcpClient } from '../support/tcp-client.ts'
import { certificates, dial, echo } from '../support/tls-peers.ts'

const { ca, server } = certificates

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
