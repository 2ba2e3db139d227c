/** Options: what scripts may write for each kind, what they are told when they err. */

import test from 'ava'
import fc from 'fast-check'
import {
  count,
  duration,
  flag,
  isFunction,
  isText,
  oneOf,
  optional,
  parseDuration,
  parseOptions,
  parseSize,
  show,
  size,
} from '../../runtime/options.ts'

test('durations are seconds as a number, or text with a unit', t => {
  for (const [given, ms] of [
    [0, 0],
    [1, 1000],
    [0.5, 500],
    ['1', 1000],
    ['500ms', 500],
    ['10s', 10_000],
    ['1.5s', 1500],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['2d', 172_800_000],
    [' 3 s ', 3000],
    ['5M', 300_000],
  ] as const)
    t.is(parseDuration(given), ms, String(given))
  for (const bad of [
    -1,
    Number.NaN,
    '',
    's',
    '-1s',
    '1 fortnight',
    '1e3',
    '1,5s',
    null,
    undefined,
    true,
    {},
    [],
  ])
    t.is(parseDuration(bad), undefined, String(bad))
})

test('sizes are bytes as a number, or text with a unit of 1024', t => {
  for (const [given, bytes] of [
    [0, 0],
    [100, 100],
    [1.9, 1],
    ['100', 100],
    ['16k', 16_384],
    ['1m', 1_048_576],
    ['1.5k', 1536],
    ['2g', 2_147_483_648],
    ['1t', 1_099_511_627_776],
    ['7b', 7],
    ['8K', 8192],
  ] as const)
    t.is(parseSize(given), bytes, String(given))
  for (const bad of [-1, Number.NaN, '', 'k', '1kb', '1 x', null, undefined, {}])
    t.is(parseSize(bad), undefined, String(bad))
})

const specs = {
  timeout: duration(10_000, 'How long.'),
  never: duration(0, 'How long.'),
  bufferLimit: size(64 * 1024, 'How much.'),
  retries: count(3, 'How often.', 1),
  isOpen: flag(true, 'Whether.'),
  policy: oneOf(['block', 'drop'], 'block', 'Which.'),
  name: optional('a name', 'Who.', isText),
  onState: optional('a function', 'Whom to tell.', isFunction),
} as const

const parse = (given: unknown) => parseOptions(specs, given, 'connect')
const defaults = {
  timeout: 10_000,
  never: 0,
  bufferLimit: 65_536,
  retries: 3,
  isOpen: true,
  policy: 'block',
  name: undefined,
  onState: undefined,
}

test('what is not given has its default', t => {
  for (const nothing of [undefined, null, {}, { timeout: undefined }])
    t.deepEqual(parse(nothing), defaults as never)
})

test('what is given is read by its kind', t => {
  const onState = (): void => {}
  t.deepEqual(
    parse({
      timeout: '1m',
      never: 1,
      bufferLimit: '1k',
      retries: 1,
      isOpen: false,
      policy: 'drop',
      name: 'x',
      onState,
    }),
    {
      timeout: 60_000,
      never: 1000,
      bufferLimit: 1024,
      retries: 1,
      isOpen: false,
      policy: 'drop',
      name: 'x',
      onState,
    } as never,
  )
})

for (const [given, message] of [
  [
    { timeout: 'soon' },
    "option 'timeout' of connect wants a duration: seconds as a number, or text like '500ms', '10s', '5m', and got \"soon\"",
  ],
  [{ bufferLimit: '1kb' }, /wants a size: bytes as a number, or text like '16k', '1m', and got "1kb"/],
  [{ retries: 0 }, /wants a whole number from 1 on, and got 0/],
  [{ retries: 1.5 }, /and got 1.5/],
  [{ isOpen: 1 }, /wants true or false, and got 1/],
  [{ policy: 'spill' }, /wants one of 'block', 'drop', and got "spill"/],
  [{ name: 3 }, /wants a name, and got 3/],
  [{ name: null }, /wants a name, and got null/],
  [{ onState: {} }, /wants a function, and got an object \(Object\)/],
  [{ timout: 1 }, /connect has no option 'timout'; did you mean 'timeout'\?/],
  [{ BUFFERLIMIT: 1 }, /did you mean 'bufferLimit'\?/],
  [{ whatever: 1 }, /connect has no option 'whatever'; it has timeout, never, .*onState/],
  [{ toString: 1 }, /connect has no option 'toString'/],
  ['10s', /connect wants an object of options, and got "10s"/],
  [7, /wants an object of options, and got 7/],
] as const) {
  test(`${JSON.stringify(given)} is refused with words that help`, t => {
    t.throws(() => parse(given), {
      code: 'BadOption',
      message: typeof message === 'string' ? new RegExp(message) : message,
    })
  })
}

test('what has no options says so', t => {
  t.throws(() => parseOptions({}, { a: 1 }, 'dummy'), { message: /dummy has no option 'a'; it has none/ })
})

test('defaults are shown as a person would write them', t => {
  t.deepEqual(
    Object.values(specs).map(spec => spec.shown),
    ['10s', 'none', '64k', '3', 'true', 'block', 'none', 'none'],
  )
  t.is(size(1024 ** 3, '').shown, '1g')
  t.is(size(1000, '').shown, '1000')
  t.is(size(Number.MAX_SAFE_INTEGER, '').shown, 'none')
})

test('a shown default of a size is read as the same size', t => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 1 }), bytes => {
      t.is(parseSize(size(bytes, '').shown), bytes)
    }),
  )
})

test('values are shown short, text told from numbers', t => {
  t.is(show('8'), '"8"')
  t.is(show(8), '8')
  t.is(show('x'.repeat(100)).length, 62)
  t.is(show(show), 'function show')
  t.is(
    show(() => {}),
    'a function',
  )
  t.is(show(null), 'null')
  t.is(show(undefined), 'undefined')
  t.is(show([1]), 'an array')
  t.is(show({}), 'an object (Object)')
  t.is(show(new Map()), 'an object (Map)')
  t.is(show(Object.create(null)), 'an object (Object)')
  t.is(show(Symbol('s')), 'Symbol(s)')
})
