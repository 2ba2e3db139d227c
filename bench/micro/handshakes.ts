/**
 * What it costs to read how a stream begins: ClientHello, SOCKS, PROXY header, and to tell protocols apart. Run with
 * `node bench/micro/handshakes.ts`.
 */

import { Buffer } from 'node:buffer'
import { ProtocolDetector } from '../../runtime/codec/detect/index.ts'
import { encodeProxyHeader, ProxyHeaderReader } from '../../runtime/codec/proxy-protocol/index.ts'
import { SOCKSServerHandshake } from '../../runtime/codec/socks/index.ts'
import { ClientHelloReader } from '../../runtime/codec/tls/index.ts'
import { measureRate } from '../harness/rate.ts'

let seen = 0
const refuse = ({ reason }: { reason: string }): never => {
  throw new Error(reason)
}
const measure = (name: string, bytes: Buffer, once: () => void): void =>
  measureRate(name, { bytes: bytes.length, messages: 1 }, once)

const sized = (size: 1 | 2 | 3, ...parts: Buffer[]): Buffer => {
  const content = Buffer.concat(parts)
  const length = Buffer.alloc(size)
  length.writeUIntBE(content.length, 0, size)
  return Buffer.concat([length, content])
}
const bytes = (...all: number[]): Buffer => Buffer.from(all)

/** As large as that of a browser, with a key share of 1216 bytes. */
const extensions = [
  [0, sized(2, bytes(0), sized(2, Buffer.from('shop.example.com')))],
  [16, sized(2, sized(1, Buffer.from('h2')), sized(1, Buffer.from('http/1.1')))],
  [43, sized(1, bytes(3, 4, 3, 3))],
  [51, sized(2, Buffer.alloc(1216, 5))],
] as const
const hello = Buffer.concat([
  bytes(1),
  sized(
    3,
    bytes(3, 3),
    Buffer.alloc(32, 7),
    sized(1, Buffer.alloc(32, 8)),
    sized(2, bytes(0x13, 1, 0x13, 2)),
    sized(1, bytes(0)),
    sized(2, ...extensions.flatMap(([type, content]) => [bytes(0, type), sized(2, content)])),
  ),
])
const record = Buffer.concat([bytes(22, 3, 1), sized(2, hello)])
measure('tls ClientHello', record, () => {
  const reader = new ClientHelloReader()
  reader.read(record, 0, record.length)
  if (reader.hello === undefined) throw new Error('the hello was not read')
  seen++
})

const socks = {
  'socks5 with a name': Buffer.from('050100050100030b6578616d706c652e636f6d01bb', 'hex'),
  'socks5 with an address': Buffer.from('05010005010001c000020901bb', 'hex'),
  'socks4a with a name': Buffer.from('040101bb00000001626f62006578616d706c652e636f6d00', 'hex'),
}
for (const [name, input] of Object.entries(socks))
  measure(name, input, () => {
    const handshake = new SOCKSServerHandshake({
      send: () => {},
      request: () => {
        seen++
      },
      violation: refuse,
    })
    handshake.decode(input, 0, input.length)
  })

const client = {
  sourceAddress: '192.0.2.9',
  sourcePort: 40_000,
  destinationAddress: '192.0.2.1',
  destinationPort: 443,
}
for (const version of [1, 2] as const) {
  const header = encodeProxyHeader({ version, ...client })
  measure(`proxy header version ${version}`, header, () => {
    const reader = new ProxyHeaderReader()
    reader.decode(header, 0, header.length)
    if (reader.header === undefined) throw new Error('the header was not read')
    seen++
  })
  measure(`proxy header version ${version}, written`, header, () => {
    seen += encodeProxyHeader({ version, ...client }).length
  })
}

const request = Buffer.from('GET / HTTP/1.1\r\nhost: shop.example.com\r\n\r\n')
for (const [name, input] of [
  ['http', request],
  ['tls', record],
] as const)
  measure(`detect ${name}`, input, () => {
    if (new ProtocolDetector().read(input, 0, input.length) === undefined) throw new Error('not detected')
    seen++
  })

if (seen === 0) throw new Error('nothing was measured')
