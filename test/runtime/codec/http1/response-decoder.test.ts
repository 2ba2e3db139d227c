/** Responses depend on their requests: which have a body, and where it ends (RFC 9112 §6.3). */

import test from 'ava'
import {
  encodeResponseHead,
  ResponseDecoder,
  type ResponseHead,
  type ViolationId,
} from '../../../../runtime/codec/http1/index.ts'
import { bytes, everyByte, Recorder, readResponses, responseHead } from './support/recorder.ts'

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

test('responses come in the order of their requests', t => {
  const { events } = readResponses(
    ['GET', 'GET', 'GET'],
    `${ok}HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n${ok}`,
  )
  t.like(events, [
    { head: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n', framing: 2, keepAlive: true },
    { body: 'ok' },
    { end: undefined },
    { framing: -2 },
    { body: 'abc' },
    { end: { x: 'y' } },
    { framing: 2 },
    { body: 'ok' },
    { end: undefined },
  ])
})

test('an answer to HEAD has no body, whatever its fields say', t => {
  const { events, heads } = readResponses(
    ['HEAD', 'GET'],
    `HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n${ok}`,
  )
  t.like(events, [{ framing: -1 }, { end: undefined }, { framing: 2 }, { body: 'ok' }, { end: undefined }])
  t.is(heads[0]?.contentLength, 99)
  t.true(encodeResponseHead(heads[0] as ResponseHead, -1).includes('Content-Length: 99'))
})

test('204 and 304 have no body', t => {
  const { events, heads } = readResponses(
    ['GET', 'GET', 'GET'],
    `HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n${ok}`,
  )
  t.like(events, [{ framing: -1 }, { end: undefined }, { framing: -1 }, { end: undefined }, { framing: 2 }])
  t.false(heads[0]?.raw.includes('Content-Length'), 'RFC 9110 §8.6: not in 204')
  t.true(heads[1]?.raw.includes('Content-Length'))
})

test('interim responses come before the response and do not stand for it', t => {
  const { events } = readResponses(
    ['GET'],
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 7\r\n\r\n${ok}`,
  )
  t.like(events, [
    { head: 'HTTP/1.1 100 Continue\r\n' },
    { end: undefined },
    { head: 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n' },
    { end: undefined },
    { framing: 2 },
    { body: 'ok' },
    { end: undefined },
  ])
})

test('101 begins a tunnel', t => {
  const { events, heads } = readResponses(
    ['GET'],
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x00HTTP/1.1',
  )
  t.like(events, [{ framing: -1 }, { end: undefined }, { body: '\x81\x00HTTP/1.1' }])
  t.is(heads[0]?.upgrade, 'websocket')
  t.is(events.length, 3)
})

test('2xx to CONNECT begins a tunnel, other answers do not', t => {
  const yes = readResponses(['CONNECT'], 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nraw\n')
  t.like(yes.events, [{ head: 'HTTP/1.1 200 OK\r\n', framing: -1 }, { end: undefined }, { body: 'raw\n' }])
  const no = readResponses(['CONNECT', 'GET'], `HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno${ok}`)
  t.like(no.events, [{ framing: 2 }, { body: 'no' }, { end: undefined }, { framing: 2 }])
})

test('a body without length lasts until the connection closes', t => {
  const { events, heads } = readResponses(
    ['GET'],
    everyByte('HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nabc\r\n\r\n'),
  )
  t.like(events, [{ framing: -3, keepAlive: false }, { body: 'abc\r\n\r\n' }, { end: undefined }])
  t.is(heads[0]?.protocol, 'HTTP/1.0')
})

test('an empty body without length ends at the close of the connection as well', t => {
  t.like(readResponses(['GET'], 'HTTP/1.1 200 OK\r\n\r\n').events, [{ framing: -3 }, { end: undefined }])
})

test('bytes that answer no request are a violation', t => {
  t.deepEqual(readResponses([], ok).events, [{ violation: 'unsolicited' }])
  const late = readResponses(['GET'], `${ok}${ok}`)
  t.is(late.broken, 'unsolicited')
  t.is(late.heads.length, 1)
  t.is(readResponses(['HEAD'], ok).broken, 'unsolicited')
})

test('expectations may be added while responses come', t => {
  const recorder = new Recorder<ResponseHead>()
  const decoder = new ResponseDecoder(recorder)
  const input = bytes(ok)
  for (let i = 0; i < 100; i++) {
    decoder.expect('GET')
    if (i % 3 === 0) decoder.expect('GET')
    while (decoder.expectations > 0) decoder.decode(input, 0, input.length)
  }
  t.is(recorder.heads.length, 134)
  t.is(recorder.broken, undefined)
})

test('what a proxy may repair is repaired before it is forwarded', t => {
  const cases: [given: string, raw: string][] = [
    ['HTTP/1.1 200 OK\nX: y\nContent-Length: 0\n\n', 'HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 0\r\n'],
    [
      'HTTP/1.1 200 OK\r\nX \t: y\r\nContent-Length : 0\r\n\r\n',
      'HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 0\r\n',
    ],
    ['HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n', 'HTTP/1.1 200 \r\nContent-Length: 0\r\n'],
    ['HTTP/1.1 200\nContent-Length: 0\n\n', 'HTTP/1.1 200 \r\nContent-Length: 0\r\n'],
    ['HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n', 'HTTP/1.1 200 \r\nContent-Length: 0\r\n'],
    [
      'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: y\r\nContent-Length: 0\r\n\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: y\r\n',
    ],
    [
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n',
    ],
  ]
  for (const [given, raw] of cases) {
    const whole = readResponses(['GET'], given)
    t.is(whole.heads[0]?.raw, raw)
    t.is(whole.broken, undefined)
    t.deepEqual(readResponses(['GET'], everyByte(given)).events, whole.events)
    t.is(whole.heads[0]?.status, 200)
    t.is(whole.heads[0]?.statusText, raw.startsWith('HTTP/1.1 200 \r\n') ? '' : 'OK')
    t.is(whole.heads[0]?.headers.x, raw.includes('X: y') ? 'y' : undefined)
  }
})

const refused: readonly (readonly [situation: string, response: string, id: ViolationId])[] = [
  ['lengths differ', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n', 'repeatedLength'],
  ['lengths are listed', 'HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\n', 'badLength'],
  ['a length is signed', 'HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n', 'badLength'],
  [
    'length and encoding are given',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n',
    'lengthAndEncoding',
  ],
  ['an encoding is not chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n', 'badEncoding'],
  ['HTTP/1.0 has an encoding', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', 'encodingInHTTP10'],
  ['a field is folded', 'HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n', 'foldedLine'],
  ['white space leads the first field', 'HTTP/1.1 200 OK\r\n X: y\r\n\r\n', 'leadingSpace'],
  ['a bare CR is in a value', 'HTTP/1.1 200 OK\r\nX: y\rz\r\n\r\n', 'bareCR'],
  ['a NUL is in a value', 'HTTP/1.1 200 OK\r\nX: \0\r\n\r\n', 'badValue'],
  ['a field has no name', 'HTTP/1.1 200 OK\r\n: y\r\n\r\n', 'emptyName'],
  ['a field has no colon', 'HTTP/1.1 200 OK\r\nX y\r\n\r\n', 'badName'],
  ['the version is HTTP/2.0', 'HTTP/2.0 200 OK\r\n\r\n', 'unsupportedVersion'],
  ['the protocol is another', 'ICY 200 OK\r\n\r\n', 'badStatusLine'],
  ['the status has two digits', 'HTTP/1.1 20 OK\r\n\r\n', 'badStatusLine'],
  ['the status has four digits', 'HTTP/1.1 2000 OK\r\n\r\n', 'badStatusLine'],
  ['the status is 099', 'HTTP/1.1 099 OK\r\n\r\n', 'badStatusLine'],
  ['two spaces precede the status', 'HTTP/1.1  200 OK\r\n\r\n', 'badStatusLine'],
  ['the reason has a control byte', 'HTTP/1.1 200 O\0K\r\n\r\n', 'badStatusLine'],
  ['an empty line comes first', '\r\nHTTP/1.1 200 OK\r\n\r\n', 'badStatusLine'],
  ['the connection closes in the head', 'HTTP/1.1 200 OK\r\nX', 'truncated'],
]

for (const [situation, response, id] of refused) {
  test(`a response is refused when ${situation}: ${id}`, t => {
    const whole = readResponses(['GET', 'GET'], id === 'truncated' ? response : response + ok)
    t.deepEqual(whole.events, [{ violation: id }])
    t.deepEqual(
      readResponses(['GET', 'GET'], everyByte(id === 'truncated' ? response : response + ok)).events,
      whole.events,
    )
  })
}

test('a body with a length that the connection cuts short is a violation', t => {
  t.is(readResponses(['GET'], 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok').broken, 'truncated')
})

test('the fields of one connection are left out', t => {
  const head = responseHead(
    'HTTP/1.1 200 OK',
    'Connection: close',
    'Keep-Alive: timeout=5',
    'Server: x',
    'Content-Length: 0',
  )
  t.is(head.raw, 'HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 0\r\n')
  t.false(head.keepAlive)
})

test('a response can be followed by a pause', t => {
  const recorder = new Recorder<ResponseHead>()
  const decoder = new ResponseDecoder(recorder)
  recorder.onEnd = () => decoder.suspend()
  decoder.expect('GET')
  decoder.expect('GET')
  const input = bytes(ok + ok)
  t.is(decoder.decode(input, 0, input.length), ok.length)
  t.is(decoder.decode(input, ok.length, input.length), input.length)
})
