/**
 * Requests that two parsers are known to read differently. Each is refused for the reason named, whole or byte by
 * byte, and nothing of it reaches the sink. A harmless request comes first, to show that it is served.
 */

import test from 'ava'
import { type ViolationId, violations } from '../../../../runtime/codec/http1/index.ts'
import { bytes, everyByte, readRequests } from './support/recorder.ts'

const harmless = 'GET /first HTTP/1.1\r\nHost: a\r\n\r\n'
const post = (...fields: string[]) => `POST / HTTP/1.1\r\nHost: a\r\n${fields.join('\r\n')}\r\n\r\n`
const get = (...fields: string[]) => `GET / HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n`

const refusedHeads: readonly (readonly [situation: string, request: string, id: ViolationId])[] = [
  // Line ends
  ['a bare LF ends the request line', 'GET / HTTP/1.1\nHost: a\r\n\r\n', 'bareLF'],
  ['a bare LF ends a field', 'GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n', 'bareLF'],
  ['a bare LF ends the head', 'GET / HTTP/1.1\r\nHost: a\r\n\n', 'bareLF'],
  ['a bare LF comes first', '\nGET / HTTP/1.1\r\nHost: a\r\n\r\n', 'bareLF'],
  ['a bare LF is in the target', 'GET /\n HTTP/1.1\r\nHost: a\r\n\r\n', 'bareLF'],
  ['a bare LF is in a name', get('Ho\nst: a'), 'bareLF'],
  ['a bare CR ends the request line', 'GET / HTTP/1.1\rHost: a\r\n\r\n', 'bareCR'],
  ['a bare CR is in a value', get('Host: a', 'X: b\rY: c'), 'bareCR'],
  ['two CRs end a field', get('Host: a', 'X: b\r'), 'bareCR'],
  ['a bare CR is in a name', get('Ho\rst: a'), 'bareCR'],
  ['a bare CR ends the head', 'GET / HTTP/1.1\r\nHost: a\r\n\rX', 'bareCR'],
  ['a bare CR is where the empty line was', '\rGET / HTTP/1.1\r\nHost: a\r\n\r\n', 'bareCR'],

  // Fields
  ['a NUL is in a value', get('Host: a', 'X: b\0c'), 'badValue'],
  ['a control byte is in a value', get('Host: a', 'X: \x1b'), 'badValue'],
  ['DEL is in a value', get('Host: a', 'X: long enough for words\x7f'), 'badValue'],
  ['a NUL is in a name', get('Host: a', 'X\0: b'), 'badName'],
  ['a field is folded', get('Host: a', 'X: b', ' c'), 'foldedLine'],
  ['a field is folded with a tab', get('Host: a', 'X: b', '\tc'), 'foldedLine'],
  ['white space leads the first field', get(' Host: a'), 'leadingSpace'],
  ['a space is before the colon', get('Host : a'), 'badName'],
  ['a tab is before the colon', post('Transfer-Encoding\t: chunked'), 'badName'],
  ['a field has no name', get('Host: a', ': b'), 'emptyName'],
  ['a field has no colon', get('Host: a', 'X'), 'bareCR'],
  ['a name is not a token', get('Host: a', 'X(y): b'), 'badName'],
  ['a name is not ASCII', get('Host: a', 'X\xe9: b'), 'badName'],

  // Content-Length
  ['lengths differ', post('Content-Length: 5', 'Content-Length: 6'), 'repeatedLength'],
  ['a length is repeated', post('Content-Length: 5', 'content-length: 5'), 'repeatedLength'],
  ['lengths are listed', post('Content-Length: 5, 5'), 'badLength'],
  ['a length is empty', post('Content-Length:'), 'badLength'],
  ['a length has a plus sign', post('Content-Length: +5'), 'badLength'],
  ['a length has a minus sign', post('Content-Length: -5'), 'badLength'],
  ['a length is hexadecimal', post('Content-Length: 0x5'), 'badLength'],
  ['a length has a space inside', post('Content-Length: 5 5'), 'badLength'],
  ['a length has a fraction', post('Content-Length: 5.0'), 'badLength'],
  ['a length has an underscore', post('Content-Length: 1_0'), 'badLength'],
  ['a length is above 2^53-1', post('Content-Length: 9007199254740992'), 'badLength'],
  ['a length is far above 2^64', post(`Content-Length: ${'9'.repeat(400)}`), 'badLength'],

  // Transfer-Encoding
  ['length and encoding', post('Content-Length: 5', 'Transfer-Encoding: chunked'), 'lengthAndEncoding'],
  ['encoding and length', post('Transfer-Encoding: chunked', 'Content-Length: 5'), 'lengthAndEncoding'],
  ['chunked is not last', post('Transfer-Encoding: chunked, identity'), 'badEncoding'],
  ['chunked is not alone', post('Transfer-Encoding: gzip, chunked'), 'badEncoding'],
  ['chunked is said twice', post('Transfer-Encoding: chunked, chunked'), 'badEncoding'],
  [
    'encodings are two fields',
    post('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'),
    'repeatedEncoding',
  ],
  [
    'a second encoding hides the first',
    post('Transfer-Encoding: chunked', 'Transfer-Encoding: identity'),
    'repeatedEncoding',
  ],
  ['chunked has capitals', post('Transfer-Encoding: Chunked'), 'badEncoding'],
  ['chunked is quoted', post('Transfer-Encoding: "chunked"'), 'badEncoding'],
  ['chunked has a prefix', post('Transfer-Encoding: xchunked'), 'badEncoding'],
  ['chunked has a parameter', post('Transfer-Encoding: chunked;q=1'), 'badEncoding'],
  ['chunked has a vertical tab', post('Transfer-Encoding: \x0bchunked'), 'badValue'],
  ['an encoding is empty', post('Transfer-Encoding:'), 'badEncoding'],
  ['the encoding is identity', post('Transfer-Encoding: identity'), 'badEncoding'],
  [
    'HTTP/1.0 has an encoding',
    'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n',
    'encodingInHTTP10',
  ],

  // Request line
  ['two spaces follow the method', 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n', 'badRequestLine'],
  ['two spaces follow the target', 'GET /  HTTP/1.1\r\nHost: a\r\n\r\n', 'badRequestLine'],
  ['a space ends the request line', 'GET / HTTP/1.1 \r\nHost: a\r\n\r\n', 'badVersion'],
  ['a space begins the request line', ' GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'badMethod'],
  ['a tab follows the method', 'GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n', 'badMethod'],
  ['a tab follows the target', 'GET /\tHTTP/1.1\r\nHost: a\r\n\r\n', 'badTarget'],
  ['the version is missing', 'GET /\r\nHost: a\r\n\r\n', 'badRequestLine'],
  ['the target is missing', 'GET HTTP/1.1\r\nHost: a\r\n\r\n', 'badRequestLine'],
  ['there is only a method', 'GET\r\nHost: a\r\n\r\n', 'badRequestLine'],
  ['the method is not a token', 'G(T / HTTP/1.1\r\nHost: a\r\n\r\n', 'badMethod'],
  ['two empty lines come first', '\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n', 'badRequestLine'],
  ['the target has a space', 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n', 'badRequestLine'],
  ['the target has a fragment', 'GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n', 'badTarget'],
  ['the target is not ASCII', 'GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n', 'badTarget'],
  ['the target has a control byte', 'GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n', 'badTarget'],
  ['the target has no slash', 'GET a HTTP/1.1\r\nHost: a\r\n\r\n', 'badTarget'],
  ['the target is a query only', 'GET ?a HTTP/1.1\r\nHost: a\r\n\r\n', 'badTarget'],
  ['the target is of another scheme', 'GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n', 'badTarget'],
  ['the target has no host', 'GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n', 'badTarget'],
  ['the target has a user', 'GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n', 'badTarget'],
  ['the target has a port of letters', 'GET http://a:b/ HTTP/1.1\r\nHost: a\r\n\r\n', 'badTarget'],
  ['GET of an authority', 'GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n', 'badTarget'],
  ['GET of an asterisk', 'GET * HTTP/1.1\r\nHost: a\r\n\r\n', 'badTarget'],
  ['CONNECT of a path', 'CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n', 'badTarget'],
  ['CONNECT without port', 'CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n', 'badTarget'],
  ['CONNECT of a URI', 'CONNECT http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n', 'badTarget'],
  [
    'CONNECT with a length',
    'CONNECT a:80 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n',
    'connectWithBody',
  ],
  [
    'CONNECT with chunks',
    'CONNECT a:80 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n',
    'connectWithBody',
  ],

  // Version
  ['the version has small letters', 'GET / http/1.1\r\nHost: a\r\n\r\n', 'badVersion'],
  ['the version has a long minor', 'GET / HTTP/1.10\r\nHost: a\r\n\r\n', 'badVersion'],
  ['the version has no minor', 'GET / HTTP/1\r\nHost: a\r\n\r\n', 'badVersion'],
  ['the version has a letter', 'GET / HTTP/1.x\r\nHost: a\r\n\r\n', 'badVersion'],
  ['the version has a comma', 'GET / HTTP/1,1\r\nHost: a\r\n\r\n', 'badVersion'],
  ['the version is of another protocol', 'GET / HTTPS/1.1\r\nHost: a\r\n\r\n', 'badVersion'],
  ['the version is 2.0', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n', 'unsupportedVersion'],
  ['the version is 0.9', 'GET / HTTP/0.9\r\nHost: a\r\n\r\n', 'unsupportedVersion'],
  ['the version is 1.2', 'GET / HTTP/1.2\r\nHost: a\r\n\r\n', 'unsupportedVersion'],
  ['HTTP/2 speaks with prior knowledge', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'unsupportedVersion'],

  // Host
  ['Host is missing', get('X: b'), 'missingHost'],
  ['there are no fields', 'GET / HTTP/1.1\r\n\r\n', 'missingHost'],
  ['Host is repeated', get('Host: a', 'Host: b'), 'repeatedHost'],
  ['Host is repeated and equal', get('Host: a', 'host: a'), 'repeatedHost'],
  ['Host is repeated in HTTP/1.0', 'GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n', 'repeatedHost'],
  ['Host has a space', get('Host: a b'), 'badHost'],
  ['Host is a list', get('Host: a,b'), 'badHost'],
  ['Host has a user', get('Host: u@a'), 'badHost'],
  ['Host has a path', get('Host: a/b'), 'badHost'],
  ['Host has a port of letters', get('Host: a:b'), 'badHost'],
  ['Host has two ports', get('Host: a:1:2'), 'badHost'],
  ['Host is only a port', get('Host: :80'), 'badHost'],
  ['Host has an open bracket', get('Host: [::1'), 'badHost'],
  ['Host has words after its bracket', get('Host: [::1]x'), 'badHost'],
  ['Host is not ASCII', get('Host: \xe9'), 'badHost'],
]

const chunked = post('Transfer-Encoding: chunked')

/** After the head; what comes before the fault may be delivered. */
const refusedBodies: readonly (readonly [situation: string, body: string, id: ViolationId])[] = [
  ['a chunk size is empty', '\r\nabc\r\n', 'badChunkSize'],
  ['a chunk size has a plus sign', '+5\r\nhello\r\n', 'badChunkSize'],
  ['a chunk size has a minus sign', '-5\r\nhello\r\n', 'badChunkSize'],
  ['a chunk size has 0x', '0x5\r\nhello\r\n', 'badChunkSize'],
  ['a space leads a chunk size', ' 5\r\nhello\r\n', 'badChunkSize'],
  ['a space follows a chunk size', '5 \r\nhello\r\n', 'badChunkSize'],
  ['a space is before an extension', '5 ;a\r\nhello\r\n', 'badChunkSize'],
  ['a tab follows a chunk size', '5\t\r\nhello\r\n', 'badChunkSize'],
  ['a chunk size has an underscore', '1_0\r\nhello\r\n', 'badChunkSize'],
  ['a chunk size is not hexadecimal', 'g\r\nhello\r\n', 'badChunkSize'],
  ['a chunk size has 17 digits', '00000000000000005\r\nhello\r\n', 'chunkTooLarge'],
  ['a chunk size is 2^53', '20000000000000\r\nhello\r\n', 'chunkTooLarge'],
  ['a chunk size is 2^64 and 5', '10000000000000005\r\nhello\r\n', 'chunkTooLarge'],
  ['a bare LF ends a chunk size', '5\nhello\r\n', 'bareLF'],
  ['a bare CR ends a chunk size', '5\rhello\r\n', 'bareCR'],
  ['a bare LF ends an extension', '5;a\nhello\r\n', 'bareLF'],
  ['a bare LF ends a quoted extension', '5;a="b"\nhello\r\n', 'bareLF'],
  ['a bare LF is in a quoted extension', '5;a="b\nc"\r\nhello\r\n', 'bareLF'],
  ['a bare CR ends an extension', '5;a\rX', 'bareCR'],
  ['an extension is empty', '5;\r\nhello\r\n', 'badExtension'],
  ['an extension has no name', '5;=b\r\nhello\r\n', 'badExtension'],
  ['an extension has no value', '5;a=\r\nhello\r\n', 'badExtension'],
  ['an extension has a space', '5; a\r\nhello\r\n', 'badExtension'],
  ['an extension has a NUL', '5;a\0\r\nhello\r\n', 'badExtension'],
  ['an extension is not quoted to its end', '5;a="b\r\nhello\r\n', 'badExtension'],
  ['an extension goes on after its quotes', '5;a="b"c\r\nhello\r\n', 'badExtension'],
  ['extensions are endless', `5${';abcdefg'.repeat(600)}\r\nhello\r\n`, 'extensionsTooLarge'],
  ['a chunk is longer than its size', '5\r\nhello!\r\n', 'badChunkEnd'],
  ['a chunk is followed by a bare LF', '5\r\nhello\n0\r\n\r\n', 'badChunkEnd'],
  ['a chunk is followed by a bare CR', '5\r\nhello\r0\r\n\r\n', 'badChunkEnd'],
  ['a chunk is followed by nothing', '5\r\nhello0\r\n\r\n', 'badChunkEnd'],
  ['a chunk is shorter than its size', '5\r\nhel\r\n0\r\n\r\n', 'badChunkEnd'],
  ['a bare LF ends the last chunk', '0\n\r\n', 'bareLF'],
  ['a bare LF ends the trailers', '0\r\n\n', 'bareLF'],
  ['a bare LF ends a trailer', '0\r\nX: a\n\r\n', 'bareLF'],
  ['a trailer is folded', '0\r\nX: a\r\n b\r\n\r\n', 'foldedLine'],
  ['a trailer has a space before its colon', '0\r\nX : a\r\n\r\n', 'badName'],
  ['a trailer is a request', '0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n', 'badName'],
  ['the connection ends in a chunk', '5\r\nhel', 'truncated'],
  ['the connection ends before the last chunk', '5\r\nhello\r\n', 'truncated'],
  ['the connection ends in the trailers', '0\r\n', 'truncated'],
]

for (const [situation, request, id] of refusedHeads) {
  test(`a request is refused and nothing of it is forwarded when ${situation}: ${id}`, t => {
    const whole = readRequests(harmless + request + harmless)
    t.is(whole.broken, id)
    t.is(whole.heads.length, 1)
    t.deepEqual(
      whole.events.map(event => Object.keys(event)[0]),
      ['head', 'end', 'violation'],
    )
    t.deepEqual(readRequests(everyByte(harmless + request + harmless)).events, whole.events)
    const after = harmless.length
    for (let cut = 1; cut < request.length; cut += 7) {
      const text = harmless + request + harmless
      const cutRun = readRequests([bytes(text.slice(0, after + cut)), bytes(text.slice(after + cut))])
      t.deepEqual(cutRun.events, whole.events, `cut at ${cut}`)
    }
  })
}

for (const [situation, body, id] of refusedBodies) {
  test(`a chunked body is refused, and never ends, when ${situation}: ${id}`, t => {
    const input = harmless + chunked + body
    const whole = readRequests(id === 'truncated' ? input : input + harmless)
    t.is(whole.broken, id)
    t.is(whole.heads.length, 2)
    t.is(whole.events.filter(event => 'end' in event).length, 1, 'only the harmless request ends')
    t.deepEqual(readRequests(everyByte(id === 'truncated' ? input : input + harmless)).events, whole.events)
  })
}

test('every rule in the table has an error status and a reason', t => {
  for (const [id, violation] of Object.entries(violations)) {
    t.is(violation.id as string, id)
    t.true(violation.status >= 400 && violation.status < 600)
    t.regex(violation.reason, /^[A-Z].*[^.]$/)
  }
})
