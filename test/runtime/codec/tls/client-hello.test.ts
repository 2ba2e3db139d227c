import { Buffer } from 'node:buffer'
import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { connect } from 'node:tls'
import test from 'ava'
import fc from 'fast-check'
import { type ClientHello, ClientHelloReader } from '../../../../runtime/codec/tls/index.ts'
import { cutAt, everyByte, noise, places, spoiled } from '../../../support/cuts.ts'

interface Read {
  readonly hello: ClientHello | undefined
  readonly violation: string | undefined
}

function read(input: Buffer | readonly Buffer[], maxBytes?: number): Read {
  const reader = new ClientHelloReader(maxBytes)
  for (const piece of Buffer.isBuffer(input) ? [input] : input) reader.read(piece, 0, piece.length)
  return { hello: reader.hello, violation: reader.violation?.id }
}

const vector = (size: 1 | 2 | 3, ...parts: Buffer[]): Buffer => {
  const content = Buffer.concat(parts)
  const length = Buffer.alloc(size)
  length.writeUIntBE(content.length, 0, size)
  return Buffer.concat([length, content])
}
const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff])
const extension = (type: number, content: Buffer): Buffer => Buffer.concat([u16(type), vector(2, content)])
const serverName = (name: string): Buffer =>
  extension(0, vector(2, Buffer.from([0]), vector(2, Buffer.from(name, 'latin1'))))
const alpn = (...names: string[]): Buffer =>
  extension(16, vector(2, ...names.map(name => vector(1, Buffer.from(name, 'latin1')))))
const versions = (...all: number[]): Buffer => extension(43, vector(1, ...all.map(u16)))

const helloOf = (...extensions: Buffer[]): Buffer =>
  Buffer.concat([
    Buffer.from([1]),
    vector(
      3,
      u16(0x0303),
      Buffer.alloc(32, 7),
      vector(1, Buffer.alloc(32, 8)),
      vector(2, u16(0x1301), u16(0x1302)),
      vector(1, Buffer.from([0])),
      ...(extensions.length === 0 ? [] : [vector(2, ...extensions)]),
    ),
  ])

/** A message in records of at most `size` bytes. */
const records = (message: Buffer, size = 16_384): Buffer => {
  const parts: Buffer[] = []
  for (let at = 0; at < message.length; at += size)
    parts.push(Buffer.from([22, 3, 1]), vector(2, message.subarray(at, at + size)))
  return Buffer.concat(parts)
}

const usual = helloOf(serverName('Example.COM'), alpn('h2', 'http/1.1'), versions(0x0a0a, 0x0304, 0x0303))
const said: ClientHello = {
  serverNames: ['example.com'],
  protocolNames: ['h2', 'http/1.1'],
  versions: ['TLSv1.3', 'TLSv1.2'],
}

test('server name, protocols and versions are found', t => {
  t.deepEqual(read(records(usual)), { hello: said, violation: undefined })
})

test('a hello without extensions says its version alone', t => {
  t.deepEqual(read(records(helloOf())).hello, { serverNames: [], protocolNames: [], versions: ['TLSv1.2'] })
})

test('a hello spread over records, and cut anywhere, is read the same', t => {
  for (const size of [1, 2, 3, 5, 100]) t.deepEqual(read(everyByte(records(usual, size))).hello, said)
})

test('what follows the hello is not looked at', t => {
  const reader = new ClientHelloReader()
  const bytes = Buffer.concat([records(usual), Buffer.from('anything')])
  t.true(reader.read(bytes, 0, bytes.length))
  t.true(reader.read(bytes, 0, bytes.length))
  t.deepEqual(reader.hello, said)
})

test('what OpenSSL sends is understood', async t => {
  const sent: Buffer[] = []
  const wire = new Duplex({
    read() {},
    write(chunk, _encoding, done) {
      sent.push(chunk)
      wire.emit('sent')
      done()
    },
  })
  const socket = connect({ socket: wire, servername: 'tenant.test', ALPNProtocols: ['h2', 'x'] })
  socket.on('error', () => {})
  if (sent.length === 0) await once(wire, 'sent')
  socket.destroy()
  t.deepEqual(read(sent).hello, {
    serverNames: ['tenant.test'],
    protocolNames: ['h2', 'x'],
    versions: ['TLSv1.3', 'TLSv1.2'],
  })
})

const broken: readonly [string, string, Buffer][] = [
  ['another protocol', 'notHandshake', Buffer.from('GET / HTTP/1.1\r\n')],
  ['a version that cannot be', 'badRecord', Buffer.from([22, 2, 0])],
  ['an empty record', 'badRecord', Buffer.from([22, 3, 1, 0, 0])],
  ['a record over 2^14', 'badRecord', Buffer.from([22, 3, 1, 0x40, 0x01])],
  [
    'an alert between its records',
    'notHandshake',
    Buffer.concat([records(usual.subarray(0, 9)), Buffer.from([21])]),
  ],
  ['another handshake message', 'notClientHello', records(Buffer.from([2, 0, 0, 4, 0, 0, 0, 0]))],
  ['a length over the limit', 'tooLarge', records(Buffer.from([1, 0xff, 0xff, 0xff]))],
  ['a hello that ends inside', 'malformed', records(Buffer.from([1, 0, 0, 2, 3, 3]))],
  [
    'bytes behind the extensions',
    'malformed',
    records(Buffer.concat([Buffer.from([1]), vector(3, usual.subarray(4), Buffer.from([0]))])),
  ],
  ['a repeated extension', 'repeatedExtension', records(helloOf(versions(0x0304), versions(0x0303)))],
  ['a name with a line break', 'badServerName', records(helloOf(serverName('a\nb')))],
  ['an empty name', 'badServerName', records(helloOf(serverName('')))],
  ['an empty protocol', 'malformed', records(helloOf(alpn('h2', '')))],
  ['an extension over the end', 'malformed', records(helloOf(Buffer.from([0, 16, 0, 9, 1])))],
]
for (const [what, id, bytes] of broken) {
  test(`${what} is no ClientHello`, t => {
    t.deepEqual(read(bytes), { hello: undefined, violation: id })
    t.deepEqual(read(everyByte(bytes)), { hello: undefined, violation: id })
  })
}

test('a small hello under a small limit passes, a larger one does not', t => {
  t.truthy(read(records(usual), usual.length).hello)
  t.is(read(records(usual), usual.length - 1).violation, 'tooLarge')
})

const name = fc.string({ unit: fc.constantFrom(...'abcXYZ019-._'), minLength: 1, maxLength: 60 })
const protocol = fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 20 })
const hello = fc.tuple(name, fc.array(protocol, { minLength: 1, maxLength: 4 })).map(([host, protocols]) => ({
  host,
  protocols,
  bytes: helloOf(serverName(host), extension(0x2a2a, Buffer.alloc(3)), alpn(...protocols)),
}))

test('any hello is read the same however it is cut and framed', t => {
  fc.assert(
    fc.property(hello, fc.integer({ min: 1, max: 300 }), places, ({ host, protocols, bytes }, size, at) => {
      const found = read(cutAt(records(bytes, size), at)).hello
      t.deepEqual(found?.serverNames, [host.toLowerCase()])
      t.deepEqual(found?.protocolNames, protocols)
    }),
  )
})

for (const [what, given] of [
  ['noise', noise()],
  ['noise behind a record header', noise().map(bytes => records(Buffer.concat([Buffer.from([1]), bytes])))],
  ['a spoiled hello', spoiled(hello.map(({ bytes }) => records(bytes, 50)))],
] as const) {
  test(`${what} gives a hello, a violation or nothing yet, the same however it is cut`, t => {
    fc.assert(
      fc.property(given, places, (bytes, at) => {
        const whole = read(bytes)
        t.deepEqual(read(cutAt(bytes, at)), whole)
        t.deepEqual(read(everyByte(bytes)), whole)
      }),
      { numRuns: 400 },
    )
  })
}
