/** Errors of scripts name the file, line and column where they arose, show the line and say what to do. */

import test from 'ava'
import { TrafficError } from '../../../runtime/errors.ts'
import { loadScript } from '../../../runtime/script/loader.ts'
import { formatScriptError, reportOf, ScriptError } from '../../../runtime/script/script-error.ts'
import { type Builder, loadOptions, ScriptFolder } from './script-folder.ts'

const folder = new ScriptFolder()
test.after.always(() => folder.remove())
let generation = 500

interface Case {
  readonly title: string
  readonly file: string
  readonly text: string
  /** Line and column of the error, from 1. */
  readonly at: readonly [number, number]
  readonly message: RegExp
  readonly cure: RegExp
}

const cases: readonly Case[] = [
  {
    title: 'a syntax error in a dialect script',
    file: 'syntax.js',
    text: 'pipy({})\n\n.listen(8000,,)',
    at: [3, 14],
    message: /^SyntaxError: Unexpected token$/,
    cure: /syntax/,
  },
  {
    title: 'a syntax error in a JavaScript module',
    file: 'syntax.mjs',
    text: "import { sluice } from 'sluice'\nexport default sluice(\n  1 +* 2)",
    at: [3, 6],
    message: /^SyntaxError: Unexpected token$/,
    cure: /syntax/,
  },
  {
    title: 'a syntax error in TypeScript',
    file: 'syntax.ts',
    text: 'const a: number = 1\nconst b: = 2',
    at: [2, 10],
    message: /^SyntaxError: Unexpected token `=`/,
    cure: /syntax/,
  },
  {
    title: 'a name declared twice in TypeScript',
    file: 'twice.ts',
    text: 'const a: number = 1\nconst a: number = 2\nexport default {}',
    at: [2, 7],
    message: /'a' has already been declared/,
    cure: /syntax/,
  },
  {
    title: 'TypeScript whose types cannot be erased',
    file: 'enum.ts',
    text: 'const a = 1\nenum Colour { red }',
    at: [2, 1],
    message: /enum is not supported/,
    cure: /no enum/,
  },
  {
    title: 'an unknown name in a module',
    file: 'name.ts',
    text: "import { sluice } from 'sluice'\nconst target: string = ''\nexport default sluice({ a: targt })",
    at: [3, 28],
    message: /^ReferenceError: targt is not defined$/,
    cure: /'target'/,
  },
  {
    title: 'an unknown name in a dialect script',
    file: 'name.js',
    text: 'pipy({ _target: 1 })\n.on("x", () => (\n  _targt\n))',
    at: [3, 3],
    message: /^_targt is not defined$/,
    cure: /'_target'/,
  },
  {
    title: 'an assignment to an undeclared name in a dialect script',
    file: 'assign.js',
    text: 'pipy({ _target: 1 })\n.on("x", () => (\n  _targett = 5\n))',
    at: [3, 3],
    message: /_targett is assigned and nobody declares it/,
    cure: /'_target'/,
  },
  {
    title: 'an assignment to a global of the dialect',
    file: 'global.js',
    text: 'pipy({ _target: 1 })\n.on("x", () => { pipy = _target })',
    at: [2, 18],
    message: /pipy cannot be assigned/,
    cure: /pipy\(\{ pipy: undefined \}\)/,
  },
  {
    title: 'a mistyped filter',
    file: 'filter.js',
    text: 'pipy()\n  .listen(8000)\n  .decodeHTTPRequst()',
    at: [3, 4],
    message: /decodeHTTPRequst is not a function$/,
    cure: /'decodeHTTPRequest'/,
  },
  {
    title: 'a context variable used while the script loads',
    file: 'early.js',
    text: 'pipy({ _port: 1 })\n.listen(_port)',
    at: [2, 9],
    message: /^context variable '_port' is used outside of a callback$/,
    cure: /while a callback runs/,
  },
  {
    title: 'an import of a file that is not there',
    file: 'import.ts',
    text: "import type { A } from './types.ts'\nimport { b } from './nowhere.ts'\nexport default { b }",
    at: [2, 22],
    message: /^Cannot find module/,
    cure: /path/,
  },
  {
    title: 'an import of a name that is not exported',
    file: 'export.ts',
    text: "import { x } from 'sluice'\nexport default { x }",
    at: [1, 10],
    message: /does not provide an export named 'x'/,
    cure: /import type/,
  },
]

for (const { title, file, text, at, message, cure } of cases)
  test(`${title} is told with its line, column and a cure`, async t => {
    const path = folder.write(file, text)
    const error = (await t.throwsAsync(loadScript(path, loadOptions(++generation)))) as ScriptError
    t.true(error instanceof ScriptError, String(error))
    const { report } = error
    t.is(report.file, path)
    t.deepEqual([report.line, report.column], at)
    t.is(report.sourceLine, text.split('\n')[at[0] - 1])
    t.regex(report.message, message)
    t.regex(report.cure, cure)
  })

test('an error in an imported file is told with that file', async t => {
  const part = folder.write('part.ts', '\nexport const n: number = missing\n')
  const main = folder.write('main.ts', "import { n } from './part.ts'\nexport default { n }")
  const error = (await t.throwsAsync(loadScript(main, loadOptions(++generation)))) as ScriptError
  t.is(error.report.file, part)
  t.is(error.report.line, 2)
})

test('a misused option is told with the line of the filter and keeps its code', async t => {
  const sets = (): never => {
    throw new TrafficError('BadOption', 'listen has no option "x"')
  }
  const file = folder.write('option.js', 'pipy({})\n  .listen(1, sets({ x: 1 }))')
  const error = (await t.throwsAsync(loadScript(file, loadOptions(++generation, { sets })))) as ScriptError
  t.is(error.report.code, 'BadOption')
  t.is(error.report.line, 2)
  t.is(error.report.cure, (error.cause as TrafficError).cure)
})

test('an error in a callback is told with its line, and its column before the rewriting', async t => {
  const line = '  .on("x", () => [_a, _a, _a, _a.b.c])'
  const file = folder.write('late.js', `pipy({ _a: {} })\n${line}`)
  const { value } = await loadScript(file, loadOptions(++generation))
  const thrown = t.throws(() => (value as Builder).call('x', { _a: {} }))
  const report = reportOf(TrafficError.from(thrown))
  t.is(report.code, 'RuntimeError')
  t.deepEqual([report.file, report.line, report.column], [file, 2, line.lastIndexOf('c') + 1])
  t.regex(report.cure, /before 'c' is undefined/)
})

test('an error that names a context variable names it as the script does', async t => {
  const file = folder.write('words.js', 'pipy({ _f: 0 })\n.on("x", () => _f())\n.on("y", () => 1 + _f.g())')
  const { value } = await loadScript(file, loadOptions(++generation))
  const messages = ['x', 'y'].map(name => {
    try {
      return (value as Builder).call(name, { _f: 0 })
    } catch (error) {
      return reportOf(error).message
    }
  })
  t.deepEqual(messages, ['TypeError: _f is not a function', 'TypeError: _f.g is not a function'])
})

test('on a terminal an error takes a few lines, with a mark under the place', t => {
  t.is(
    formatScriptError({
      code: 'ScriptError',
      message: 'ReferenceError: targt is not defined',
      cure: "Did you mean 'target'?",
      file: '/srv/main.ts',
      line: 12,
      column: 5,
      sourceLine: '\t\treturn targt',
    }),
    [
      'ReferenceError: targt is not defined',
      '  at /srv/main.ts:12:5',
      '  12 | \t\treturn targt',
      '     | \t\t  ^',
      "  Did you mean 'target'?",
    ].join('\n'),
  )
  t.is(
    formatScriptError({ code: 'ScriptError', message: 'no such file', cure: 'Check it.', file: '/a.ts' }),
    'no such file\n  at /a.ts\n  Check it.',
  )
})

test('a report is plain data, so that it can cross threads', async t => {
  const file = folder.write('plain.ts', 'export default nothing')
  const { report } = (await t.throwsAsync(loadScript(file, loadOptions(++generation)))) as ScriptError
  t.deepEqual(structuredClone(report), report)
})
