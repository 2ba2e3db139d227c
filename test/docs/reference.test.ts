import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import * as api from '../../actors/index.ts'
import { pages, referenceFolder } from '../../docs/generate.ts'
import { sections } from '../../docs/generator/script-api.ts'

for (const [file, write] of Object.entries(pages)) {
  test(`docs/reference/${file} is what the code says: run \`npm run docs\` if not`, t => {
    t.is(readFileSync(join(referenceFolder, file), 'utf8'), write())
  })
}

test('the reference has no page that nothing writes', t => {
  t.deepEqual(readdirSync(referenceFolder).sort(), Object.keys(pages).sort())
})

test('all that a script can import is in the reference of the script API', t => {
  const documented = new Set<string>(sections.flatMap(({ names }) => names))
  const members = (name: string, value: unknown): string[] =>
    typeof value === 'object' && value && name !== 'JSON' && !documented.has(name)
      ? Object.keys(value)
      : [name]
  const exported = Object.entries(api).flatMap(([name, value]) => members(name, value))
  // `JSON` has a type of its own name, and `sluice` the whole of the other pages.
  const known = new Set([...documented, 'JSON', 'sluice'])
  t.deepEqual(
    exported.filter(name => !known.has(name)),
    [],
    'add them to docs/generator/script-api.ts',
  )
})
