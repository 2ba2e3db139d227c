/** What a RequestDecoder accepts, how it can be steered, and where its limits are. */

import { Buffer } from 'node:buffer'
import test from 'ava'
import { RequestDecoder, type RequestHead, violations } from '../../../../runtime/codec/http1/index.ts'
import { bytes, everyByte, Recorder, readRequests, requestHead } from './support/recorder.ts'

test('pipelined requests come one after the other, each with its body', t => {
  const { events } = readRequests(
    'GET /a HTTP/1.1\r\nHost: x\r\n\r\n' +
      'POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc' +
      'PUT /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1;q="\\"";r=s\r\nf\r\n0\r\nX-Sum: 7\r\n\r\n',
  )
  t.like(events, [
    { head: 'GET /a HTTP/1.1\r\nHost: x\r\n', framing: -1, keepAlive: true },
    { end: undefined },
    { framing: 3 },
    { body: 'abc' },
    { end: undefined },
    { framing: -2 },
    { body: 'def' },
    { end: { 'x-sum': '7' } },
  ])
  t.is(events.length, 8)
})

test('one empty line before a request is skipped, as RFC 9112 §2.2 asks', t => {
  const request = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'
  t.is(readRequests(`\r\n${request}\r\n${request}`).heads.length, 2)
  t.is(readRequests(everyByte(`\r\n${request}\r\n${request}`)).heads.length, 2)
})

test('a connection that closes between messages has done nothing wrong', t => {
  t.deepEqual(readRequests('').events, [])
  t.is(readRequests('GET / HTTP/1.1\r\nHost: x\r\n\r\n\r\n').broken, undefined)
})

test('a connection that closes inside a head is a violation', t => {
  t.is(readRequests('G').broken, 'truncated')
  t.is(readRequests('GET / HTTP/1.1\r\nHost: x\r\n').broken, 'truncated')
  t.is(readRequests('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na').broken, 'truncated')
})

test('the head tells what framing and connection handling need', t => {
  const head = requestHead(
    'POST /a HTTP/1.1',
    'Host: x',
    'Expect: 100-continue',
    'Content-Length: 10',
    'Connection: Upgrade, close',
    'Upgrade: websocket',
    'TE: trailers',
  )
  t.is(head.contentLength, 10)
  t.is(head.framing, 10)
  t.true(head.expectsContinue)
  t.true(head.acceptsTrailers)
  t.false(head.keepAlive)
  t.is(head.upgrade, 'websocket')
  t.false(head.isHTTP10)
})

test('an Upgrade that Connection does not nominate is not one', t => {
  t.is(requestHead('GET / HTTP/1.1', 'Host: x', 'Upgrade: h2c').upgrade, undefined)
})

test('an Upgrade in HTTP/1.0 is ignored, RFC 9110 §7.8', t => {
  t.is(requestHead('GET / HTTP/1.0', 'Connection: upgrade', 'Upgrade: websocket').upgrade, undefined)
})

test('Connection may name no more fields than there may be', t => {
  const request = (count: number) => `${line}Connection: ${'a,'.repeat(count - 1)}a\r\n\r\n`
  t.is(readRequests(request(100)).heads.length, 1)
  t.is(readRequests(request(101)).broken, 'tooManyFields')
})

test('persistence follows version and Connection, RFC 9112 §9.3', t => {
  t.true(requestHead('GET / HTTP/1.1', 'Host: x').keepAlive)
  t.false(requestHead('GET / HTTP/1.1', 'Host: x', 'connection: CLOSE').keepAlive)
  t.false(requestHead('GET / HTTP/1.1', 'Host: x', 'Connection: keep-alive, close').keepAlive)
  t.false(requestHead('GET / HTTP/1.0').keepAlive)
  t.true(requestHead('GET / HTTP/1.0', 'Connection: Keep-Alive').keepAlive)
})

test('fields of one connection are left out of what is forwarded, and those that Connection names', t => {
  const head = requestHead(
    'GET / HTTP/1.1',
    'Keep-Alive: timeout=5',
    'Host: x',
    'Proxy-Connection: keep-alive',
    'X-Kept: 1',
    'Connection: keep-alive, X-Secret',
    'TE: trailers',
    'x-secret: 2',
    'Trailer: X-Sum',
  )
  t.is(head.raw, 'GET / HTTP/1.1\r\nHost: x\r\nX-Kept: 1\r\nTrailer: X-Sum\r\n')
})

test('Connection cannot take framing or routing away', t => {
  const head = requestHead(
    'POST / HTTP/1.1',
    'Host: x',
    'Content-Length: 0',
    'Connection: content-length, host',
  )
  t.is(head.raw, 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n')
})

test('a name that only begins or ends like a noted one is an ordinary field', t => {
  const lines = [
    'Hosts: a,b',
    'Hostx: a b',
    'Hxst: a b',
    'Connectiox: close',
    'Transfer-Encodinx: gzip',
    'Content-Lengthy: x',
  ]
  const head = requestHead('GET / HTTP/1.1', 'Host: x', ...lines)
  t.is(head.raw, `GET / HTTP/1.1\r\nHost: x\r\n${lines.join('\r\n')}\r\n`)
  t.true(head.keepAlive)
})

test('values may hold tabs and bytes above 127, and white space around them is not part of them', t => {
  const head = requestHead('GET / HTTP/1.1', 'Host:x', 'X: \t a\tb\xff \t ', 'Y:', 'Z: ')
  t.is(head.headers.x, 'a\tb\xff')
  t.is(head.headers.y, '')
  t.is(head.headers.z, '')
})

test('a method that nobody knows passes', t => {
  t.is(requestHead('BREW /pot HTTP/1.1', 'Host: x').method, 'BREW')
  t.is(requestHead('get /pot HTTP/1.1', 'Host: x').method, 'get')
})

test('hosts of every form are accepted', t => {
  for (const host of [
    'a',
    'a.b-c',
    'a:80',
    'a:',
    '127.0.0.1:8080',
    '[::1]',
    '[::ffff:1.2.3.4]:443',
    'a_b',
    '%61',
    '',
  ])
    t.is(requestHead('GET / HTTP/1.1', `Host: ${host}`).headers.host, host)
})

test('a target in absolute-form overrules Host, RFC 9112 §3.2.2', t => {
  const head = requestHead('GET http://a.b:81/c?d HTTP/1.1', 'X: 1', 'Host: evil')
  t.is(head.path, 'http://a.b:81/c?d')
  t.is(head.scheme, 'http')
  t.is(head.authority, 'a.b:81')
  t.is(head.headers.host, 'a.b:81')
  t.is(head.header('Host'), 'a.b:81')
  t.false(head.raw.includes('evil'))
})

test('an authority-form and an asterisk-form are accepted where they belong', t => {
  const connect = requestHead('CONNECT a.b:443 HTTP/1.1', 'Host: a.b:443')
  t.is(connect.path, 'a.b:443')
  t.is(connect.authority, 'a.b:443')
  t.is(connect.scheme, undefined)
  t.is(requestHead('OPTIONS * HTTP/1.1', 'Host: x').path, '*')
  t.is(requestHead('OPTIONS /a HTTP/1.1', 'Host: x').authority, undefined)
})

test('a chunk size may have leading zeros and capitals, up to 16 digits', t => {
  const { events } = readRequests(
    'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n000000000000000A\r\n0123456789\r\n00\r\n\r\n',
  )
  t.like(events.slice(1), [{ body: '0123456789' }, { end: undefined }])
})

test('trailers that would change how a message is read are left out', t => {
  const { events } = readRequests(
    'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\nHost: y\r\n' +
      'Transfer-Encoding: chunked\r\nX-Sum: 1\r\nConnection: close\r\n\r\n',
  )
  t.deepEqual({ ...(events[1] as { end: object }).end }, { 'x-sum': '1' })
})

test('a suspended decoder gives back the bytes after the message', t => {
  const recorder = new Recorder<RequestHead>()
  const decoder = new RequestDecoder(recorder)
  recorder.onEnd = () => decoder.suspend()
  const one = 'GET /a HTTP/1.1\r\nHost: x\r\n\r\n'
  const input = bytes(one + one)
  t.is(decoder.decode(input, 0, input.length), one.length)
  t.is(recorder.heads.length, 1)
  t.true(decoder.isIdle)
  t.is(decoder.decode(input, one.length, input.length), input.length)
  t.is(recorder.heads.length, 2)
})

test('a suspension asked for during the head takes effect after the body', t => {
  const recorder = new Recorder<RequestHead>()
  const decoder = new RequestDecoder(recorder)
  recorder.onHead = () => decoder.suspend()
  const input = bytes('POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\naGET')
  t.is(decoder.decode(input, 0, input.length), input.length - 3)
  t.like(recorder.events.slice(1), [{ body: 'a' }, { end: undefined }])
})

test('a tunnel takes every byte after the message as it is', t => {
  const recorder = new Recorder<RequestHead>()
  const decoder = new RequestDecoder(recorder)
  recorder.onHead = () => decoder.tunnel()
  const input = bytes('CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n\x16\x03\x01\n\r')
  t.is(decoder.decode(input, 0, input.length), input.length)
  t.like(recorder.events.slice(1), [{ end: undefined }, { body: '\x16\x03\x01\n\r' }])
  t.true(decoder.isTunnel)
  decoder.finish()
  t.is(recorder.broken, undefined)
})

test('a tunnel can be begun between two calls, once the upstream agreed', t => {
  const recorder = new Recorder<RequestHead>()
  const decoder = new RequestDecoder(recorder)
  recorder.onEnd = () => decoder.suspend()
  const input = bytes('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nraw')
  const reached = decoder.decode(input, 0, input.length)
  decoder.tunnel()
  t.is(decoder.decode(input, reached, input.length), input.length)
  t.deepEqual(recorder.events.at(-1), { body: 'raw' })
})

test('a stopped decoder says nothing more', t => {
  for (const moment of ['onHead', 'onBody', 'onEnd'] as const) {
    const recorder = new Recorder<RequestHead>()
    const decoder = new RequestDecoder(recorder)
    recorder[moment] = () => decoder.stop()
    const one =
      'POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n'
    const input = bytes(one + one)
    t.true(decoder.decode(input, 0, input.length) < input.length)
    const count = recorder.events.length
    t.is(count, { onHead: 1, onBody: 2, onEnd: 3 }[moment])
    decoder.decode(input, 0, input.length)
    decoder.finish()
    t.is(recorder.events.length, count)
    t.true(decoder.isStopped)
  }
})

test('nothing follows a violation', t => {
  const recorder = new Recorder<RequestHead>()
  const decoder = new RequestDecoder(recorder)
  const input = bytes('GET\n')
  decoder.decode(input, 0, input.length)
  t.is(decoder.decode(input, 0, input.length), 0)
  decoder.finish()
  t.deepEqual(recorder.events, [{ violation: 'bareLF' }])
})

const line = 'GET / HTTP/1.1\r\nHost: x\r\n'

test('a request line of the greatest length passes, and one byte more is refused with 414', t => {
  const request = (length: number) => `GET /${'a'.repeat(length - 16)} HTTP/1.1\r\nHost: x\r\n\r\n`
  t.is(readRequests(request(100), { maxLineBytes: 100 }).heads.length, 1)
  for (const input of [[bytes(request(101))], everyByte(request(101))])
    t.is(readRequests(input, { maxLineBytes: 100 }).broken, 'lineTooLong')
  t.is(violations.lineTooLong.status, 414)
})

test('a head of the greatest size passes, and one byte more is refused with 431', t => {
  const request = (length: number) => `${line}X: ${'a'.repeat(length - line.length - 7)}\r\n\r\n`
  t.is(request(200).length, 200)
  t.is(readRequests(request(200), { maxHeadBytes: 200 }).heads.length, 1)
  t.is(readRequests(everyByte(request(200)), { maxHeadBytes: 200 }).heads.length, 1)
  for (const input of [[bytes(request(201))], everyByte(request(201))])
    t.is(readRequests(input, { maxHeadBytes: 200 }).broken, 'headTooLarge')
  t.is(violations.headTooLarge.status, 431)
})

test('too many fields are refused with 431', t => {
  const request = (count: number) => `${line}${'X: a\r\n'.repeat(count - 1)}\r\n`
  t.is(readRequests(request(100)).heads.length, 1)
  t.is(readRequests(request(101)).broken, 'tooManyFields')
})

test('trailers are bounded', t => {
  const request = `${line}Transfer-Encoding: chunked\r\n\r\n0\r\nX: ${'a'.repeat(200)}\r\n\r\n`
  t.is(readRequests(request, { maxTrailerBytes: 207 }).broken, undefined)
  t.is(readRequests(request, { maxTrailerBytes: 206 }).broken, 'trailersTooLarge')
})

test('a body that is announced as too large is refused before its head is delivered', t => {
  const recorder = readRequests(`${line}Content-Length: 11\r\n\r\n`, { maxBodyBytes: 10 })
  t.deepEqual(recorder.events, [{ violation: 'bodyTooLarge' }])
  t.is(violations.bodyTooLarge.status, 413)
})

test('a chunked body is refused when it becomes too large', t => {
  const body = '5\r\nhello\r\n5\r\nworld\r\n1\r\n!\r\n0\r\n\r\n'
  const recorder = readRequests(`${line}Transfer-Encoding: chunked\r\n\r\n${body}`, { maxBodyBytes: 10 })
  t.like(recorder.events.slice(1), [{ body: 'helloworld' }, { violation: 'bodyTooLarge' }])
})

test('a head that comes byte by byte leaves its own memory behind when it is complete', t => {
  const recorder = new Recorder<RequestHead>()
  const decoder = new RequestDecoder(recorder)
  const shared = Buffer.alloc(1)
  for (const byte of bytes(`${line}X: y\r\n\r\n`)) {
    shared[0] = byte
    decoder.decode(shared, 0, 1)
  }
  t.is(recorder.heads[0]?.headers.x, 'y')
  t.true(decoder.isIdle)
})

test('bytes before and after the range given are not looked at', t => {
  const recorder = new Recorder<RequestHead>()
  const decoder = new RequestDecoder(recorder)
  const input = bytes(`\n\n\n${line}Content-Length: 2\r\n\r\nabcd`)
  t.is(decoder.decode(input, 3, input.length - 2), input.length - 2)
  t.like(recorder.events.slice(1), [{ body: 'ab' }, { end: undefined }])
})
