import test from 'ava'
import { type LoadedScript, loadDialect, loadScript } from '../../../runtime/script/loader.ts'
import { ScriptError } from '../../../runtime/script/script-error.ts'
import { type Builder, loadOptions, ScriptFolder } from './script-folder.ts'

const folder = new ScriptFolder()
test.after.always(() => folder.remove())

/** Every test loads under a generation of its own, as every reload does. */
let generation = 100

const load = (name: string, text: string): Promise<LoadedScript> =>
  loadScript(folder.write(name, text), loadOptions(++generation))

const refusal = async (name: string, text: string): Promise<ScriptError> => {
  try {
    await load(name, text)
  } catch (error) {
    if (error instanceof ScriptError) return error
    throw error
  }
  throw new Error('the script was loaded')
}

test('a TypeScript file is a module, and its types need no build', async t => {
  const script = await load(
    'typed.ts',
    "import { sluice } from 'sluice'\ninterface Vars { n: number }\nexport default sluice({ n: 1 } satisfies Vars as never)\n",
  )
  t.is(script.kind, 'module')
  t.deepEqual((script.value as Builder).variables, { n: 1 })
  t.regex(script.url, /^file:.*typed\.ts$/)
})

test('a JavaScript file with imports is a module, whatever package it lies in', async t => {
  folder.write('cjs/package.json', '{"type":"commonjs"}')
  const text = "import { sluice } from 'sluice'\nexport default sluice()\n"
  t.is((await load('module.mjs', text)).kind, 'module')
  t.is((await load('module.js', text)).kind, 'module')
  t.is((await load('cjs/module.ts', text)).kind, 'module')
  t.is((await load('cjs/module.js', text)).kind, 'module')
})

test('a JavaScript file that calls pipy and imports nothing is dialect', async t => {
  for (const text of [
    'pipy({ _a: 1 }).listen(8000)',
    '// first a comment\n\n(function () { return pipy({ _a: 1 }).listen(8000) })();\n',
    '((config, router) =>\n\npipy({ _a: 1 })\n\n.listen(config.port)\n\n)({ port: 1 })\n',
    'var vars = 1\nfunction make() { return pipy({ _a: vars }) }\nif (vars) { make() }\n',
    '#!/usr/bin/env sluice\npipy(() => ({ _a: 1 }))',
  ]) {
    const script = await load('dialect.js', text)
    t.is(script.kind, 'dialect', text)
    t.deepEqual((script.value as Builder).variables, { _a: 1 }, text)
  }
})

test('a dialect script can be loaded at once, while another one loads', t => {
  const file = folder.write('sync.js', 'pipy({ _a: 1 })')
  t.deepEqual((loadDialect(file, loadOptions()).value as Builder).variables, { _a: 1 })
})

test('each generation has its own instances of the files of the script, and shares Sluice and packages', async t => {
  folder.write('node_modules/shared/package.json', '{"name":"shared","type":"module","main":"index.js"}')
  folder.write('node_modules/shared/index.js', 'export const packaged = {}')
  folder.write('common.cjs', 'module.exports = { common: {} }')
  folder.write('part.ts', 'export const part: object = {}')
  const main = folder.write(
    'main.ts',
    `import { identity } from 'sluice'
     import { packaged } from 'shared'
     import common from './common.cjs'
     import { part } from './part.ts'
     export default { identity, packaged, common, part }`,
  )
  type Parts = Record<'identity' | 'packaged' | 'common' | 'part', object>
  const parts = async (of: number): Promise<Parts> => (await loadScript(main, loadOptions(of))).value as Parts
  const first = await parts(1)
  const second = await parts(2)
  t.is(await parts(2), second)
  t.is(second.identity, first.identity)
  t.is(second.packaged, first.packaged)
  t.not(second.part, first.part)
  t.not(second.common, first.common)
})

test('a reload sees what has changed in an imported file', async t => {
  const main = folder.write('reload/main.ts', "import { n } from './n.ts'\nexport default { n }")
  for (const n of [1, 2]) {
    folder.write('reload/n.ts', `export const n: number = ${n}`)
    t.deepEqual((await loadScript(main, loadOptions(++generation))).value, { n })
  }
})

test('stack traces of a script show plain paths and its own lines', async t => {
  const file = folder.write(
    'trace.ts',
    'interface A {}\nexport default {\n  stack: () => new Error().stack,\n}',
  )
  const { value } = await loadScript(file, loadOptions(++generation))
  const stack = (value as { stack: () => string }).stack()
  t.true(stack.includes(`${file}:3:16`), stack)
  t.false(stack.includes('generation='), stack)
})

test('a path with blanks in it is found in stack traces', async t => {
  for (const name of ['with blank/a b.ts', 'with blank/c%20d.ts', 'with blank/e f.mjs']) {
    const { report } = await refusal(name, '\nthrow new Error("here")\nexport default {}')
    t.deepEqual([report.file, report.line, report.column], [`${folder.path}/${name}`, 2, 7])
  }
})

test('a context variable that nothing uses is a warning', async t => {
  const { warnings } = await load('warn.js', 'pipy({\n  _used: 1,\n  _idle: 2,\n}).on("x", () => _used)')
  t.deepEqual(warnings, [`${folder.path}/warn.js:3: context variable '_idle' is declared and never used`])
  t.deepEqual((await load('quiet.js', "pipy({}).export('ns', { __shared: 1 })")).warnings, [])
})

test('a missing file, a directory and a file of another kind are refused with advice', async t => {
  const cases: [string, RegExp][] = [
    ['no-such.ts', /no such file/],
    ['.', /directory/],
    ['script.txt', /\.txt file/],
  ]
  folder.write('script.txt', '')
  for (const [name, message] of cases) {
    const error = await t.throwsAsync(loadScript(`${folder.path}/${name}`, loadOptions()))
    t.true(error instanceof ScriptError)
    t.regex((error as ScriptError).report.message, message)
  }
})

test('a file that is neither a module nor dialect is refused with an example of both', async t => {
  const { report } = await refusal('neither.js', 'const a = 1')
  t.regex(report.message, /neither imports 'sluice' nor calls pipy/)
  t.regex(report.cure, /export default sluice.*pipy/)
})

test('a module that does not export pipelines is refused', async t => {
  t.regex((await refusal('none.ts', 'export const a = 1')).report.message, /no default export/)
  t.regex((await refusal('number.ts', 'export default 5')).report.message, /type number/)
  t.regex((await refusal('number.js', 'pipy; 5')).report.message, /gives nothing/)
})

test('a caller that knows what a builder is decides what a script may give', async t => {
  const file = folder.write('other.ts', 'export default { not: "a builder" }')
  const options = { ...loadOptions(++generation), isBuilder: () => false }
  await t.throwsAsync(loadScript(file, options), { message: /not pipelines/ })
})

test('what a script throws is a ScriptError whose cause is what was thrown', async t => {
  const error = await refusal('throws.ts', '\nthrow new RangeError("too far")\nexport default {}')
  t.true(error.cause instanceof RangeError)
  t.is(error.report.line, 2)
  t.is(error.report.message, 'RangeError: too far')
  t.is((await refusal('text.ts', 'throw "a text"')).report.message, 'a text')
})
