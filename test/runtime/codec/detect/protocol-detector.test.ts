import { Buffer } from 'node:buffer'
import test from 'ava'
import fc from 'fast-check'
import { ProtocolDetector } from '../../../../runtime/codec/detect/index.ts'
import { cutAt, everyByte, noise, places, spoiled } from '../../../support/cuts.ts'

function detect(pieces: readonly Buffer[]): string | undefined {
  const detector = new ProtocolDetector()
  for (const piece of pieces) {
    const found = detector.read(piece, 0, piece.length)
    if (found !== undefined) return found
  }
  return undefined
}

const cases: readonly [string, string, string | undefined][] = [
  ['a request', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'HTTP'],
  ['a request with a method that few know', 'BREW /pot HTTP/1.0\r\n', 'HTTP'],
  ['a tunnel', 'CONNECT a:443 HTTP/1.1\r\n', 'HTTP'],
  ['POST, which begins like the preface of HTTP/2', 'POST /x HTTP/1.1\r\n', 'HTTP'],
  ['PRINT, which begins more like it', 'PRINT * HTTP/1.1\r\n', 'HTTP'],
  ['a request that is the preface but for its version', 'PRI * HTTP/1.1\r\n', 'HTTP'],
  ['a request that is nearly the preface', 'PRI *x HTTP/1.1\r\n', 'HTTP'],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'HTTP2'],
  ['half a preface', 'PRI * HTTP/2.0\r\n\r\n', undefined],
  ['a broken preface', 'PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n', ''],
  ['a ClientHello', '\x16\x03\x01\x02\x00\x01\x00', 'TLS'],
  ['a TLS alert', '\x15\x03\x01\x00\x02\x02\x28', ''],
  ['a ServerHello', '\x16\x03\x03\x00\x40\x02', ''],
  ['a record that is too long', '\x16\x03\x03\x41', ''],
  ['memcached', 'get key\r\n', ''],
  ['Redis inline', 'GET key\r\n', ''],
  ['Redis', '*1\r\n$4\r\nPING\r\n', ''],
  ['SMTP', 'EHLO there\r\n', ''],
  ['SSH', 'SSH-2.0-OpenSSH_9.6\r\n', ''],
  ['HTTP/0.9', 'GET /\r\n', ''],
  ['a request without a target', 'GET  HTTP/1.1\r\n', ''],
  ['a very long method', `${'A'.repeat(40)} / HTTP/1.1`, ''],
  ['a very long target', `GET /${'a'.repeat(9000)}`, ''],
  ['the beginning of a request', 'GET /a', undefined],
  ['nothing', '', undefined],
]
for (const [what, text, expected] of cases) {
  test(`${what} is ${expected === undefined ? 'not known yet' : expected || 'something else'}`, t => {
    const bytes = Buffer.from(text, 'latin1')
    t.is(detect([bytes]), expected)
    t.is(detect(everyByte(bytes)), expected)
  })
}

const known = fc.constantFrom(...cases.map(([, text]) => Buffer.from(text, 'latin1')))
for (const [what, given] of [
  ['noise', noise()],
  ['a spoiled beginning', spoiled(known)],
] as const) {
  test(`${what} is told the same however it is cut`, t => {
    fc.assert(
      fc.property(given, places, (bytes, at) => {
        t.is(detect(cutAt(bytes, at)), detect([bytes]))
      }),
      { numRuns: 400 },
    )
  })
}

test('it makes up its mind within 9 kB, whatever comes', t => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 20 }), seed => {
      const bytes = Buffer.alloc(9 * 1024, Buffer.from(seed))
      t.not(detect([bytes]), undefined)
    }),
  )
})
