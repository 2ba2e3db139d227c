/** Heads of scripts and of peers as text: nothing a script gives may end a line or change the framing. */

import test from 'ava'
import {
  chunkHeader,
  encodeRequestHead,
  encodeResponseHead,
  Framing,
  lastChunk,
} from '../../../../runtime/codec/http1/index.ts'
import { TrafficError } from '../../../../runtime/errors.ts'
import { requestHead, responseHead } from './support/recorder.ts'

test('an empty request is a GET of the root', t => {
  t.is(encodeRequestHead({}, -1, '', 'a:80'), 'GET / HTTP/1.1\r\nHost: a:80\r\n\r\n')
  t.is(encodeRequestHead({}, 0), 'GET / HTTP/1.1\r\nHost: \r\n\r\n')
})

test('an empty response is 200 OK', t => {
  t.is(encodeResponseHead({}, 5), 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n')
})

test('each framing has its line', t => {
  t.true(encodeRequestHead({ method: 'POST' }, 5).includes('\r\nContent-Length: 5\r\n'))
  t.true(
    encodeRequestHead({ method: 'POST' }, Framing.chunked).includes('\r\nTransfer-Encoding: chunked\r\n'),
  )
  t.is(encodeResponseHead({}, Framing.untilClose, 'close'), 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n')
  t.throws(() => encodeRequestHead({}, Framing.untilClose), { instanceOf: TrafficError })
})

test('methods that are expected to have a body say when they have none', t => {
  for (const method of ['POST', 'PUT', 'PATCH']) {
    t.true(encodeRequestHead({ method }, Framing.none).includes('\r\nContent-Length: 0\r\n'))
    t.true(encodeRequestHead({ method }, 0).includes('\r\nContent-Length: 0\r\n'))
  }
  for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS'])
    t.false(encodeRequestHead({ method }, Framing.none).includes('Content-Length'))
})

test('responses without a body by their status have no framing', t => {
  for (const status of [100, 101, 204, 304])
    t.false(encodeResponseHead({ status }, 0).includes('Content-Length'))
  t.true(encodeResponseHead({ status: 205 }, 0).includes('Content-Length: 0'))
})

test('framing and connection fields of a script are not sent', t => {
  const headers = {
    host: 'a',
    'Content-Length': '99',
    'content-length': '98',
    'TRANSFER-ENCODING': 'chunked',
    'Transfer-encoding': 'chunked',
    Connection: 'close',
    'keep-alive': '1',
    'Proxy-Connection': 'x',
    TE: 'trailers',
    upgrade: 'h2c',
    'X-A': 'b',
  }
  t.is(encodeRequestHead({ headers }, -1), 'GET / HTTP/1.1\r\nhost: a\r\nX-A: b\r\n\r\n')
  t.is(
    encodeResponseHead({ headers }, 2),
    'HTTP/1.1 200 OK\r\nhost: a\r\nX-A: b\r\nContent-Length: 2\r\n\r\n',
  )
})

const injections = ['a\r\nX: y', 'a\nX: y', 'a\rX: y', 'a\0', '\r\n', 'a\x7f', 'a\r\n\r\nGET / HTTP/1.1']

for (const text of injections) {
  test(`a script cannot send ${JSON.stringify(text)} anywhere in a head`, t => {
    const refusals: (() => unknown)[] = [
      () => encodeRequestHead({ path: `/${text}` }, -1),
      () => encodeRequestHead({ method: text }, -1),
      () => encodeRequestHead({ headers: { x: text } }, -1),
      () => encodeRequestHead({ headers: { x: ['a', text] } }, -1),
      () => encodeRequestHead({ headers: { [text]: 'x' } }, -1),
      () => encodeRequestHead({ headers: { host: text } }, -1),
      () => encodeRequestHead({ headers: { upgrade: text } }, -1, 'upgrade'),
      () => encodeRequestHead({}, -1, '', text),
      () => encodeResponseHead({ statusText: text }, 0),
      () => encodeResponseHead({ status: text as unknown as number }, 0),
      () => encodeResponseHead({ headers: { x: text } }, 0),
      () => encodeResponseHead({ headers: { [text]: 'x' } }, 0),
      () => lastChunk({ x: text }),
      () => {
        const head = requestHead('GET / HTTP/1.1', 'Host: x')
        head.headers.host = text
        return encodeRequestHead(head, -1)
      },
      () => {
        const head = requestHead('GET / HTTP/1.1', 'Host: x')
        head.path = `/${text}`
        return encodeRequestHead(head, -1)
      },
      () => {
        const head = requestHead('GET / HTTP/1.1', 'Host: x')
        head.method = text
        return encodeRequestHead(head, -1)
      },
      () => {
        const head = responseHead('HTTP/1.1 200 OK', 'Server: x')
        head.statusText = text
        return encodeResponseHead(head, 0)
      },
    ]
    refusals.forEach((refusal, i) => {
      const error = t.throws(refusal, { instanceOf: TrafficError }, `case ${i}`)
      t.is((error as TrafficError | undefined)?.code, 'RuntimeError')
    })
  })
}

test('a path may have no space, which would begin the version', t => {
  t.throws(() => encodeRequestHead({ path: '/ HTTP/1.1' }, -1), { message: /contains a space/ })
  t.throws(() => encodeRequestHead({ path: '/a#b' }, -1), { message: /fragment/ })
})

test('a name must be a token', t => {
  for (const name of ['', 'a b', 'a:', 'é', 'a(', 'Ā'])
    t.throws(() => encodeRequestHead({ headers: { [name]: 'x' } }, -1), { message: /Field name/ })
})

test('a status must be a number of three digits', t => {
  for (const status of [0, 99, 1000, 200.5, Number.NaN, 'x' as unknown as number])
    t.throws(() => encodeResponseHead({ status }, 0), { message: /Status/ })
  t.true(
    encodeResponseHead({ status: '404' as unknown as number }, 0).startsWith('HTTP/1.1 404 Not Found\r\n'),
  )
  t.true(encodeResponseHead({ status: 599 }, 0).startsWith('HTTP/1.1 599 \r\n'))
})

test('text beyond Latin-1 is sent as UTF-8, and what a peer sent goes out as it came', t => {
  t.true(encodeResponseHead({ headers: { x: '€' } }, 0).includes('x: \xe2\x82\xac\r\n'))
  t.true(encodeResponseHead({ headers: { x: '\xe9' } }, 0).includes('x: \xe9\r\n'))
  t.true(encodeRequestHead({ path: '/é?%20€' }, -1).startsWith('GET /%C3%A9?%20%E2%82%AC HTTP/1.1\r\n'))
})

test('an untouched request is its own encoding', t => {
  const text = 'POST /a HTTP/1.1\r\nhOsT: x\r\nX:  y \r\nContent-Length: 3\r\n'
  const head = requestHead(...text.split('\r\n').slice(0, -1))
  t.is(encodeRequestHead(head, 3), `${text}\r\n`)
  t.is(encodeRequestHead(head, 3, 'close'), `${text}Connection: close\r\n\r\n`)
  t.is(encodeRequestHead(head, 3, 'keep-alive'), `${text}Connection: keep-alive\r\n\r\n`)
})

test('a body that changed its framing changes the head', t => {
  const head = () => requestHead('POST /a HTTP/1.1', 'Content-Length: 3', 'Host: x')
  t.is(encodeRequestHead(head(), 5), 'POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n')
  t.is(
    encodeRequestHead(head(), Framing.chunked),
    'POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n',
  )
  t.is(encodeRequestHead(head(), Framing.none), 'POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n')
  const chunked = requestHead('GET /a HTTP/1.1', 'Host: x', 'Transfer-Encoding: chunked')
  t.is(encodeRequestHead(chunked, Framing.none), 'GET /a HTTP/1.1\r\nHost: x\r\n\r\n')
  t.is(encodeRequestHead(chunked, 2), 'GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n')
  const touched = head()
  touched.headers.a = 'b'
  t.is(encodeRequestHead(touched, 5), 'POST /a HTTP/1.1\r\nhost: x\r\na: b\r\nContent-Length: 5\r\n\r\n')
})

test('no body and an empty body are the same to an untouched request', t => {
  const empty = requestHead('POST /a HTTP/1.1', 'Host: x', 'Content-Length: 0')
  t.is(encodeRequestHead(empty, Framing.none), encodeRequestHead(empty, 0))
  const get = requestHead('GET /a HTTP/1.1', 'Host: x')
  t.is(encodeRequestHead(get, 0), encodeRequestHead(get, Framing.none))
})

test('a response that changed its framing says so', t => {
  const head = responseHead('HTTP/1.1 200 OK', 'Content-Length: 3', 'Server: x')
  t.is(encodeResponseHead(head, 3), 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nServer: x\r\n\r\n')
  t.is(
    encodeResponseHead(head, Framing.chunked),
    'HTTP/1.1 200 OK\r\nServer: x\r\nTransfer-Encoding: chunked\r\n\r\n',
  )
  t.is(
    encodeResponseHead(head, Framing.untilClose, 'close'),
    'HTTP/1.1 200 OK\r\nServer: x\r\nConnection: close\r\n\r\n',
  )
  const close = responseHead('HTTP/1.0 200 OK', 'Server: x')
  t.is(
    encodeResponseHead(close, Framing.chunked),
    'HTTP/1.1 200 OK\r\nServer: x\r\nTransfer-Encoding: chunked\r\n\r\n',
  )
})

test('an HTTP/1.0 request is sent on as HTTP/1.1, with a Host', t => {
  const head = requestHead('GET /a HTTP/1.0', 'X: y')
  t.is(encodeRequestHead(head, -1, '', 'up:80'), 'GET /a HTTP/1.1\r\nX: y\r\nHost: up:80\r\n\r\n')
})

test('a target in absolute-form is sent in origin-form, RFC 9112 §3.2.1', t => {
  const sent = (target: string, method = 'GET') =>
    encodeRequestHead(requestHead(`${method} ${target} HTTP/1.1`, 'Host: evil'), -1)
  t.is(sent('http://a/b?c'), 'GET /b?c HTTP/1.1\r\nHost: a\r\n\r\n')
  t.is(sent('HTTPS://a:81'), 'GET / HTTP/1.1\r\nHost: a:81\r\n\r\n')
  t.is(sent('http://a?b'), 'GET /?b HTTP/1.1\r\nHost: a\r\n\r\n')
  t.is(sent('http://a', 'OPTIONS'), 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n')
  t.is(sent('http://a/', 'OPTIONS'), 'OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n')
  const touched = requestHead('GET http://a/b HTTP/1.1', 'Host: evil')
  touched.headers.x = 'y'
  t.is(encodeRequestHead(touched, -1), 'GET /b HTTP/1.1\r\nhost: a\r\nx: y\r\n\r\n')
})

test('a CONNECT keeps its authority', t => {
  t.true(
    encodeRequestHead(requestHead('CONNECT h:1 HTTP/1.1', 'Host: h:1'), -1).startsWith(
      'CONNECT h:1 HTTP/1.1\r\n',
    ),
  )
  t.true(
    encodeRequestHead({ method: 'CONNECT', path: 'h:1', headers: { host: 'h:1' } }, -1).startsWith(
      'CONNECT h:1 HTTP',
    ),
  )
})

test('a script that touched an answer to HEAD does not lose the length that it told', t => {
  const head = responseHead('HTTP/1.1 304 Not Modified', 'Content-Length: 9', 'Server: x')
  head.headers.x = 'y'
  t.is(
    encodeResponseHead(head, head.framing),
    'HTTP/1.1 304 Not Modified\r\nserver: x\r\nx: y\r\nContent-Length: 9\r\n\r\n',
  )
})

test('chunks are written in hexadecimal and end with their trailers', t => {
  t.is(chunkHeader(255), 'ff\r\n')
  t.is(lastChunk(), '0\r\n\r\n')
  t.is(
    lastChunk({ 'x-sum': 7, 'Content-Length': 1, host: 'x', 'transfer-encoding': 'y' }),
    '0\r\nx-sum: 7\r\n\r\n',
  )
})
