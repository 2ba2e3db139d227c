/** The options of sinks are written down twice: with their checks for the code, and as types for scripts. */

import { readFileSync } from 'node:fs'
import test from 'ava'
import { sinkKinds } from '../../observability/sinks/kinds.ts'
import { sinkOptions } from '../../observability/sinks/sink-options.ts'

const source = readFileSync(new URL('../../actors/script/sink-types.ts', import.meta.url), 'utf8')

/** Names of the members of an interface, those of the one that it extends included. */
function membersOf(name: string): string[] {
  const [, base, body] =
    new RegExp(`interface ${name}(?: extends (\\w+))? \\{\\n(.*?)\\n\\}`, 's').exec(source) ?? []
  const own = [...(body ?? '').matchAll(/^ {2}(\w+)\??:/gm)].map(match => match[1] as string)
  return [...own, ...(base === undefined ? [] : membersOf(base))].sort()
}

const interfaces = Object.fromEntries(
  [
    ...(/interface SinkOptionsByKind \{\n(.*?)\n\}/s.exec(source)?.[1]?.matchAll(/^ {2}(\w+): (\w+)$/gm) ??
      []),
  ].map(([, kind, type]) => [kind, type]),
)

test('each kind of sink has a type for its options, and none has one more', t => {
  t.deepEqual(Object.keys(interfaces).sort(), sinkKinds.map(({ name }) => name).sort())
})

for (const kind of sinkKinds) {
  test(`the options of ${kind.name} are those that its type names`, t => {
    t.deepEqual(membersOf(interfaces[kind.name] as string), Object.keys(kind.options).sort())
    t.true(Object.keys(sinkOptions).every(option => Object.hasOwn(kind.options, option)))
  })
}
