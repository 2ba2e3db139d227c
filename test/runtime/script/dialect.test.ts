/** In Pipy's dialect, bare names of context variables mean properties of the context that the callback runs in. */

import test from 'ava'
import { runDialect } from '../../../runtime/script/dialect.ts'
import { scope } from '../../../runtime/script/scope.ts'
import { Builder, pipy } from './script-folder.ts'

/** Runs the callback `x` of a script of one callback in a context. */
function callback(
  text: string,
  context: Record<string, unknown>,
  globals: Record<string, unknown> = {},
): unknown {
  const variables = Object.keys(context).join(': 0, ')
  const source = `pipy({ ${variables}: 0 }).on('x', ${text})`
  const { value } = runDialect('/test/callback.js', source, { pipy, ...globals })
  return (value as Builder).call('x', context)
}

test('reads and writes of all kinds reach the context', t => {
  const cases: [string, Record<string, unknown>, unknown, Record<string, unknown>][] = [
    ['() => _a + 1', { _a: 1 }, 2, { _a: 1 }],
    ['() => _a = 5', { _a: 1 }, 5, { _a: 5 }],
    ['() => (_a += 2, _a ??= 9, _b ||= 3, _a)', { _a: 1, _b: 0 }, 3, { _a: 3, _b: 3 }],
    ['() => [_a++, --_a]', { _a: 1 }, [1, 1], { _a: 1 }],
    ['() => typeof _a', { _a: 'text' }, 'string', { _a: 'text' }],
    ['() => delete _a', { _a: 1 }, true, {}],
    ['() => ({ _a, b: _a, _c: 1 })', { _a: 1 }, { _a: 1, b: 1, _c: 1 }, { _a: 1 }],
    [
      '() => ([_a, { x: _b = 7, ...(_c) }] = [1, { y: 2 }], 0)',
      { _a: 0, _b: 0, _c: 0 },
      0,
      { _a: 1, _b: 7, _c: { y: 2 } },
    ],
    ['() => ({ _a, _b = 2 } = { _a: 1 }, 0)', { _a: 0, _b: 0 }, 0, { _a: 1, _b: 2 }],
    ['() => { for (_a of [1, 2]); for (_b in { k: 1 }); }', { _a: 0, _b: 0 }, undefined, { _a: 2, _b: 'k' }],
    [`() => \`<\${_a}>\``, { _a: 1 }, '<1>', { _a: 1 }],
    ['() => _a?.b?.()', { _a: {} }, undefined, { _a: {} }],
    ['() => _a.b["c"]', { _a: { b: { c: 3 } } }, 3, { _a: { b: { c: 3 } } }],
    ['() => new _a()', { _a: Array }, [], { _a: Array }],
    ['() => { _a: for (;;) { break _a } return _a }', { _a: 1 }, 1, { _a: 1 }],
    ['function () { if (_a) { let _a = 2; return _a } }', { _a: 1 }, 2, { _a: 1 }],
  ]
  for (const [text, context, result, after] of cases) {
    t.deepEqual(callback(text, context), result, text)
    t.deepEqual(context, after, text)
  }
})

test('a function in a context variable is called without the context as this', t => {
  function self(this: unknown): unknown {
    return this
  }
  t.is(callback('() => _f()', { _f: self }), undefined)
  t.is(callback('() => _f?.()', { _f: self }), undefined)
  t.is(callback('() => _f``', { _f: self }), undefined)
  t.is(callback('() => { _f(); return 1 }', { _f: self }), 1)
})

test('a statement that begins with a call goes on needing no semicolon before it', t => {
  t.is(callback('() => {\n  let n = 1\n  _f()\n  return n\n}', { _f: () => 2 }), 1)
})

test('declarations of every kind shadow a context variable', t => {
  const cases = [
    '_a => 2',
    '(_b, _a = 2) => _a',
    '({ _a = 2 } = {}) => _a',
    '([_a] = [2]) => _a',
    '(..._a) => _a.push(1) + 1',
    '() => { var _a = 2; return _a }',
    '() => { return _a; var _a }',
    '() => { let _a = 2; return _a }',
    '() => { function _a() {} return 2 }',
    '() => { class _a {} return typeof _a === "function" ? 2 : 0 }',
    '() => { try { throw 2 } catch (_a) { return _a } }',
    '() => { for (const _a of [2]) return _a }',
    '() => (function _a(n) { return n ? 2 : _a(1) })(0)',
    '() => (_a => _a)(2)',
  ]
  for (const text of cases) t.not(callback(text, { _a: 'outer', _b: 0 }), 'outer', text)
  t.is(callback('() => { { let _a = 2 } return _a }', { _a: 'outer' }), 'outer')
  t.is(callback('() => { (_a => _a)(2); return _a }', { _a: 'outer' }), 'outer')
  t.is(callback('(_b = _a) => { var _a = 2; return _b }', { _a: 'outer', _b: 0 }), 'outer')
})

test('parameters, generators, methods, getters and class fields see the context', t => {
  t.is(callback('(p = _a, q = () => _a) => p + q()', { _a: 1 }), 2)
  t.deepEqual(callback('() => [...(function* () { yield _a; yield _a + 1 })()]', { _a: 1 }), [1, 2])
  t.is(callback('() => ({ m() { return _a } }).m()', { _a: 1 }), 1)
  t.is(callback('() => ({ get p() { return _a } }).p', { _a: 1 }), 1)
  t.is(callback('() => new (class { f = _a; static s = _a })().f', { _a: 1 }), 1)
  t.is(callback('() => ({ [_a]: 2 })[1]', { _a: 1 }), 2)
})

test('after an await, in then and in timers a callback goes on with the context it began with', async t => {
  const text = `async later => [
    _a,
    await later(),
    _a,
    await later().then(() => _a),
    (() => _a)(),
  ]`
  const { value } = runDialect('/test/later.js', `pipy({ _a: 0 }).on('x', ${text})`, { pipy })
  const builder = value as Builder
  const later = () => new Promise<void>(resolve => setImmediate(resolve))
  const [first, second] = await Promise.all([
    builder.call('x', { _a: 1 }, later),
    builder.call('x', { _a: 2 }, later),
  ])
  t.deepEqual(first, [1, undefined, 1, 1, 1])
  t.deepEqual(second, [2, undefined, 2, 2, 2])
})

test('a helper outside of the callbacks sees the context of whoever calls it', t => {
  const { value } = runDialect(
    '/test/helper.js',
    '((double = () => _a * 2) => pipy({ _a: 0 }).on("x", () => double()))()',
    { pipy },
  )
  t.is((value as Builder).call('x', { _a: 2 }), 4)
  t.is((value as Builder).call('x', { _a: 5 }), 10)
})

test('exported and imported names and the builtin variables are context variables', t => {
  const source = `pipy({})
    .export('main', { __turn: 1 })
    .import({ __id: 'other' })
    .on('x', () => [__turn, __id, __inbound.id, __filename])`
  const { value, variables } = runDialect('/test/names.js', source, { pipy })
  t.deepEqual((value as Builder).call('x', { __turn: 1, __id: 2, __inbound: { id: 3 } }), [
    1,
    2,
    3,
    '/test/names.js',
  ])
  t.deepEqual(variables.toSorted(), ['__id', '__turn'])
})

test('variables that only running the script tells are taken from the context too', t => {
  const source = 'const vars = { _a: 1 }\npipy(vars).on("x", () => _a)'
  const { value } = runDialect('/test/open.js', source, { pipy })
  t.is((value as Builder).call('x', { _a: 7 }), 7)
})

test('a script may have names of its own that are those of globals', t => {
  const source = 'const os = { mine: 1 }\npipy({ _a: 0 }).on("x", () => os.mine + _a)'
  const { value } = runDialect('/test/own.js', source, { pipy, os: {} })
  t.is((value as Builder).call('x', { _a: 1 }), 2)
})

test('names that the rewriting makes never collide with those of the script', t => {
  t.is(callback('($ctx1, $ctx0 = 1, $ctxnow = 1) => _a + $ctx0 + $ctxnow', { _a: 1 }), 3)
})

test('arrow functions with comments, brackets and line breaks keep their value', t => {
  t.is(callback('() =>\n  // a comment => with an arrow\n  (_a) // the end\n', { _a: 1 }), 1)
  t.deepEqual(callback('() => /* => */ ({ v: _a })', { _a: 1 }), { v: 1 })
  t.is(callback('(f = () => 2) => ((_a))', { _a: 1 }), 1)
  t.is(callback('() => (() => () => _a)()()', { _a: 1 }), 1)
})

test('a script leaves no context behind', t => {
  callback('() => _a', { _a: 1 })
  t.is(scope.current, undefined)
  t.true(new Builder() instanceof Builder)
})
