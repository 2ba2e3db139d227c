/** Heads stay bytes until someone touches them, and then behave as plain objects would. */

import test from 'ava'
import {
  encodeRequestHead,
  encodeResponseHead,
  type RequestHead,
} from '../../../../runtime/codec/http1/index.ts'
import { bytes, pieces, readRequests, requestHead, responseHead } from './support/recorder.ts'

const lines = ['GET /a?b=c HTTP/1.1', 'Host: x', 'Accept: */*', 'X-Thing: One']

test('reading the start line leaves a head untouched', t => {
  const head = requestHead(...lines)
  t.is(head.method, 'GET')
  t.is(head.path, '/a?b=c')
  t.is(head.protocol, 'HTTP/1.1')
  t.is(head.scheme, undefined)
  t.is(head.authority, undefined)
  t.is(head.header('x-thing'), 'One')
  t.is(head.header('X-THING'), 'One')
  t.is(head.header('absent'), undefined)
  t.false(head.isTouched)
  t.false(head.isChanged)
})

test('reading headers touches a head, but what was only read is still forwarded as it came', t => {
  const head = requestHead(...lines)
  t.is(head.headers.host, 'x')
  t.true(head.isTouched)
  t.false(head.isChanged)
  t.is(encodeRequestHead(head, -1), `${lines.join('\r\n')}\r\n\r\n`)
})

test('headers have lower-case names, trimmed values, and nothing of framing or connection', t => {
  const head = requestHead(
    'POST / HTTP/1.1',
    'HOST:  x  ',
    'Content-Length: 0',
    'Connection: keep-alive',
    'Keep-Alive: 5',
    'TE: trailers',
    'ETag: "1"',
    'X-UnKnown: y',
  )
  t.deepEqual(Object.entries(head.headers), [
    ['host', 'x'],
    ['etag', '"1"'],
    ['x-unknown', 'y'],
  ])
})

test('repeated fields are joined, cookies with semicolons, and set-cookie is a list', t => {
  const request = requestHead(
    'GET / HTTP/1.1',
    'Host: x',
    'Cookie: a=1',
    'Via: b',
    'cookie: c=2',
    'via: d',
    'Via: e',
  )
  t.is(request.headers.cookie, 'a=1; c=2')
  t.is(request.headers.via, 'b, d, e')
  t.is(request.header('via'), 'b, d, e')
  t.is(requestHead('GET / HTTP/1.1', 'Host: x', 'Cookie: a=1', 'cookie: c=2').header('cookie'), 'a=1; c=2')
  const response = responseHead('HTTP/1.1 200 OK', 'Set-Cookie: a=1', 'Set-Cookie: b=2, c', 'Set-Cookie: d=3')
  t.deepEqual(response.headers['set-cookie'], ['a=1', 'b=2, c', 'd=3'])
  t.is(responseHead('HTTP/1.1 200 OK', 'Set-Cookie: a=1').headers['set-cookie'], 'a=1')
})

test('field names that are special in JavaScript are only names', t => {
  const head = requestHead(
    'GET / HTTP/1.1',
    'Host: x',
    '__proto__: a',
    'constructor: b',
    'hasOwnProperty: c',
    '1: d',
  )
  t.is(Reflect.get(head.headers, '__proto__'), 'a')
  t.is(head.headers.constructor as unknown, 'b')
  t.is(head.headers.hasownproperty, 'c')
  t.is(head.headers.toString as unknown, undefined)
  t.is(head.headers['1'], 'd')
  t.is(({} as { a?: string }).a, undefined)
  t.true(encodeRequestHead(head, -1).includes('__proto__: a\r\n'))
})

test('a changed field is written, the others keep their values and order', t => {
  const head = requestHead(...lines)
  head.headers.accept = 'text/plain'
  head.headers['x-new'] = '1'
  t.true(head.isChanged)
  t.is(
    encodeRequestHead(head, -1),
    'GET /a?b=c HTTP/1.1\r\nhost: x\r\naccept: text/plain\r\nx-thing: One\r\nx-new: 1\r\n\r\n',
  )
})

test('a deleted or renamed field is a change', t => {
  const shorter = requestHead(...lines)
  delete shorter.headers['x-thing']
  t.true(shorter.isChanged)
  t.false(encodeRequestHead(shorter, -1).includes('x-thing'))
  const renamed = requestHead(...lines)
  delete renamed.headers['x-thing']
  renamed.headers['x-other'] = 'One'
  t.true(encodeRequestHead(renamed, -1).includes('x-other: One\r\n'))
  const emptied = requestHead('GET / HTTP/1.1', 'Host: x')
  delete emptied.headers.host
  t.false(encodeRequestHead(emptied, -1).includes('x'))
})

test('headers can be replaced by any object', t => {
  const head = requestHead(...lines)
  head.headers = { host: 'y', 'X-A': 1, list: ['a', 'b'], none: undefined, nil: null }
  t.is(encodeRequestHead(head, -1), 'GET /a?b=c HTTP/1.1\r\nhost: y\r\nX-A: 1\r\nlist: a\r\nlist: b\r\n\r\n')
})

test('method and path can be set without the fields being parsed', t => {
  const head = requestHead(...lines)
  head.path = '/other'
  head.method = 'DELETE'
  t.false(head.isTouched)
  t.is(
    encodeRequestHead(head, -1),
    'DELETE /other HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nX-Thing: One\r\n\r\n',
  )
})

test('status can be set, and its reason follows', t => {
  const head = responseHead('HTTP/1.1 200 Fine', 'Server: x', 'Content-Length: 0')
  t.is(head.status, 200)
  t.is(head.statusText, 'Fine')
  head.status = 503
  t.is(
    encodeResponseHead(head, 0),
    'HTTP/1.1 503 Service Unavailable\r\nserver: x\r\nContent-Length: 0\r\n\r\n',
  )
  head.statusText = 'Not now'
  t.true(encodeResponseHead(head, 0).startsWith('HTTP/1.1 503 Not now\r\n'))
})

test('a head becomes JSON as scripts know it', t => {
  t.is(
    JSON.stringify(requestHead(...lines)),
    '{"protocol":"HTTP/1.1","method":"GET","path":"/a?b=c","headers":{"host":"x","accept":"*/*","x-thing":"One"}}',
  )
  t.is(
    JSON.stringify(responseHead('HTTP/1.0 404 No', 'Server: x')),
    '{"protocol":"HTTP/1.0","status":404,"statusText":"No","headers":{"server":"x"}}',
  )
})

test('a clone shares the lines and nothing that can be changed', t => {
  const head = requestHead(...lines)
  head.headers['x-new'] = '1'
  head.path = '/other'
  const copy = head.clone()
  copy.headers['x-new'] = '2'
  copy.path = '/third'
  t.is(head.headers['x-new'], '1')
  t.is(head.path, '/other')
  t.true(encodeRequestHead(copy, -1).startsWith('GET /third '))
  const fresh = requestHead(...lines).clone()
  t.false(fresh.isTouched)
  t.is(fresh.path, '/a?b=c')
  const response = responseHead('HTTP/1.1 200 OK', 'Set-Cookie: a', 'Set-Cookie: b')
  response.headers.x = '1'
  const other = response.clone()
  ;(other.headers['set-cookie'] as string[]).push('c')
  t.is(response.headers['set-cookie']?.length, 2)
})

test('an object spread from a head is written like the head, with what was put over it', t => {
  const head = requestHead(...lines)
  t.is(
    encodeRequestHead({ ...head, path: '/over' }, -1),
    'GET /over HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nX-Thing: One\r\n\r\n',
  )
  t.is(encodeRequestHead({ ...head, headers: { host: 'z' } }, -1), 'GET /a?b=c HTTP/1.1\r\nhost: z\r\n\r\n')
  const response = responseHead('HTTP/1.1 200 OK', 'Server: x', 'Content-Length: 3')
  t.is(
    encodeResponseHead({ ...response, status: 201 }, 3),
    'HTTP/1.1 201 Created\r\nserver: x\r\nContent-Length: 3\r\n\r\n',
  )
})

test('an upgrade is visible in headers and goes out only when asked for', t => {
  const head = requestHead('GET / HTTP/1.1', 'Host: x', 'Connection: upgrade', 'Upgrade: websocket')
  t.is(head.headers.upgrade, 'websocket')
  t.is(head.header('upgrade'), 'websocket')
  t.is(encodeRequestHead(head, -1), 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  t.is(
    encodeRequestHead(head, -1, 'upgrade'),
    'GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
  )
})

test('all decoded heads of a kind have one shape', t => {
  const shape = (head: object) => Object.keys(head).join()
  const plain = requestHead(...lines)
  const rich = requestHead(
    'POST http://a/ HTTP/1.1',
    'Host: x',
    'Content-Length: 0',
    'Upgrade: y',
    'Connection: upgrade, z',
  )
  rich.headers.a = 'b'
  rich.path = '/'
  t.is(shape(rich), shape(plain))
  t.is(shape(rich.clone()), shape(plain))
})

test('a head outlives the memory that it was read from', t => {
  const heads: RequestHead[] = []
  const input = bytes(`${lines.join('\r\n')}\r\n\r\n`)
  heads.push(...readRequests([input]).heads)
  input.fill(0)
  t.is(heads[0]?.headers['x-thing'], 'One')
  const cut = pieces(`${lines.join('\r\n')}\r\n\r\n`, [20])
  heads.push(...readRequests(cut).heads)
  for (const piece of cut) piece.fill(0)
  t.is(heads[1]?.headers['x-thing'], 'One')
})
