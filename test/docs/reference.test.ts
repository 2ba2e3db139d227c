import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { pages, referenceFolder } from '../../docs/generate.ts'

for (const [file, write] of Object.entries(pages)) {
  test(`docs/reference/${file} is what the code says: run \`npm run docs\` if not`, t => {
    t.is(readFileSync(join(referenceFolder, file), 'utf8'), write())
  })
}

test('the reference has no page that nothing writes', t => {
  t.deepEqual(readdirSync(referenceFolder).sort(), Object.keys(pages).sort())
})
