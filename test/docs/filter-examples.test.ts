/** The example of each filter, in the reference and in `--help-filters`, is one that can be used. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import ava from 'ava'
import { type FilterDefinition, filtersByName, filterTable } from '../../actors/filters/index.ts'
import * as api from '../../actors/index.ts'
import { checkTypes } from '../support/check-types.ts'
import { makeFolder, makeScript, runSluice } from '../support/sluice.ts'

const test = ava.serial

/** Examples use what they like of what a script can import. */
const imports = `import { ${Object.keys(api).join(', ')} } from 'sluice'\n`

/** Pipelines that examples name, and whatever else looks like a name: more of them do no harm. */
const words = filterTable.flatMap(({ example }) => example.match(/'[a-z][\w-]*'/g) ?? [])
const asked = new Set(filterTable.flatMap(({ example }) => /\.ask\(('[\w-]+')/.exec(example)?.[1] ?? []))
const named = [...new Set(words)]
  .map(name => `  .pipeline(${name}${asked.has(name) ? ", { placement: 'node' }" : ''}).dummy()\n`)
  .join('')

/** The pipeline that an example is, or stands in. */
function pipelineOf({ name, example }: FilterDefinition): string {
  if (!example.startsWith('$')) return `  .${example}\n`
  const accepts = filtersByName.get(/^\$\.(\w+)/.exec(example)?.[1] ?? '')?.accepts
  const begin = `  .pipeline('example of ${name}')`
  if (accepts === 'messages') return `${begin}.demuxHTTP().to($ => ${example})\n`
  if (accepts === 'bytes') return `${begin}.encodeHTTPRequest().branch(() => true, $ => ${example})\n`
  return `${begin}.branch(() => true, $ => ${example})\n`
}

/** A script of examples, whose variables are whatever they like. */
const scriptOf = (filters: readonly FilterDefinition[]): string =>
  `${imports}export default sluice({} as Record<string, any>)\n${named}${filters.map(pipelineOf).join('')}`

test('the examples of all filters compile', t => {
  const folder = makeFolder(t)
  for (const filter of filterTable) writeFileSync(join(folder, `${filter.name}.ts`), scriptOf([filter]))
  t.is(checkTypes(folder), '')
})

test('the examples of all filters can be used', async t => {
  const { code, stderr } = await runSluice(t, [makeScript(t, scriptOf(filterTable)), '--verify'])
  t.is(code, 0, stderr)
})
