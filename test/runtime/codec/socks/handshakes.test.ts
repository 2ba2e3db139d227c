import { Buffer } from 'node:buffer'
import test from 'ava'
import fc from 'fast-check'
import {
  grantOf,
  refusalOf,
  SOCKSClientHandshake,
  type SOCKSRequest,
  SOCKSServerHandshake,
  violations,
} from '../../../../runtime/codec/socks/index.ts'
import { cutAt, everyByte, noise, places, spoiled } from '../../../support/cuts.ts'

interface Served {
  readonly sent: string
  readonly requests: SOCKSRequest[]
  readonly violations: string[]
  /** What followed the handshake. */
  readonly rest: string
}

function serve(input: Buffer | readonly Buffer[], finishes = false): Served {
  const sent: Buffer[] = []
  const served = { requests: [] as SOCKSRequest[], violations: [] as string[] }
  const rest: Buffer[] = []
  const handshake = new SOCKSServerHandshake({
    send: bytes => void sent.push(bytes),
    request: request => void served.requests.push(request),
    violation: ({ id }) => void served.violations.push(id),
  })
  for (const piece of Buffer.isBuffer(input) ? [input] : input)
    rest.push(piece.subarray(handshake.decode(piece, 0, piece.length)))
  if (finishes) handshake.finish()
  return {
    ...served,
    sent: Buffer.concat(sent).toString('hex'),
    rest: Buffer.concat(rest).toString('latin1'),
  }
}

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')
const asked = (version: 4 | 5, where: Partial<SOCKSRequest>, port: number, id = ''): SOCKSRequest => ({
  version,
  id,
  ip: undefined,
  domain: undefined,
  port,
  ...where,
})

const good: readonly [string, string, SOCKSRequest][] = [
  ['SOCKS4', '\x04\x01\x00\x50\x0a\x00\x00\x01joe\0', asked(4, { ip: '10.0.0.1' }, 80, 'joe')],
  ['SOCKS4 without a user', '\x04\x01\x1f\x90\x7f\x00\x00\x01\0', asked(4, { ip: '127.0.0.1' }, 8080)],
  ['SOCKS4a', '\x04\x01\x01\xbb\0\0\0\x01me\0example.com\0', asked(4, { domain: 'example.com' }, 443, 'me')],
  ['SOCKS5 with IPv4', '\x05\x01\0\x05\x01\0\x01\x0a\0\0\x02\x00\x50', asked(5, { ip: '10.0.0.2' }, 80)],
  [
    'SOCKS5 with a name',
    '\x05\x02\x02\0\x05\x01\0\x03\x07a.local\x00\x35',
    asked(5, { domain: 'a.local' }, 53),
  ],
  ['SOCKS5 with IPv6', `\x05\x01\0\x05\x01\0\x04${'\0'.repeat(15)}\x01\x00\x50`, asked(5, { ip: '::1' }, 80)],
  [
    'an IP address as a name',
    '\x05\x01\0\x05\x01\0\x03\x0910.0.0.15\x00\x50',
    asked(5, { ip: '10.0.0.15' }, 80),
  ],
  ['an IP address as a SOCKS4a name', '\x04\x01\0\x50\0\0\0\x01\x00::1\0', asked(4, { ip: '::1' }, 80)],
]
for (const [what, text, request] of good) {
  test(`${what} is understood, and what follows is left alone`, t => {
    const bytes = latin1(`${text}GET`)
    const expected = {
      requests: [request],
      violations: [],
      sent: request.version === 5 ? '0500' : '',
      rest: 'GET',
    }
    t.deepEqual(serve(bytes), expected)
    t.deepEqual(serve(everyByte(bytes)), expected)
  })
}

const bad: readonly [string, string, string, string][] = [
  ['HTTP', 'GET / HTTP/1.1\r\n', 'badVersion', ''],
  ['no methods', '\x05\0', 'noMethods', ''],
  ['a password only', '\x05\x01\x02', 'noAcceptableMethod', '05ff'],
  [
    'another version behind the methods',
    '\x05\x01\0\x04\x01\0\x01',
    'badRequestVersion',
    '050005010001000000000000',
  ],
  ['BIND', '\x05\x01\0\x05\x02\0\x01', 'unsupportedCommand', '050005070001000000000000'],
  ['UDP ASSOCIATE', '\x05\x01\0\x05\x03\0\x01', 'unsupportedCommand', '050005070001000000000000'],
  ['BIND of SOCKS4', '\x04\x02\0\x50\x01\x01\x01\x01', 'unsupportedCommand', '005b000000000000'],
  ['another address type', '\x05\x01\0\x05\x01\0\x02', 'badAddressType', '050005080001000000000000'],
  ['an empty name', '\x05\x01\0\x05\x01\0\x03\0', 'badDomain', '050005010001000000000000'],
  [
    'a name with a line break',
    '\x05\x01\0\x05\x01\0\x03\x03a\nb\0\x50',
    'badDomain',
    '050005010001000000000000',
  ],
  [
    'an endless user id',
    `\x04\x01\0\x50\x01\x01\x01\x01${'a'.repeat(300)}`,
    'userIdTooLong',
    '005b000000000000',
  ],
  ['an endless name', `\x04\x01\0\x50\0\0\0\x01\0${'a'.repeat(300)}`, 'badDomain', '005b000000000000'],
]
for (const [what, text, id, sent] of bad) {
  test(`${what} is refused in the words of the protocol`, t => {
    for (const input of [latin1(text), everyByte(latin1(text))]) {
      const served = serve(input)
      t.deepEqual([served.requests, served.violations, served.sent], [[], [id], sent])
    }
  })
}

test('an end inside the handshake is a violation, one behind it is not', t => {
  t.deepEqual(serve(latin1('\x05\x01'), true).violations, ['truncated'])
  t.deepEqual(serve(latin1(good[0]?.[1] as string), true).violations, [])
})

test('grants and refusals have the form of their version', t => {
  const [four, five] = [asked(4, {}, 1), asked(5, {}, 1)]
  t.is(grantOf(four).toString('hex'), '005a000000000000')
  t.is(refusalOf(four).toString('hex'), '005b000000000000')
  t.is(grantOf(five).toString('hex'), '05000001000000000000')
  t.is(refusalOf(five).toString('hex'), '05020001000000000000')
})

const valid = fc.constantFrom(...good.map(([, text]) => latin1(`${text}rest`)))
for (const [what, given] of [
  ['noise', noise(700)],
  ['noise behind a version', noise(700).map(bytes => Buffer.concat([Buffer.from([5]), bytes]))],
  ['a spoiled handshake', spoiled(valid)],
] as const) {
  test(`${what} gives at most one request or violation, the same however it is cut`, t => {
    fc.assert(
      fc.property(given, places, fc.boolean(), (bytes, at, finishes) => {
        const whole = serve(bytes, finishes)
        t.true(whole.requests.length + whole.violations.length <= 1)
        // The answer to a broken rule, and no flood of answers.
        t.true(whole.sent.length <= 24)
        for (const { id, domain, ip } of whole.requests) {
          t.true((domain === undefined) !== (ip === undefined))
          t.true(id.length <= 255 && (domain ?? '').length <= 255)
        }
        t.deepEqual(serve(cutAt(bytes, at), finishes), whole)
        t.deepEqual(serve(everyByte(bytes), finishes), whole)
      }),
      { numRuns: 400 },
    )
  })
}

interface Dialled {
  readonly sent: Buffer
  readonly told: string[]
  readonly rest: string
}

function dial(host: string, port: number, input: Buffer | readonly Buffer[], finishes = false): Dialled {
  const sent: Buffer[] = []
  const told: string[] = []
  const handshake = new SOCKSClientHandshake(
    {
      send: bytes => void sent.push(bytes),
      established: () => void told.push('established'),
      refused: code => void told.push(`refused ${code}`),
      violation: ({ id }) => void told.push(id),
    },
    host,
    port,
  )
  handshake.start()
  const rest: Buffer[] = []
  for (const piece of Buffer.isBuffer(input) ? [input] : input)
    rest.push(piece.subarray(handshake.decode(piece, 0, piece.length)))
  if (finishes) handshake.finish()
  return { sent: Buffer.concat(sent), told, rest: Buffer.concat(rest).toString('latin1') }
}

const replies: readonly [string, string, string[]][] = [
  ['an IPv4 reply', '\x05\0\x05\0\0\x01\0\0\0\0\0\0', ['established']],
  ['an IPv6 reply', `\x05\0\x05\0\0\x04${'\0'.repeat(18)}`, ['established']],
  ['a reply with a name', '\x05\0\x05\0\0\x03\x01a\0\0', ['established']],
  ['a refusal', '\x05\0\x05\x05\0\x01\0\0\0\0\0\0', ['refused 5']],
  ['a refusal without an address', '\x05\0\x05\x01\0\0', ['refused 1']],
  ['a server that wants a password', '\x05\x02', ['authenticationWanted']],
  ['a server that takes no method', '\x05\xff', ['authenticationWanted']],
  ['a server of another protocol', 'HTTP/1.1 400', ['badReply']],
]
for (const [what, text, told] of replies) {
  test(`the client takes ${what} for what it is`, t => {
    t.deepEqual(dial('10.0.0.1', 80, latin1(text)).told, told)
    t.deepEqual(dial('10.0.0.1', 80, everyByte(latin1(text))).told, told)
  })
}

test('an end inside the answers is a violation of the server', t => {
  t.deepEqual(dial('a', 1, latin1('\x05'), true).told, [violations.truncated.id])
})

test('what the client asks for, the server understands', t => {
  const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain())
  fc.assert(
    fc.property(host, fc.integer({ min: 1, max: 65_535 }), places, (name, port, at) => {
      const { sent } = dial(name, port, latin1('\x05\0'))
      const [request] = serve(cutAt(sent, at)).requests
      t.is(request?.port, port)
      t.is(request?.domain ?? new URL(`http://${ip(request?.ip)}`).host, new URL(`http://${ip(name)}`).host)
    }),
  )
})
const ip = (host = ''): string => (host.includes(':') ? `[${host}]` : host)

test('noise from a server ends in at most one way, the same however it is cut', t => {
  const given = fc.oneof(noise(40), spoiled(fc.constantFrom(...replies.map(([, text]) => latin1(text)))))
  fc.assert(
    fc.property(given, places, (bytes, at) => {
      const whole = dial('a', 1, bytes, true)
      t.is(whole.told.length, 1)
      t.deepEqual(dial('a', 1, cutAt(bytes, at), true), whole)
    }),
    { numRuns: 300 },
  )
})
