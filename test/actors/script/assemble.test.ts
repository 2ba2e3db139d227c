/** Mistakes in scripts: each is found when the script is read, in words that help, at the line where it stands. */

import { join } from 'node:path'
import test from 'ava'
import { sluice } from '../../../actors/index.ts'
import { builderMethods, definitionOf } from '../../../actors/script/builder.ts'
import { loadScript } from '../../../runtime/script/loader.ts'
import { ScriptError } from '../../../runtime/script/script-error.ts'
import { harness } from '../../support/pipeline-harness.ts'
import { makeFolder, makeScript, runSluice } from '../../support/sluice.ts'
import { mistakes } from './mistakes.ts'

let generation = 0

for (const { what, script, code, message } of mistakes) {
  test(`${what}: told with its line`, async t => {
    const source = `import { sluice } from 'sluice'\n\nexport default sluice()\n${script}\n`
    const file = makeScript(t, source, 'main.js')
    const error = await readScript(file, value => harness(t, value))
    t.is(error?.report.code, code)
    t.regex(error?.report.message ?? '', message)
    t.is(error?.report.file, file)
    t.is(error?.report.line, 1 + source.split('\n').findIndex(line => line.endsWith('// wrong')))
  })
}

/** What is told of a script that cannot be used. */
async function readScript(file: string, read: (value: unknown) => void): Promise<ScriptError | undefined> {
  try {
    const { value } = await loadScript(file, {
      generation: ++generation,
      dialectGlobals: {},
      sluiceModule: new URL('../../../actors/index.ts', import.meta.url).href,
      isBuilder: each => definitionOf(each) !== undefined,
      methods: builderMethods,
    })
    read(value)
    return undefined
  } catch (thrown) {
    return ScriptError.of(thrown, { file, methods: builderMethods })
  }
}

test('variables that are no object are refused', t => {
  t.throws(() => sluice(5 as never), {
    code: 'BadOption',
    message: /variables of a script are an object.*not 5$/,
  })
  t.throws(() => sluice((() => null) as never), { code: 'BadOption', message: /not null$/ })
})

test('variables may come from a function, asked once', t => {
  let asked = 0
  const script = sluice(() => ({ n: ++asked })).pipeline('main')
  const { open } = harness(t, script)
  t.is(open().context.n, 1)
  t.is(open().context.n, 1)
})

test('pipelines may name others that come later, and themselves', t => {
  const script = sluice()
    .pipeline('main')
    .branch(() => false, 'main', 'later')
    .pipeline('later')
    .dummy()
  t.notThrows(() => harness(t, script))
})

test('--verify shows the line itself and what to do', async t => {
  const folder = makeFolder(t, {
    'main.js': `import { sluice } from 'sluice'

export default sluice()
  .listen(0)
  .replaceMessage(() => undefined)
`,
  })
  const { code, stderr } = await runSluice(t, [join(folder, 'main.js'), '--verify'])
  t.is(code, 1)
  t.regex(
    stderr,
    /replaceMessage takes messages, and stands where there are bytes; put a decoder in front of it/,
  )
  t.regex(stderr, /main\.js:5:/)
  t.regex(stderr, /\.replaceMessage\(\(\) => undefined\)/)
})
