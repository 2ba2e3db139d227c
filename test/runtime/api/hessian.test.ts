/** Bytes are those of the examples in http://hessian.caucho.com/doc/hessian-serialization.html §4 unless said otherwise. */

import { Buffer } from 'node:buffer'
import test from 'ava'
import fc from 'fast-check'
import { dataJSON, Hessian } from '../../../runtime/api/index.ts'
import { Data } from '../../../runtime/data.ts'
import { request, response } from '../codec/dubbo/samples.ts'

const hex = (text: string): Data => new Data(text.replaceAll(' ', ''), 'hex')
const decode = (text: string): unknown => Hessian.decode(hex(text))
const encode = (value: unknown): string => Hessian.encode(value).toString('hex')

const text = (value: string): string => {
  const bytes = Buffer.from(value)
  return (
    (bytes.length < 32 ? Buffer.from([bytes.length]) : Buffer.from([0x30, bytes.length])).toString('hex') +
    bytes.toString('hex')
  )
}

test('null and booleans', t => {
  for (const [bytes, value] of [
    ['4e', null],
    ['54', true],
    ['46', false],
  ] as const) {
    t.is(decode(bytes), value)
    t.is(encode(value), bytes)
  }
})

test('ints in their four forms', t => {
  for (const [bytes, value] of [
    ['90', 0],
    ['80', -16],
    ['bf', 47],
    ['c800', 0],
    ['c000', -2048],
    ['c700', -256],
    ['cfff', 2047],
    ['d40000', 0],
    ['d00000', -262144],
    ['d7ffff', 262143],
    ['4900000000', 0],
    ['490000012c', 300],
    ['4980000000', -2147483648],
    ['497fffffff', 2147483647],
  ] as const)
    t.is(decode(bytes), value, bytes)
  for (const bytes of ['80', 'bf', 'c000', 'c7ef', 'cfff', 'd00000', 'd7ffff', '4900040000', '4980000000'])
    t.is(encode(decode(bytes)), bytes)
})

test('longs in their five forms; those beyond 2^53 keep all digits', t => {
  for (const [bytes, value] of [
    ['e0', 0],
    ['d8', -8],
    ['ef', 15],
    ['f800', 0],
    ['f000', -2048],
    ['f700', -256],
    ['ffff', 2047],
    ['3c0000', 0],
    ['380000', -262144],
    ['3fffff', 262143],
    ['5900000000', 0],
    ['590000012c', 300],
    ['4c000000000000012c', 300],
    ['4c7fffffffffffffff', 9223372036854775807n],
    ['4c8000000000000000', -9223372036854775808n],
  ] as const)
    t.is(decode(bytes), value, bytes)
  for (const [value, bytes] of [
    [15n, 'ef'],
    [-8n, 'd8'],
    [-9n, 'f7f7'],
    [2047n, 'ffff'],
    [-262144n, '380000'],
    [262144n, '5900040000'],
    [2 ** 40, '4c0000010000000000'],
    [2n ** 63n - 1n, '4c7fffffffffffffff'],
  ] as const)
    t.is(encode(value), bytes)
})

test('doubles in their six forms', t => {
  for (const [bytes, value] of [
    ['5b', 0],
    ['5c', 1],
    ['5d00', 0],
    ['5d80', -128],
    ['5d7f', 127],
    ['5e0000', 0],
    ['5e8000', -32768],
    ['5e7fff', 32767],
    ['444028800000000000', 12.25],
    // Thousandths, as com.caucho.hessian.io and hessian-lite have it.
    ['5f00002fda', 12.25],
    ['5ffffffc18', -1],
  ] as const)
    t.is(decode(bytes), value, bytes)
  t.is(encode(12.25), '444028800000000000')
  t.is(encode(-0), '448000000000000000')
  t.is(decode(encode(Number.NaN)), Number.NaN)
})

test('dates to the millisecond and to the minute', t => {
  for (const [bytes, time] of [
    ['4a000000d04b9284b8', '1998-05-08T09:51:31.000Z'],
    ['4b00e3838f', '1998-05-08T09:51:00.000Z'],
    ['4bffffffff', '1969-12-31T23:59:00.000Z'],
  ] as const) {
    t.deepEqual(decode(bytes), new Date(time))
    t.is(encode(new Date(time)), bytes)
  }
  t.is(encode(new Date(Number.NaN)), '4e')
})

test('strings: short, of two bytes of length, in parts, and with characters outside the basic plane', t => {
  for (const [bytes, value] of [
    ['00', ''],
    ['05 68656c6c6f', 'hello'],
    ['01 c383', '\u00c3'],
    ['53 0005 68656c6c6f', 'hello'],
    ['30 05 68656c6c6f', 'hello'],
    ['52 0007 68656c6c6f2c20 05 776f726c64', 'hello, world'],
    ['52 0001 61 52 0001 62 53 0001 63', 'abc'],
  ] as const)
    t.is(decode(bytes), value, bytes)
  // U+1F600 as Java writes it (two surrogates of three bytes), and as others do.
  t.is(decode('02 eda0bdedb880'), '\u{1f600}')
  t.is(decode('02 f09f9880'), '\u{1f600}')
  t.is(encode('\u{1f600}'), '02eda0bdedb880')
  t.is(encode('x'.repeat(32)), `3020${'78'.repeat(32)}`)
  t.is(encode('x'.repeat(1024)), `530400${'78'.repeat(1024)}`)
  const long = `${'é'.repeat(32767)}\u{1f600}${'x'.repeat(70_000)}`
  t.is(decode(encode(long)), long)
})

test('binary data: short, of two bytes of length, in parts', t => {
  for (const [bytes, value] of [
    ['20', ''],
    ['23 010203', '010203'],
    ['34 03 010203', '010203'],
    ['42 0003 010203', '010203'],
    ['41 0002 0102 42 0001 03', '010203'],
    ['41 0002 0102 20', '0102'],
    ['41 0000 21 05', '05'],
  ] as const)
    t.is((decode(bytes) as Data).toString('hex'), value, bytes)
  t.is(encode(new Data('abc')), '23616263')
  t.is(encode(new Uint8Array(16)), `3410${'00'.repeat(16)}`)
  const long = Buffer.alloc(100_000, 7)
  t.deepEqual((decode(encode(long)) as Data).bytes(), long)
})

test('lists: fixed and not, typed and not, short and not', t => {
  const int = '5b696e74' // [int
  for (const [bytes, value] of [
    ['57 90 91 5a', [0, 1]],
    ['58 92 90 91', [0, 1]],
    ['7a 90 91', [0, 1]],
    ['78', []],
    [`56 04${int} 92 90 91`, [0, 1]],
    [`55 04${int} 90 91 5a`, [0, 1]],
    [`72 04${int} 90 91`, [0, 1]],
    // the second by the index of its type
    [
      `7a 72 04${int} 90 91 73 90 91 92 93`,
      [
        [0, 1],
        [1, 2, 3],
      ],
    ],
  ] as const)
    t.deepEqual(decode(`7a ${bytes} 4e`), [value, null], bytes)
  const typed = Hessian.decodeAll(hex(`72 04${int} 90 91`))
  t.is(Hessian.typeOf(typed[0]), '[int')
  t.is(encode(typed), `7204${int}9091`)
  t.is(encode([[1, 2]]), '7a9192')
  t.is(encode([[1, 2, 3, 4, 5, 6, 7, 8]]), '58989192939495969798')
})

test('maps become objects, or a Map when a key is no string', t => {
  t.deepEqual(
    decode('48 91 03666565 a0 03666965 c900 03666f65 5a'),
    new Map<unknown, unknown>([
      [1, 'fee'],
      [16, 'fie'],
      [256, 'foe'],
    ]),
  )
  const typed = decode(
    `4d ${text('com.caucho.test.Car')} ${text('color')} ${text('aquamarine')} ${text('mileage')} 4900010000 5a`,
  )
  t.deepEqual(typed, { color: 'aquamarine', mileage: 65536 })
  t.is(Hessian.typeOf(typed), 'com.caucho.test.Car')
  t.is(
    decode(`48 ${text('__proto__')} 91 5a`) !== null &&
      Object.hasOwn(decode(`48 ${text('__proto__')} 91 5a`) as object, '__proto__'),
    true,
  )
  t.deepEqual(
    decode(`48 ${text('a')} 91 92 93 5a`),
    new Map<unknown, unknown>([
      ['a', 1],
      [2, 3],
    ]),
  )
  t.is(encode({ a: 1 }), '480161915a')
  t.is(encode(new Map([[1, 2]])), '4891925a')
})

test('objects of a class: defined once, then referred to', t => {
  const definition = `43 ${text('example.Car')} 92 ${text('color')} ${text('model')}`
  const bytes = `${definition} 4f 90 ${text('red')} ${text('corvette')} 60 ${text('green')} ${text('civic')}`
  const cars = Hessian.decodeAll(hex(bytes))
  t.deepEqual(cars, [
    { color: 'red', model: 'corvette' },
    { color: 'green', model: 'civic' },
  ])
  t.is(Hessian.typeOf(cars[1]), 'example.Car')
  t.is(encode(cars), hex(bytes.replace('4f 90', '60')).toString('hex'))
  t.is(encode(Hessian.typed('example.Car', { color: 'red', model: 'corvette' })), encode(cars[0]))
  t.is(Hessian.typeOf({ ...cars[0] }), undefined)
})

test('references: to what came before, and to what it stands in', t => {
  const list = `43 ${text('LinkedList')} 92 ${text('head')} ${text('tail')} 60 91 51 90`
  const linked = decode(list) as { head: number; tail: unknown }
  t.is(linked.head, 1)
  t.is(linked.tail, linked)
  t.is(encode(linked), hex(list).toString('hex'))
  const shared = { a: 1 }
  const [first, second] = Hessian.decode(Hessian.encode([[shared, shared]]))
  t.is(first, second)
})

test('the bodies of a Dubbo request and its answer', t => {
  t.deepEqual(Hessian.decode(new Data(request.subarray(16))), [
    '2.0.2',
    'org.apache.dubbo.demo.DemoService',
    '0.0.0',
    'sayHello',
    'Ljava/lang/String;',
    'world',
    {
      path: 'org.apache.dubbo.demo.DemoService',
      interface: 'org.apache.dubbo.demo.DemoService',
      version: '0.0.0',
    },
  ])
  for (const sample of [request, response]) {
    const body = new Data(sample.subarray(16))
    t.deepEqual(Hessian.encode(Hessian.decode(body)).bytes(), body.bytes())
  }
})

test('several values are an array, one is itself, none is null', t => {
  t.deepEqual(decode('91 92'), [1, 2])
  t.is(decode('91'), 1)
  t.is(decode(''), null)
  t.is(Hessian.decode(null), null)
  t.deepEqual(Hessian.decodeAll(hex('91')), [1])
  t.is(encode([1, 2]), '9192')
  t.is(encode([]), '')
})

test('a long beyond 2^53 goes into JSON as it is', t => {
  t.is(
    dataJSON.encode(decode(`48 ${text('id')} 4c7fffffffffffffff 5a`))?.toString(),
    '{"id":9223372036854775807}',
  )
})

test('bytes that are no Hessian are refused, with the reason', t => {
  for (const [bytes, reason] of [
    ['40', /0x40 is no code/],
    ['5a', /0x5a is no code/],
    ['49 0000', /cut/],
    ['05 6161', /string/],
    ['01 ff', /string/],
    ['01 c080', /string/],
    ['52 0001 61 91', /not followed/],
    ['41 0001 61 91', /not followed/],
    ['57 90', /cut/],
    ['48 90', /cut/],
    ['60', /has not been defined/],
    ['51 90', /has not come/],
    ['70 90', /has not come/],
    ['4f 4e', /no int/],
    ['56 0161 4e', /no int/],
    ['58 8f', /negative/],
    ['43 91', /no string/],
    ['43 0161 90', /cut/],
  ] as const)
    t.throws(() => decode(bytes), { code: 'ProtocolError', message: reason }, bytes)
})

test('bombs: lengths, depth, and references that double at each step', t => {
  t.throws(() => decode('58 497fffffff'), { message: /cut/ })
  t.throws(() => decode(`43 0161 497fffffff`), { message: /cut/ })
  t.throws(() => decode('79'.repeat(300)), { message: /nested deeper than 256/ })
  t.deepEqual(
    decode(`${'79'.repeat(256)}90`),
    Array.from({ length: 256 }).reduce<unknown>(inner => [inner], 0),
  )
  // Each list holds another twice, of which the second is a reference: 2^40 values for whoever walks over them.
  let doubled = '7890'
  for (let i = 39; i >= 0; i--) doubled = `7a ${doubled} 51 ${(0x91 + i).toString(16)}`
  t.throws(() => decode(doubled), { code: 'ProtocolError', message: /more than 1048576 values/ })
  let deep: unknown = 0
  for (let i = 0; i < 300; i++) deep = [deep]
  t.throws(() => encode([deep]), { code: 'RuntimeError', message: /nested deeper/ })
  t.throws(() => encode(2n ** 64n), { code: 'RuntimeError', message: /64 bits/ })
})

const { value } = fc.letrec<{ value: unknown }>(tie => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double(),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.date({ noInvalidDate: true }),
    fc.uint8Array({ maxLength: 30 }).map(bytes => new Data(bytes)),
    fc.array(tie('value'), { maxLength: 10 }),
    fc
      .array(fc.tuple(fc.string({ maxLength: 5 }), tie('value')), { maxLength: 4 })
      .map(entries => Object.fromEntries(entries)),
    fc
      .array(fc.tuple(fc.integer(), tie('value')), { minLength: 1, maxLength: 4 })
      .map(entries => new Map(entries)),
    fc
      .tuple(
        fc.string({ maxLength: 5 }),
        fc.dictionary(fc.string({ maxLength: 5 }), tie('value'), { maxKeys: 3, noNullPrototype: true }),
      )
      .map(([type, object]) => Hessian.typed(`t.${type}`, object)),
  ),
}))

/** Data of equal bytes is equal, whatever memory it lies in. */
const plain = (given: unknown): unknown => {
  if (given instanceof Data) return { bytes: given.toString('hex') }
  if (Array.isArray(given)) return given.map(plain)
  if (given instanceof Map) return new Map([...given].map(([key, entry]) => [key, plain(entry)]))
  if (given instanceof Date || typeof given !== 'object' || given === null) return given
  return {
    type: Hessian.typeOf(given),
    entries: Object.entries(given).map(([key, entry]) => [key, plain(entry)]),
  }
}

test('property: values that are encoded are decoded again, and encoded the same', t => {
  fc.assert(
    fc.property(value, one => {
      const bytes = Hessian.encode([one])
      const again = Hessian.decodeAll(bytes)
      t.deepEqual(again.map(plain), [plain(one)])
      t.deepEqual(Hessian.encode(again).bytes(), bytes.bytes())
    }),
    { numRuns: 300 },
  )
})

test('property: any bytes give values, or one clear refusal', t => {
  const mutated = fc.tuple(value, fc.nat(), fc.nat({ max: 255 })).map(([one, at, byte]) => {
    const bytes = Buffer.from(Hessian.encode([one]).bytes())
    if (bytes.length > 0) bytes[at % bytes.length] = byte
    return bytes
  })
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 60 })), bytes => {
      try {
        t.true(Array.isArray(Hessian.decodeAll(new Data(bytes))))
      } catch (error) {
        t.is((error as { code?: string }).code, 'ProtocolError')
      }
    }),
    { numRuns: 1000 },
  )
})
