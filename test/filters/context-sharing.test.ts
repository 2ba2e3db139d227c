/**
 * Which filters give their sub-pipeline the context itself, and which a copy of it: the table that scripts rely on,
 * held in any nesting.
 */

import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { type Ctx, Message, sluice } from '../../actors/index.ts'
import { dialectGlobals, dialectModuleGlobals } from '../../actors/script/dialect-globals.ts'
import { loadDialect } from '../../runtime/script/loader.ts'
import { makeFolder } from '../support/sluice.ts'
import { testProgram } from '../support/stream.ts'

interface Variables {
  v: string
}

/** A pipeline being written; the filters of the table are called by their names. */
// biome-ignore lint/suspicious/noExplicitAny: names come from the table
type Builder = any
type Sub = ($: Builder) => unknown

const table: Record<'shared' | 'cloned', Record<string, ($: Builder, sub: Sub) => Builder>> = {
  shared: {
    branch: ($, sub) => $.branch(() => true, sub),
    branchMessage: ($, sub) => $.branchMessage(() => true, sub),
    branchMessageStart: ($, sub) => $.branchMessageStart(() => true, sub),
    chain: ($, sub) => $.chain([sub]),
    'fork without values': ($, sub) => $.fork().to(sub),
    loop: ($, sub) => $.loop().to(($: Builder) => (sub($) as Builder).dummy()),
    pipe: ($, sub) => $.pipe(sub),
    pipeNext: ($, sub) => $.pipe([($: Builder) => $.pipeNext(), sub]),
    repeat: ($, sub) => $.repeat(() => false).to(sub),
    replay: ($, sub) => $.replay().to(sub),
  },
  cloned: {
    demux: ($, sub) => $.demux().to(sub),
    demuxQueue: ($, sub) => $.demuxQueue().to(sub),
    'fork with an object': ($, sub) => $.fork({}).to(sub),
    'fork with an array': ($, sub) => $.fork([{}]).to(sub),
    forkJoin: ($, sub) => $.forkJoin().to(sub),
    forkRace: ($, sub) => $.forkRace([{}, {}]).to(sub),
    merge: ($, sub) => $.merge().to(sub),
    mux: ($, sub) => $.mux().to(sub),
    muxQueue: ($, sub) => $.muxQueue().to(sub),
  },
}

const wrappers: Record<string, ($: Builder, sub: Sub) => Builder> = { ...table.shared, ...table.cloned }

/** What the innermost pipeline saw, and what the outermost context has when it has written. */
function run(t: ExecutionContext, nesting: readonly string[]): { seen: string[]; after: string } {
  const seen: string[] = []
  const write: Sub = $ =>
    $.handleMessageStart((_: unknown, ctx: Ctx<Variables>) => {
      seen.push(ctx.v)
      ctx.v = 'inner'
    })
  const written = nesting.reduceRight<Sub>(
    (sub, name) => $ => (wrappers[name] as ($: Builder, sub: Sub) => Builder)($, sub),
    write,
  )
  const variables: Variables = { v: 'initial' }
  const script = written(
    sluice(variables)
      .pipeline('main')
      .handleMessageStart((_, ctx) => {
        ctx.v = 'outer'
      }),
  )
  const stream = testProgram(t, script).open().feed(new Message({}, 'x'))
  return { seen, after: stream.context.v as string }
}

for (const [kind, filters] of Object.entries(table))
  for (const name of Object.keys(filters))
    test(`${name}: the context is ${kind}`, t => {
      const { seen, after } = run(t, [name])
      t.deepEqual(new Set(seen), new Set(['outer']))
      t.is(after, kind === 'shared' ? 'inner' : 'outer')
    })

test('in any nesting, one copy is enough to keep what is written inside', t => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...Object.keys(wrappers)), { minLength: 1, maxLength: 4 }),
      nesting => {
        const { seen, after } = run(t, nesting)
        const isShared = nesting.every(name => name in table.shared)
        t.true(seen.length > 0, `${nesting}`)
        t.is(seen[0], 'outer', `${nesting}`)
        t.is(after, isShared ? 'inner' : 'outer', `${nesting}`)
      },
    ),
    { numRuns: 200 },
  )
})

/** The same in statements: `var $v` in place of a declared variable, and a pipeline that is fed by itself. */
const statements = `
  var $v = 'initial'
  parts.write = $=>$.handleMessageStart(() => {
    parts.seen.push($v)
    $v = 'inner'
  })
  parts.outer = $=>$.handleMessageStart(() => {
    $v = 'outer'
    parts.after = () => $v
  })
  parts.run = build => void pipeline(build).process(new Message({}, 'x'))
`

interface Parts {
  readonly write: Sub
  readonly outer: Sub
  readonly after: () => string
  readonly run: (build: Sub) => void
  seen: string[]
}

test('the same holds for variables of each context that are declared as var $name', async t => {
  const parts = { seen: [] } as unknown as Parts
  const { value } = loadDialect(join(makeFolder(t, { 'main.js': statements }), 'main.js'), {
    generation: 1,
    dialectGlobals: { ...dialectGlobals, parts },
    moduleGlobals: dialectModuleGlobals,
    sluiceModule: new URL('../../actors/index.ts', import.meta.url).href,
  })
  await testProgram(t, value).program.start()
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...Object.keys(wrappers)), { minLength: 1, maxLength: 4 }),
      nesting => {
        parts.seen = []
        const written = nesting.reduceRight<Sub>(
          (sub, name) => $ => (wrappers[name] as ($: Builder, sub: Sub) => Builder)($, sub),
          parts.write,
        )
        parts.run($ => written(parts.outer($)))
        const isShared = nesting.every(name => name in table.shared)
        t.is(parts.seen[0], 'outer', `${nesting}`)
        t.is(parts.after(), isShared ? 'inner' : 'outer', `${nesting}`)
      },
    ),
    { numRuns: 200 },
  )
})
