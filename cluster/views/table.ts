import { printable } from '../../runtime/printable.ts'

/** A column: its title, and what a row has in it. Numbers stand to the right. */
export interface Column<Row> {
  readonly title: string
  readonly value: (row: Row) => string | number
}

/** Rows as text for a terminal: columns aligned, two spaces between. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = rows.map(row => columns.map(({ value }) => value(row)))
  const widths = columns.map(({ title }, i) =>
    Math.max(title.length, ...cells.map(line => shown(line[i]).length)),
  )
  // Where nobody has said a number there may be a dash.
  const isNumber = columns.map(
    (_, i) =>
      cells.some(line => typeof line[i] === 'number') &&
      cells.every(line => typeof line[i] === 'number' || line[i] === '-'),
  )
  const line = (values: readonly (string | number | undefined)[]): string =>
    values
      .map((value, i) => {
        const text = shown(value)
        const width = widths[i] as number
        return isNumber[i] ? text.padStart(width) : text.padEnd(width)
      })
      .join('  ')
      .trimEnd()
  return `${[line(columns.map(({ title }) => title)), ...cells.map(line)].join('\n')}\n`
}

/** What comes from keys and names may hold what a terminal would obey. */
const shown = (value: string | number | undefined): string =>
  printable(String(value ?? '')).replace(/[\n\t]/g, '·')

/** A text that nobody has bounded, so that it does not make its column as wide as itself. */
export const short = (text: string): string => {
  const [...chars] = text.slice(0, 200)
  return text.length > 200 || chars.length > 60 ? `${chars.slice(0, 57).join('')}...` : text
}

/** A time as a person says it: 45s, 12m, 3h, 2d. */
export function duration(seconds: number): string {
  for (const [unit, length] of [
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
  ] as const)
    if (seconds >= 2 * length) return `${Math.floor(seconds / length)}${unit}`
  return `${Math.floor(seconds)}s`
}
