import { Buffer } from 'node:buffer'
import test from 'ava'
import fc from 'fast-check'
import { crc32c } from '../../../../runtime/codec/proxy-protocol/crc32c.ts'
import {
  encodeProxyHeader,
  type ProxyHeader,
  type ProxyHeaderLike,
  ProxyHeaderReader,
} from '../../../../runtime/codec/proxy-protocol/index.ts'
import { Data } from '../../../../runtime/data.ts'
import { cutAt, everyByte, noise, places, spoiled } from '../../../support/cuts.ts'

interface Read {
  readonly header: ProxyHeader | undefined
  readonly violation: string | undefined
  readonly rest: string
}

function read(input: Buffer | readonly Buffer[], finishes = false, maxBytes?: number): Read {
  const reader = new ProxyHeaderReader(maxBytes)
  const rest: Buffer[] = []
  for (const piece of Buffer.isBuffer(input) ? [input] : input)
    rest.push(piece.subarray(reader.decode(piece, 0, piece.length)))
  if (finishes) reader.finish()
  return {
    header: reader.header,
    violation: reader.violation?.id,
    rest: Buffer.concat(rest).toString('latin1'),
  }
}

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')
const magic = '\r\n\r\n\0\r\nQUIT\n'
const nowhere = {
  sourceAddress: undefined,
  sourcePort: undefined,
  targetAddress: undefined,
  targetPort: undefined,
}
const client = { sourceAddress: '192.0.2.1', sourcePort: 56_324, targetAddress: '192.0.2.2', targetPort: 443 }
const proxied = { command: 'PROXY', fields: [] } as const

const good: readonly [string, string, ProxyHeader][] = [
  [
    'a line for TCP4',
    'PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n',
    { version: 1, protocol: 'TCP4', ...proxied, ...client },
  ],
  [
    'a line for TCP6',
    'PROXY TCP6 2001:db8::1 ::1 1 65535\r\n',
    {
      version: 1,
      protocol: 'TCP6',
      ...proxied,
      sourceAddress: '2001:db8::1',
      targetAddress: '::1',
      sourcePort: 1,
      targetPort: 65_535,
    },
  ],
  [
    'a line that knows nothing',
    'PROXY UNKNOWN\r\n',
    { version: 1, protocol: 'UNKNOWN', ...proxied, ...nowhere },
  ],
  [
    'a line that knows nothing at length',
    'PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n',
    { version: 1, protocol: 'UNKNOWN', ...proxied, ...nowhere },
  ],
  [
    'a binary header for TCP4',
    `${magic}\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\xdc\x04\x01\xbb`,
    { version: 2, protocol: 'TCP4', ...proxied, ...client },
  ],
  [
    'a binary header of LOCAL, whose rest is ignored',
    `${magic}\x20\xff\0\x03abc`,
    { version: 2, command: 'LOCAL', protocol: 'UNKNOWN', ...nowhere, fields: [] },
  ],
  [
    'a binary header that knows nothing',
    `${magic}\x21\x00\0\0`,
    { version: 2, protocol: 'UNKNOWN', ...proxied, ...nowhere },
  ],
]
for (const [what, text, header] of good) {
  test(`${what} is read, and what follows is left alone`, t => {
    const expected = { header, violation: undefined, rest: 'GET /' }
    t.deepEqual(read(latin1(`${text}GET /`)), expected)
    t.deepEqual(read(everyByte(latin1(`${text}GET /`))), expected)
  })
}

const bad: readonly [string, string, string][] = [
  ['HTTP', 'missing', 'GET / HTTP/1.1\r\n'],
  ['what begins like a line', 'missing', 'PROXIED'],
  ['what begins like a binary header', 'missing', '\r\n\r\n\r\n'],
  ['a lower-case line', 'missing', 'proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n'],
  ['a line without CR', 'badLine', 'PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n'],
  ['IPv6 under TCP4', 'badLine', 'PROXY TCP4 ::1 ::1 1 2\r\n'],
  ['a port over 65535', 'badLine', 'PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n'],
  ['a port with zeros in front', 'badLine', 'PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n'],
  ['an address that is none', 'badLine', 'PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n'],
  ['two spaces', 'badLine', 'PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n'],
  ['an endless line', 'lineTooLong', `PROXY UNKNOWN ${'a'.repeat(200)}`],
  ['version 3', 'badVersion', `${magic}\x31\x11\0\0`],
  ['command 2', 'badVersion', `${magic}\x22\x11\0\0`],
  ['another family', 'badFamily', `${magic}\x21\x41\0\0`],
  ['too few bytes for the addresses', 'shortAddress', `${magic}\x21\x11\0\x0b${'a'.repeat(11)}`],
  ['a field over the end', 'badField', `${magic}\x21\x11\0\x10${'a'.repeat(12)}\x01\0\x05a`],
  ['half a field', 'badField', `${magic}\x21\x11\0\x0e${'a'.repeat(12)}\x01\0`],
  ['a wrong checksum', 'badChecksum', `${magic}\x21\x11\0\x13${'a'.repeat(12)}\x03\0\x04abcd`],
]
for (const [what, id, text] of bad) {
  test(`${what} is refused`, t => {
    for (const input of [latin1(text), everyByte(latin1(text))]) {
      const { header, violation } = read(input)
      t.deepEqual([header, violation], [undefined, id])
    }
  })
}

test('a header that announces more than the limit is refused before it comes', t => {
  t.is(read(latin1(`${magic}\x21\x11\xff\xff`)).violation, 'tooLarge')
})

test('an end inside the header is a violation', t => {
  t.is(read(latin1('PROXY TC'), true).violation, 'truncated')
  t.is(read(latin1(magic), true).violation, 'truncated')
})

test('fields are read, and those that only fill are left out', t => {
  const text = `${magic}\x21\x11\0\x19${'a'.repeat(12)}\x01\0\x02h2\x04\0\x01x\x05\0\x01y`
  const { header } = read(latin1(text))
  t.deepEqual(
    header?.fields.map(({ type, value }) => [type, value.toString()]),
    [
      [1, 'h2'],
      [5, 'y'],
    ],
  )
})

test('a right checksum is accepted', t => {
  // The check value of CRC-32C.
  t.is(crc32c(Buffer.from('123456789'), 0, 0), 0xe3069283)
  const bytes = latin1(`${magic}\x21\x11\0\x13${'a'.repeat(12)}\x03\0\x04\0\0\0\0`)
  bytes.writeUInt32BE(crc32c(bytes, 31, 35), 31)
  t.is(read(bytes).header?.fields.length, 1)
})

const port = fc.integer({ min: 0, max: 65_535 })
const fields = fc.array(
  fc.record({
    type: fc.integer({ min: 5, max: 255 }),
    value: fc.uint8Array({ maxLength: 30 }).map(bytes => new Data(bytes)),
  }),
  { maxLength: 3 },
)
const ends = fc.oneof(
  fc.record({ sourceAddress: fc.ipV4(), targetAddress: fc.ipV4() }),
  fc.record({ sourceAddress: fc.ipV6(), targetAddress: fc.ipV6() }),
  fc.record({ sourceAddress: fc.ipV4(), targetAddress: fc.ipV6() }),
)
const header: fc.Arbitrary<ProxyHeaderLike> = fc
  .tuple(ends, port, port, fields, fc.constantFrom<1 | 2>(1, 2))
  .map(([addresses, sourcePort, targetPort, extra, version]) => ({
    ...addresses,
    sourcePort,
    targetPort,
    version,
    ...(version === 2 ? { fields: extra } : {}),
  }))

test('what is written is read back, however it is cut', t => {
  fc.assert(
    fc.property(header, places, (given, at) => {
      const found = read(cutAt(encodeProxyHeader(given), at)).header
      t.is(found?.version, given.version)
      t.is(found?.sourcePort, given.sourcePort)
      t.is(found?.targetPort, given.targetPort)
      t.is(found?.protocol, found?.sourceAddress?.includes(':') ? 'TCP6' : 'TCP4')
      const again = encodeProxyHeader(found as ProxyHeader)
      t.deepEqual(again, encodeProxyHeader(given))
    }),
  )
})

test('without a client, a header says that there is none', t => {
  t.is(encodeProxyHeader({ version: 1 }).toString(), 'PROXY UNKNOWN\r\n')
  t.is(read(encodeProxyHeader({})).header?.command, 'LOCAL')
})

test('paths of Unix sockets are carried', t => {
  const bytes = encodeProxyHeader({ protocol: 'UNIX', sourceAddress: '/run/a', targetAddress: '/run/b' })
  const found = read(bytes).header
  t.deepEqual([found?.protocol, found?.sourceAddress, found?.targetAddress], ['UNIX', '/run/a', '/run/b'])
})

for (const [what, given] of [
  ['an address that is none', { sourceAddress: 'localhost' }],
  ['a port that is none', { sourceAddress: '1.1.1.1', sourcePort: 70_000 }],
  ['UDP in version 1', { version: 1, protocol: 'UDP4', sourceAddress: '1.1.1.1' }],
  ['IPv6 as TCP4', { protocol: 'TCP4', sourceAddress: '::1' }],
  ['version 3', { version: 3 as 2 }],
] as const satisfies readonly [string, ProxyHeaderLike][]) {
  test(`${what} is not written`, t => {
    t.throws(() => encodeProxyHeader(given), { code: 'RuntimeError' })
  })
}

for (const [what, given] of [
  ['noise', noise()],
  ['noise as a binary header', noise().map(bytes => Buffer.concat([latin1(`${magic}\x21\x11\0`), bytes]))],
  ['a spoiled header', spoiled(header.map(encodeProxyHeader))],
] as const) {
  test(`${what} gives a header or a violation, the same however it is cut`, t => {
    fc.assert(
      fc.property(given, places, fc.boolean(), (bytes, at, finishes) => {
        const whole = read(bytes, finishes)
        t.false(whole.header !== undefined && whole.violation !== undefined)
        if (finishes) t.true(whole.header !== undefined || whole.violation !== undefined)
        t.deepEqual(read(cutAt(bytes, at), finishes), whole)
        t.deepEqual(read(everyByte(bytes), finishes), whole)
      }),
      { numRuns: 400 },
    )
  })
}
