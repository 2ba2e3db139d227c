/** A head that travels as its lines is, where it arrives, what it was where it came from. */

import test from 'ava'
import fc from 'fast-check'
import { plainCopy } from '../../../../actors/kernel/wire.ts'
import { parsePlainHead, type RequestHead, type ResponseHead } from '../../../../runtime/codec/http1/index.ts'
import { readRequests, readResponses, requestHead, responseHead } from './support/recorder.ts'

const name = fc.oneof(
  fc.constantFrom('Accept', 'cookie', 'Set-Cookie', 'via', 'VIA', 'constructor', '__proto__', 'toString'),
  fc.constantFrom('Connection', 'TE', 'Keep-Alive', 'Expect', 'ETag', 'X-\u00e9'.slice(0, 2)),
  fc.string({ unit: fc.constantFrom(..."abcXYZ019-_!#$%&'*+.^|~`"), minLength: 1, maxLength: 12 }),
)
const value = fc.string({ unit: fc.constantFrom(...'ab \t"(),:;=@\xe9\xff019'), maxLength: 20 })
const fields = fc
  .array(fc.tuple(name, fc.constantFrom(':', ': ', ':\t ', ':  '), value), { maxLength: 10 })
  .map(all => all.map(parts => `${parts.join('')}\r\n`).join(''))
const method = fc.constantFrom('GET', 'POST', 'HEAD', 'BREW', 'OPTIONS')
const target = fc.constantFrom('/', '/a?b=c', '/%20/é'.slice(0, 5), 'http://other.example/x?y', 'https://h:1')
const version = fc.constantFrom('HTTP/1.1', 'HTTP/1.0')

const sameAsSent = (head: RequestHead | ResponseHead): boolean => {
  const { lines } = head
  return lines !== undefined && isSame(parsePlainHead(lines), plainCopy(head.clone()))
}
/** Also in the order of its fields, and of what kind its objects are. */
const isSame = (a: unknown, b: unknown): boolean =>
  JSON.stringify(a) === JSON.stringify(b) &&
  Object.getPrototypeOf((a as { headers: object }).headers) === Object.prototype

test('of any request that nobody has changed', t => {
  fc.assert(
    fc.property(method, target, version, fields, (verb, path, protocol, all) => {
      const { heads } = readRequests(`${verb} ${path} ${protocol}\r\nHost: a\r\n${all}\r\n`)
      t.is(heads.length, 1)
      t.true(heads.every(sameAsSent))
    }),
    { numRuns: 500 },
  )
})

test('of any response that nobody has changed, also when its lines had to be repaired', t => {
  const reason = fc.constantFrom(' OK', ' Not at all', ' ', '', ' \xe9')
  const status = fc.constantFrom(200, 204, 304, 404, 599)
  fc.assert(
    fc.property(version, status, reason, fields, fc.boolean(), (protocol, code, why, all, isBare) => {
      const text = `${protocol} ${code}${why}\r\n${all}\r\n`
      const { heads } = readResponses(['GET'], isBare ? text.replaceAll('\r\n', '\n') : text)
      t.is(heads.length, 1)
      t.true(heads.every(sameAsSent))
    }),
    { numRuns: 500 },
  )
})

test('reading a head leaves its lines, changing anything takes them away', t => {
  const lines = ['GET /a HTTP/1.1', 'Host: x', 'Accept: */*']
  const changed = (change: (head: RequestHead) => void): string | undefined => {
    const head = requestHead(...lines)
    change(head)
    return head.lines
  }
  const asReceived = `${lines.join('\r\n')}\r\n`
  t.is(
    changed(() => {}),
    asReceived,
  )
  t.is(
    changed(head => head.headers.host),
    asReceived,
  )
  t.is(
    changed(head => {
      head.headers.host = 'y'
    }),
    undefined,
  )
  t.is(
    changed(head => {
      head.headers = {}
    }),
    undefined,
  )
  t.is(
    changed(head => {
      delete head.headers.accept
    }),
    undefined,
  )
  t.is(
    changed(head => {
      head.path = '/b'
    }),
    undefined,
  )
  t.is(
    changed(head => {
      head.protocol = 'HTTP/2'
    }),
    undefined,
  )
  const response = responseHead('HTTP/1.1 200 OK', 'Server: s')
  response.status = 404
  t.is(response.lines, undefined)
})

test('an upgrade, which is not in the lines, takes them away as well', t => {
  const head = requestHead('GET / HTTP/1.1', 'Host: x', 'Connection: upgrade', 'Upgrade: websocket')
  t.is(head.lines, undefined)
})

test('what are no lines of a head is refused, whatever it is', t => {
  for (const text of [
    '',
    'GET',
    'GET / HTTP/1.1',
    'GET\r\n',
    'GET / HTTP/1.1\r\nHost',
    'G / HTTP/1.1\r\nno colon\r\n',
  ])
    t.is(parsePlainHead(text), undefined, JSON.stringify(text))
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'GH/1 \r\n:a') }), text => {
      t.notThrows(() => parsePlainHead(text))
    }),
  )
})
