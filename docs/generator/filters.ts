import { type FilterDefinition, filterTable } from '../../actors/filters/index.ts'
import { code, kindsOfOptions, name, optionsTable, page, table } from './markdown.ts'

const stages = { bytes: 'bytes', messages: 'messages', any: 'bytes or messages' } as const
const emitted = { ...stages, same: 'the same', sub: 'what the pipeline taken gives' } as const

const byName: readonly FilterDefinition[] = [...filterTable].sort((a, b) => (a.name < b.name ? -1 : 1))

/** What a snippet of the table looks like as part of a script: a `$.…` stands in a sub-pipeline. */
function explain(filter: FilterDefinition): string {
  const { aliases, signature, summary, doc, accepts, emits, sub, options, example } = filter
  const facts = [`Takes ${stages[accepts]}, gives ${emitted[emits]}.`]
  if (sub !== undefined && emits !== 'sub')
    facts.push(
      `Its sub-pipeline (\`.to(…)\`) is given ${sub === 'same' ? 'what the filter takes' : stages[sub]}.`,
    )
  if (aliases.length > 0) facts.push(`In older scripts: ${aliases.map(name).join(', ')}.`)
  const parts = [`## ${filter.name}${signature}`, `${summary}.`, doc, facts.join(' ')]
  if (Object.keys(options).length > 0) parts.push(optionsTable(options))
  parts.push(code('ts', example))
  return parts.join('\n\n')
}

export function filtersPage(): string {
  const anchor = (filter: FilterDefinition): string =>
    `${filter.name}${filter.signature}`
      .toLowerCase()
      .replace(/[^a-z0-9 -]/g, '')
      .replaceAll(' ', '-')
  const overview = table(
    ['filter', 'takes', 'gives', 'what'],
    byName.map(filter => [
      `[${filter.name}](#${anchor(filter)})`,
      stages[filter.accepts],
      emitted[filter.emits],
      filter.summary,
    ]),
  )
  return page(
    'Filters',
    'What can stand in a pipeline. `$` in an example is the place in a pipeline where it stands, as in `.to($ => $.…)`. ' +
      `Callbacks get the context last. ${kindsOfOptions}`,
    overview,
    ...byName.map(explain),
  )
}
