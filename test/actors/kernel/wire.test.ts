/** What becomes of a message on its way: the same whether its receiver is on this thread or on another. */

import test from 'ava'
import fc from 'fast-check'
import { fromWire, plainCopy, SentHead, toWire, wireBytes } from '../../../actors/kernel/wire.ts'
import type { RequestHead } from '../../../runtime/codec/http1/index.ts'
import { Data, Message } from '../../../runtime/event.ts'
import { packFrame, unpackFrame } from '../../../runtime/pool/frame.ts'
import { requestHead, responseHead } from '../../runtime/codec/http1/support/recorder.ts'

const across = (value: unknown): unknown => unpackFrame(packFrame([value]))[0]

test('a plain copy arrives on another thread as it is', t => {
  const values = fc.anything({
    withBigInt: false,
    withDate: false,
    withMap: true,
    withSet: true,
    withTypedArray: false,
    withSparseArray: false,
    withNullPrototype: true,
  })
  fc.assert(
    fc.property(values, value => {
      const copy = plainCopy(value)
      t.deepEqual(across(copy), copy)
    }),
  )
})

class Head {
  readonly method = 'GET'
  private readonly cache = { parsed: true }

  toJSON(): object {
    return { method: this.method, cached: this.cache.parsed }
  }
}

for (const [what, given, expected] of [
  ['a function is left out', { f: () => 1, kept: 1 }, { f: undefined, kept: 1 }],
  ['a symbol is left out', { s: Symbol('s') }, { s: undefined }],
  ['a class with toJSON is what that gives', new Head(), { method: 'GET', cached: true }],
  ['a set is a list', { tags: new Set(['a', 'b']) }, { tags: ['a', 'b'] }],
  ['an array of numbers is a list', new Float64Array([1.5, 2]), [1.5, 2]],
  ['Data is its bytes', new Data('hi'), new Uint8Array([104, 105])],
  ['a date is a date', new Date(7), new Date(7)],
  [
    'a field that would change the prototype is left out',
    JSON.parse('{"__proto__":{"x":1},"y":2}'),
    { y: 2 },
  ],
  ['an integer of 64 bits is kept', 2n ** 62n, 2n ** 62n],
] as const) {
  test(what, t => {
    const copy = plainCopy(given)
    t.deepEqual(copy, expected)
    t.deepEqual(across(copy), expected)
  })
}

test('a value that refers to itself, and a number beyond 64 bits, are refused', t => {
  const loop: { self?: unknown } = {}
  loop.self = { loop }
  t.throws(() => plainCopy(loop), { code: 'RuntimeError', message: /refers to itself/ })
  t.throws(() => plainCopy({ n: 2n ** 64n }), { code: 'RuntimeError', message: /64 bits/ })
})

test('a message comes back whole', t => {
  const message = new Message({ path: '/a', headers: { list: ['x'] } }, 'body', { headers: { t: '1' } }, [1])
  const back = fromWire(across(toWire(message)) as ReturnType<typeof toWire>)
  t.deepEqual(back.head, message.head)
  t.is(back.body?.toString(), 'body')
  t.deepEqual(back.tail, message.tail)
  t.deepEqual(back.payload, [1])
})

test('a message with nothing in it comes back empty', t => {
  const back = fromWire(across(toWire(new Message())) as ReturnType<typeof toWire>)
  t.deepEqual(back.head, {})
  t.is(back.body, undefined)
  t.is(back.tail, undefined)
  t.is(back.payload, undefined)
})

test('the weight of a message is that of its body and a flat guess', t => {
  t.is(wireBytes(new Message({}, 'x'.repeat(1000))), 1256)
  t.is(wireBytes(new Message()), 256)
})

test('a decoded head that nobody has changed travels as its lines, and arrives as what a copy of it is', t => {
  const head = requestHead('POST /a?b HTTP/1.1', 'Host: x', 'Via: 1', 'via: 2', 'Content-Length: 0')
  const wire = toWire(new Message(head, 'body'))
  t.is(typeof wire[0], 'string')
  const back = fromWire(across(wire) as ReturnType<typeof toWire>)
  t.deepEqual(back.head, plainCopy(head))
})

const name = fc.oneof(
  fc.constantFrom(
    'host',
    'x-a',
    'set-cookie',
    'cookie',
    'connection',
    'te',
    'upgrade',
    'X-Upper',
    '',
    '1',
    'a b',
  ),
  fc.constantFrom('constructor', '__proto__', 'toString', 'a:b', 'a\r\nb', 'ü', '\ud800'),
)
const text = fc.oneof(
  fc.string({ maxLength: 8 }),
  fc.constantFrom(
    ' a',
    'a\t',
    'a\r\nb: c',
    'a\r',
    '\n',
    'ü€😀',
    '\ud800',
    ':',
    'HTTP/1.1',
    'GET /x HTTP/1.0',
  ),
)
const value = fc.oneof(text, fc.array(text, { maxLength: 3 }), fc.integer(), fc.constantFrom(undefined, null))
const whatever = fc.oneof(text, fc.integer({ min: -1, max: 1200 }), fc.constantFrom(undefined, null, 1.5))
const property = fc.constantFrom('method', 'path', 'protocol', 'status', 'statusText')

test('a changed head arrives as what a copy of it is, whatever a script has put in', t => {
  let texts = 0
  const changes = fc.array(fc.tuple(name, value), { maxLength: 4 })
  const lines = fc.subarray(['Host: x', 'Via: 1', 'via: 2', 'Upgrade: h2c', 'Connection: upgrade', '2: b'])
  const replaced = fc.option(fc.dictionary(name, value, { maxKeys: 3 }))
  const ownLine = fc.option(fc.tuple(property, whatever))
  fc.assert(
    fc.property(
      fc.boolean(),
      lines,
      changes,
      ownLine,
      replaced,
      (isRequest, lines, changes, ownLine, replaced) => {
        const head = isRequest
          ? requestHead('GET /a?b HTTP/1.1', ...lines.filter(line => line !== 'Host: x'), 'Host: y')
          : responseHead('HTTP/1.1 200 OK', ...lines)
        const open = head as unknown as Record<string, unknown>
        if (ownLine !== null) open[ownLine[0]] = ownLine[1]
        if (replaced !== null) open.headers = replaced
        for (const [name, value] of changes) (head.headers as Record<string, unknown>)[name] = value
        const wire = toWire(new Message(head))
        if (typeof wire[0] === 'string') texts++
        const { head: back } = fromWire(across(wire) as ReturnType<typeof toWire>)
        const expected = across(plainCopy(head)) as { headers: object }
        t.deepEqual(back, expected)
        t.deepEqual(
          Object.keys((back as { headers: object }).headers ?? {}),
          Object.keys(expected.headers ?? {}),
        )
      },
    ),
    { numRuns: 2000 },
  )
  t.true(texts > 100)
})

test('a field that a script adds, and a path that it changes, are lines among the others', t => {
  const head = requestHead('GET /a HTTP/1.1', 'Host: x', 'Accept: */*')
  head.headers['x-seen'] = 'yes'
  head.path = '/b'
  t.is(toWire(new Message(head))[0], 'GET /b HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nx-seen: yes\r\n')
  delete head.headers.accept
  head.headers['set-cookie'] = ['a=1', 'b=2']
  t.is(
    toWire(new Message(head))[0],
    'GET /b HTTP/1.1\r\nhost: x\r\nx-seen: yes\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n',
  )
})

test('a head that was to be sent is as it was then, whatever is changed after', t => {
  for (const change of [(head: RequestHead) => head.path, (head: RequestHead) => head.headers.host]) {
    const head = requestHead('GET /a HTTP/1.1', 'Host: x')
    change(head)
    const sent = new SentHead(head)
    head.path = '/b'
    head.headers.host = 'y'
    const { head: back } = fromWire(across(toWire(new Message(sent))) as ReturnType<typeof toWire>)
    t.deepEqual(back, { protocol: 'HTTP/1.1', method: 'GET', path: '/a', headers: { host: 'x' } })
  }
})

test('a changed head is sent as it has become', t => {
  const head = requestHead('GET /a HTTP/1.1', 'Host: x')
  head.headers['x-list'] = ['1', '2']
  const { head: back } = fromWire(across(toWire(new Message(head))) as ReturnType<typeof toWire>)
  t.deepEqual(back, {
    protocol: 'HTTP/1.1',
    method: 'GET',
    path: '/a',
    headers: { host: 'x', 'x-list': ['1', '2'] },
  })
})
