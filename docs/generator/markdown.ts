/** The few forms of Markdown that the reference is made of. */

import type { OptionSpecs } from '../../runtime/options.ts'

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')

export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n')
}

export const code = (language: string, text: string): string => `\`\`\`${language}\n${text.trim()}\n\`\`\``

export const name = (text: string): string => `\`${text}\``

export function optionsTable(specs: OptionSpecs): string {
  return table(
    ['option', 'value', 'default', 'what, and why this default'],
    Object.entries(specs).map(([option, { kind, shown, doc }]) => [
      name(option),
      kind.replace(/^(a duration|a size): .*/, '$1'),
      shown === 'none' ? 'none' : name(shown),
      doc,
    ]),
  )
}

/** Explains the kinds of options, at the head of a page that has tables of them. */
export const kindsOfOptions =
  'A duration is a number of seconds, or text like `500ms`, `10s`, `5m`; a size is a number of bytes, or text like `16k`, `1m`.'

/** A page of the reference, with the note that it must not be edited. */
export function page(title: string, ...parts: readonly string[]): string {
  const note = '<!-- Written by `npm run docs` from the tables in the code: change those. -->'
  return `${[note, `# ${title}`, ...parts].join('\n\n')}\n`
}
