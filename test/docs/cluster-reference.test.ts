/** The reference of what a cluster has on NATS names everything that the code makes there. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { buckets, streams, subjects } from '../../docs/generator/cluster.ts'

const folder = fileURLToPath(new URL('../../cluster/', import.meta.url))

/** Names that files under cluster/ make, with what is put in left out: `sluice.*.to.*`. */
const made = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter(file => file.endsWith('.ts'))
  .flatMap(file => readFileSync(join(folder, file), 'utf8').match(/`(?:sluice[._]\$|\$SRV)[^`\n]*`/g) ?? [])
  .map(name => name.slice(1, -1).replace(/\$\{[^}]*\}+/g, '*'))

const shape = (name: string): string => name.replace(/[A-Z][A-Z=-]{3,}/g, '*')
const listed = new Set([...subjects, ...streams, ...buckets].map(([name]) => shape(name)))

test('every subject, stream and bucket of the code is in the tables', t => {
  t.true(made.length > 10)
  const missing = made.filter(name => {
    const wanted = new RegExp(`^${name.split('*').map(RegExp.escape).join('.+')}$`)
    return ![...listed].some(each => wanted.test(each))
  })
  t.deepEqual([...new Set(missing)], [])
})
