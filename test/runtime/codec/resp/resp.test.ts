/** Examples are those of the specification, https://redis.io/docs/latest/develop/reference/protocol-spec/ */

import { Buffer } from 'node:buffer'
import test from 'ava'
import { encodeRESP, VerbatimString } from '../../../../runtime/codec/resp/index.ts'
import { Data } from '../../../../runtime/data.ts'
import { payloadOf, read } from './recorder.ts'

const encode = (...args: Parameters<typeof encodeRESP>): string => encodeRESP(...args).toString()

test('RESP 2: strings, errors, integers, bulk strings, arrays', t => {
  t.is(payloadOf('+OK\r\n'), 'OK')
  t.deepEqual(payloadOf('-WRONGTYPE Operation against a key\r\n'), {
    '-': 'WRONGTYPE Operation against a key',
  })
  t.is(payloadOf(':0\r\n'), 0)
  t.is(payloadOf(':-1000\r\n'), -1000)
  t.is(payloadOf(':+5\r\n'), 5)
  t.is(payloadOf(':9223372036854775807\r\n'), 9223372036854775807n)
  t.deepEqual(payloadOf('$5\r\nhello\r\n'), { $: 'hello' })
  t.deepEqual(payloadOf('$0\r\n\r\n'), { $: '' })
  t.is(payloadOf('$-1\r\n'), null)
  t.deepEqual(payloadOf('*0\r\n'), [])
  t.deepEqual(payloadOf('*2\r\n$5\r\nhello\r\n$5\r\nworld\r\n'), [{ $: 'hello' }, { $: 'world' }])
  t.deepEqual(payloadOf('*5\r\n:1\r\n:2\r\n:3\r\n:4\r\n$5\r\nhello\r\n'), [1, 2, 3, 4, { $: 'hello' }])
  t.deepEqual(payloadOf('*2\r\n*3\r\n:1\r\n:2\r\n:3\r\n*2\r\n+Hello\r\n-World\r\n'), [
    [1, 2, 3],
    ['Hello', { '-': 'World' }],
  ])
  t.is(payloadOf('*-1\r\n'), null)
  t.deepEqual(payloadOf('*3\r\n$5\r\nhello\r\n$-1\r\n$5\r\nworld\r\n'), [
    { $: 'hello' },
    null,
    { $: 'world' },
  ])
})

test('RESP 3: null, booleans, doubles, big numbers, bulk errors, verbatim strings, maps, sets, pushes', t => {
  t.is(payloadOf('_\r\n'), null)
  t.is(payloadOf('#t\r\n'), true)
  t.is(payloadOf('#f\r\n'), false)
  t.is(payloadOf(',1.23\r\n'), 1.23)
  t.is(payloadOf(',10\r\n'), 10)
  t.is(payloadOf(',-1.5E-3\r\n'), -0.0015)
  t.is(payloadOf(',inf\r\n'), Number.POSITIVE_INFINITY)
  t.is(payloadOf(',-inf\r\n'), Number.NEGATIVE_INFINITY)
  t.is(payloadOf(',nan\r\n'), Number.NaN)
  t.is(
    payloadOf('(3492890328409238509324850943850943825024385\r\n'),
    3492890328409238509324850943850943825024385n,
  )
  t.deepEqual(payloadOf('!21\r\nSYNTAX invalid syntax\r\n'), { '-': 'SYNTAX invalid syntax' })
  t.deepEqual(payloadOf('=15\r\ntxt:Some string\r\n'), { '=txt': 'Some string' })
  t.deepEqual(payloadOf('%2\r\n+first\r\n:1\r\n$6\r\nsecond\r\n:2\r\n'), {
    '%': [
      ['first', 1],
      ['second', 2],
    ],
  })
  t.deepEqual(payloadOf('~3\r\n+orange\r\n$5\r\napple\r\n:100\r\n'), { '~': ['orange', 'apple', 100] })
  t.deepEqual(read('>2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n'), [
    {
      type: 'push',
      body: '>2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n',
      payload: ['invalidate', [{ $: 'k' }]],
    },
  ])
})

test('an attribute goes to the tail of its message; those inside are dropped', t => {
  const attribute = '|1\r\n+key-popularity\r\n%2\r\n$1\r\na\r\n,0.5\r\n$1\r\nb\r\n,0.25\r\n'
  t.deepEqual(read(`${attribute}*2\r\n:2039123\r\n:9543892\r\n`), [
    {
      type: 'attribute',
      body: `${attribute}*2\r\n:2039123\r\n:9543892\r\n`,
      payload: [2039123, 9543892],
      attributes: {
        '%': [
          [
            'key-popularity',
            {
              '%': [
                ['a', 0.5],
                ['b', 0.25],
              ],
            },
          ],
        ],
      },
    },
  ])
  t.deepEqual(payloadOf('*3\r\n:1\r\n:2\r\n|1\r\n+ttl\r\n:3600\r\n:3\r\n'), [1, 2, 3])
})

test('streamed strings and aggregates', t => {
  t.deepEqual(payloadOf('$?\r\n;4\r\nHell\r\n;5\r\no wor\r\n;1\r\nd\r\n;0\r\n'), { $: 'Hello word' })
  t.deepEqual(payloadOf('*?\r\n:1\r\n*?\r\n.\r\n:3\r\n.\r\n'), [1, [], 3])
  t.deepEqual(payloadOf('%?\r\n+a\r\n:1\r\n+b\r\n:2\r\n.\r\n'), {
    '%': [
      ['a', 1],
      ['b', 2],
    ],
  })
  t.deepEqual(payloadOf('~?\r\n:1\r\n.\r\n'), { '~': [1] })
})

test('a command and its answer as they go over the wire', t => {
  // SET greeting "hi", then GET greeting
  const set = Buffer.from(
    '2a330d0a24330d0a5345540d0a24380d0a6772656574696e670d0a24320d0a68690d0a2b4f4b0d0a',
    'hex',
  )
  t.deepEqual(
    read(set).map(event => ('payload' in event ? event.payload : event)),
    [[{ $: 'SET' }, { $: 'greeting' }, { $: 'hi' }], 'OK'],
  )
  t.is(encode(['SET', 'greeting', 'hi']), set.subarray(0, -5).toString())
  t.is(encode('OK'), '+OK\r\n')
})

test('a key or element of bytes that are no text stays bytes', t => {
  const bytes = Buffer.from('%1\r\n$2\r\n\xff\xfe\r\n:1\r\n', 'latin1')
  t.deepEqual(payloadOf(bytes), { '%': [[{ $: '\xff\xfe' }, 1]] })
})

test('values are written in the oldest version that has their type', t => {
  t.is(encode(null), '$-1\r\n')
  t.is(encode(undefined), '$-1\r\n')
  t.is(encode(12), ':12\r\n')
  t.is(encode(1.5), ',1.5\r\n')
  t.is(encode(-0), ',-0\r\n')
  t.is(encode(1e300), ',1e+300\r\n')
  t.is(encode(Number.NEGATIVE_INFINITY), ',-inf\r\n')
  t.is(encode(5n), ':5\r\n')
  t.is(encode(2n ** 64n), '(18446744073709551616\r\n')
  t.is(encode(true), '#t\r\n')
  t.is(encode(new Data('hé')), '$3\r\nhé\r\n')
  t.is(encode('two\r\nlines'), '$10\r\ntwo\r\nlines\r\n')
  t.is(encode(new Error('ERR no')), '-ERR no\r\n')
  t.is(encode(new Error('ERR\nno')), '!6\r\nERR\nno\r\n')
  t.is(encode(new VerbatimString('txt', 'hi')), '=6\r\ntxt:hi\r\n')
  t.is(encode(new Set([1, 'a'])), '~2\r\n:1\r\n$1\r\na\r\n')
  t.is(encode({ a: 1 }), '%1\r\n$1\r\na\r\n:1\r\n')
  t.is(encode(new Map([['a', [null]]])), '%1\r\n$1\r\na\r\n*1\r\n$-1\r\n')
  t.is(encode(new Date(0) as never), `$${String(new Date(0)).length}\r\n${new Date(0)}\r\n`)
})

test('for a receiver of version 2 nothing is written that it lacks', t => {
  const options = { version: 2 } as const
  t.is(encode(new Map([['a', true]]), options), '*2\r\n$1\r\na\r\n:1\r\n')
  t.is(encode(new Set([1.5]), options), '*1\r\n$3\r\n1.5\r\n')
  t.is(encode(new Error('a\r\nb'), options), '-a b\r\n')
  t.is(encode(2n ** 64n, options), '$20\r\n18446744073709551616\r\n')
  t.is(encode(new VerbatimString('txt', 'hi'), options), '$2\r\nhi\r\n')
  t.is(encode(['a'], { ...options, type: 'push' }), '*1\r\n$1\r\na\r\n')
  t.is(encode(1, { ...options, attributes: new Map([['a', 1]]) }), ':1\r\n')
  t.is(encode([null], { version: 3 }), '*1\r\n_\r\n')
})

test('the type of the head tells apart what JavaScript does not', t => {
  t.is(encode(null, { type: 'array' }), '*-1\r\n')
  t.is(encode(null, { type: 'null' }), '_\r\n')
  t.is(encode(null, { type: 'bulk' }), '$-1\r\n')
  t.is(encode(1, { type: 'double' }), ',1\r\n')
  t.is(encode(1n, { type: 'bigNumber' }), '(1\r\n')
  t.is(encode('a', { type: 'bulk' }), '$1\r\na\r\n')
  t.is(encode(new Data('a'), { type: 'string' }), '+a\r\n')
  t.is(encode('ERR a', { type: 'error' }), '-ERR a\r\n')
  t.is(encode(new Error('a'), { type: 'bulkError' }), '!1\r\na\r\n')
  t.is(encode([1], { type: 'push' }), '>1\r\n:1\r\n')
  t.is(
    encode([1], { type: 'attribute', attributes: new Map([['a', 1]]) }),
    '|1\r\n$1\r\na\r\n:1\r\n*1\r\n:1\r\n',
  )
})

test('a value that contains itself, and a verbatim string without a format, are refused', t => {
  const circle: unknown[] = []
  circle.push(circle)
  t.throws(() => encode(circle as never), { code: 'RuntimeError', message: /in itself/ })
  t.throws(() => encode(new VerbatimString('text', '')), {
    code: 'RuntimeError',
    message: /three characters/,
  })
})

test('each rule that can be broken has its name', t => {
  for (const [text, id] of [
    ['PING\r\n', 'badType'],
    ['*1\r\nx', 'badType'],
    ['.\r\n', 'badType'],
    ['+OK\n', 'badLine'],
    ['+O\rK\r\n', 'badLine'],
    ['+\n', 'badLine'],
    ['$2\r\nabc\r\n', 'badLine'],
    ['$2\r\nab\rx', 'badLine'],
    ['$-2\r\n', 'badLength'],
    ['$\r\n', 'badLength'],
    ['$1a\r\n', 'badLength'],
    ['*9999999999999999\r\n', 'badLength'],
    ['>-1\r\n', 'badLength'],
    ['>?\r\n', 'badLength'],
    [':\r\n', 'badNumber'],
    [':1.5\r\n', 'badNumber'],
    [':9223372036854775808\r\n', 'badNumber'],
    [',\r\n', 'badNumber'],
    [',0x10\r\n', 'badNumber'],
    ['(1.5\r\n', 'badNumber'],
    [`(${'9'.repeat(4097)}\r\n`, 'badNumber'],
    ['#x\r\n', 'badBoolean'],
    ['_x\r\n', 'badNull'],
    ['=3\r\nabc\r\n', 'badVerbatim'],
    ['=5\r\nabcde\r\n', 'badVerbatim'],
    ['$?\r\n:1\r\n', 'badChunk'],
    ['*1\r\n.\r\n', 'badEnd'],
    ['%?\r\n:1\r\n.\r\n', 'badEnd'],
    ['*?\r\n|0\r\n.\r\n', 'badEnd'],
    ['*?\r\n.x\r\n', 'badEnd'],
    ['*1\r\n>0\r\n', 'badPush'],
    ['|0\r\n|0\r\n', 'badPush'],
    ['*2\r\n:1\r\n', 'truncated'],
    ['$5\r\nab', 'truncated'],
    ['|0\r\n', 'truncated'],
  ] as const)
    t.deepEqual(read(text), [{ violation: id }], JSON.stringify(text))
})

test('limits: bytes, elements, depth, lines', t => {
  t.deepEqual(read('$999999999999\r\n'), [{ violation: 'messageTooLarge' }])
  t.deepEqual(read('$?\r\n;60\r\n', { maxMessageBytes: 50 }), [{ violation: 'messageTooLarge' }])
  t.deepEqual(read('*2\r\n+aaaa\r\n+bbbb\r\n', { maxMessageBytes: 15 }), [{ violation: 'messageTooLarge' }])
  t.deepEqual(read('*1048576\r\n'), [{ violation: 'tooManyElements' }])
  t.deepEqual(read('%600000\r\n'), [{ violation: 'tooManyElements' }])
  t.deepEqual(read(`*?\r\n${':1\r\n'.repeat(9)}`, { maxElements: 9 }), [{ violation: 'tooManyElements' }])
  t.deepEqual(read('*1\r\n'.repeat(33)), [{ violation: 'tooDeep' }])
  t.deepEqual(read('*1\r\n'.repeat(32)), [{ violation: 'truncated' }])
  t.deepEqual(read(`+${'a'.repeat(70_000)}`), [{ violation: 'lineTooLong' }])
  t.is(payloadOf(`+${'a'.repeat(65_536)}\r\n`), 'a'.repeat(65_536))
})

test('a length that is only claimed takes no memory', t => {
  const before = process.memoryUsage().arrayBuffers
  const kept = Array.from({ length: 50 }, () => read('$60000000\r\nab'))
  t.true(process.memoryUsage().arrayBuffers - before < 20_000_000)
  t.is(kept.length, 50)
})
