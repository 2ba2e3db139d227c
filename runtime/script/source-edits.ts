/** Changes to a text that keep every line where it is, and tell where a column of the result was before. */

interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
  /** Order among edits at one place: what closes comes before what opens, what opens before what replaces. */
  readonly rank: number
}

export class SourceEdits {
  private readonly source: string
  private readonly edits: Edit[] = []

  constructor(source: string) {
    this.source = source
  }

  /** Text that goes before what follows `at`. */
  open(at: number, text: string): void {
    this.edits.push({ start: at, end: at, text, rank: 1 })
  }

  /** Text that goes after what precedes `at`; of several at one place, the deepest comes first. */
  close(at: number, text: string, depth: number): void {
    this.edits.push({ start: at, end: at, text, rank: -depth })
  }

  replace(start: number, end: number, text: string): void {
    this.edits.push({ start, end, text, rank: 2 })
  }

  /** The changed text, and a function from a line and column in it to the column before (lines and columns from 1). */
  apply(): { text: string; columnOf: (line: number, column: number) => number } {
    const edits = this.edits.toSorted((a, b) => a.start - b.start || a.rank - b.rank)
    const shifts = new Map<number, { column: number; removed: number; added: number }[]>()
    let text = ''
    let at = 0
    let line = 1
    let lineStart = 0
    for (const { start, end, text: added } of edits) {
      for (
        let i = this.source.indexOf('\n', lineStart);
        i >= 0 && i < start;
        i = this.source.indexOf('\n', lineStart)
      ) {
        line++
        lineStart = i + 1
      }
      text += this.source.slice(at, start) + added
      at = end
      const onLine = shifts.get(line) ?? []
      onLine.push({ column: start - lineStart + 1, removed: end - start, added: added.length })
      shifts.set(line, onLine)
    }
    return {
      text: text + this.source.slice(at),
      columnOf: (line, column) => {
        let shift = 0
        for (const edit of shifts.get(line) ?? []) {
          const start = edit.column + shift
          if (column < start) break
          if (column < start + edit.added) return edit.column
          shift += edit.added - edit.removed
        }
        return column - shift
      },
    }
  }
}
