import { nearest } from '../runtime/nearest.ts'
import type { OptionSpecs } from '../runtime/options.ts'

/** What `--list-filters` and `--help-filters` read of a row of the table of filters. */
export interface FilterHelp {
  readonly name: string
  readonly aliases: readonly string[]
  readonly signature: string
  readonly summary: string
  readonly doc: string
  readonly accepts: string
  readonly emits: string
  readonly options: OptionSpecs
  readonly example: string
}

/** One line per filter: name, arguments, what it does. */
export function listFilters(table: readonly FilterHelp[]): string {
  const nameWidth = columnWidth(table.map(filter => filter.name))
  const signatureWidth = columnWidth(table.map(filter => filter.signature))
  return byName(table)
    .map(
      ({ name, signature, summary }) =>
        `${name.padEnd(nameWidth)}${signature.padEnd(signatureWidth)}${summary}\n`,
    )
    .join('')
}

/** All that is known of all filters, or of one; of an unknown one, what it may have meant. */
export function helpFilters(
  table: readonly FilterHelp[],
  name: string | undefined,
): { readonly text: string; readonly isFound: boolean } {
  if (name === undefined) return { text: byName(table).map(explain).join('\n\n'), isFound: true }
  const found = table.find(filter => filter.name === name || filter.aliases.includes(name))
  if (found !== undefined) return { text: explain(found), isFound: true }
  const near = nearest(
    name,
    table.flatMap(filter => [filter.name, ...filter.aliases]),
  )
  const hint = near === undefined ? 'sluice --list-filters lists all' : `did you mean ${near}?`
  return { text: `There is no filter ${name}; ${hint}\n`, isFound: false }
}

function explain(filter: FilterHelp): string {
  const { name, aliases, signature, summary, doc, accepts, emits, options, example } = filter
  const rows = Object.entries(options)
  const width = columnWidth(rows.map(([option]) => option))
  const lines = [
    `${name}${signature}`,
    `  ${summary}`,
    '',
    ...wrap(doc, '  '),
    '',
    `  Takes ${accepts}, gives ${emits}.`,
  ]
  if (aliases.length > 0) lines.push(`  Also called ${aliases.join(', ')}.`)
  if (rows.length > 0) lines.push('', '  Options:')
  for (const [option, spec] of rows) {
    lines.push(`    ${option.padEnd(width)}${spec.kind} (default ${spec.shown})`)
    lines.push(...wrap(spec.doc, ' '.repeat(width + 4)))
  }
  lines.push(
    '',
    '  Example:',
    ...example
      .trim()
      .split('\n')
      .map(line => `    ${line}`),
  )
  return `${lines.join('\n')}\n`
}

const byName = (table: readonly FilterHelp[]): readonly FilterHelp[] =>
  [...table].sort((a, b) => (a.name < b.name ? -1 : 1))

const columnWidth = (texts: readonly string[]): number =>
  texts.reduce((width, text) => Math.max(width, text.length), 0) + 2

/** Paragraphs broken at 100 columns. */
function wrap(text: string, indent: string): string[] {
  const lines: string[] = []
  for (const paragraph of text.trim().split('\n')) {
    let line = indent
    for (const word of paragraph.trim().split(/\s+/)) {
      if (line.length + word.length > 100 && line !== indent) {
        lines.push(line.trimEnd())
        line = indent
      }
      line += `${word} `
    }
    lines.push(line.trimEnd())
  }
  return lines
}
