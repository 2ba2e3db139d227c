import { type Redaction, redacted } from './redaction.ts'

/** Levels that a document may have: what is deeper is not looked through, and so not shown. */
const mostLevels = 256

/** An object or an array that is open at the place being read. */
interface Level {
  readonly isArray: boolean
  /** Where paths are that led here: index of the path, and number of steps taken. */
  readonly places: readonly Place[]
  /** Elements of an array so far. */
  index: number
}

interface Place {
  readonly path: number
  readonly step: number
}

const number = /-?\d+(?:\.\d*)?(?:[eE][+-]?\d*)?|-/y
const word = /[a-z]+/y
const words = ['true', 'false', 'null']
const space = /[ \t\r\n]*/y

/**
 * Goes through JSON text and puts `[redacted]` in the place of what is to be hidden. It needs no whole document: a body
 * that was cut is read up to the cut, so that nothing in front of it slips through.
 *
 * @returns undefined when the text is no JSON, which must not be shown then
 */
export function redactJSON(text: string, redaction: Redaction): string | undefined {
  return new Reader(text, redaction, 0).read()
}

/** Texts in texts that are looked through as JSON; what is deeper is not shown. */
const mostTexts = 8

class Reader {
  private readonly text: string
  private readonly redaction: Redaction
  private readonly levels: Level[] = []
  private at = 0
  /** Up to where the text has been written out. */
  private written = 0
  private out = ''
  /** Of texts in texts. */
  private readonly depth: number

  constructor(text: string, redaction: Redaction, depth: number) {
    this.depth = depth
    this.text = text
    this.redaction = redaction
  }

  read(): string | undefined {
    const { text } = this
    const roots = this.redaction.paths.map((_, path) => ({ path, step: 0 }))
    // Several values one after the other are lines of JSON.
    for (this.skipSpace(); this.at < text.length; this.skipSpace()) {
      if (!this.value(roots, this.isWhole(roots))) return undefined
      while (this.levels.length > 0) if (!this.inside(this.levels.at(-1) as Level)) return undefined
    }
    return this.out + text.slice(this.written)
  }

  /** The path `$` alone means all there is. */
  private isWhole(places: readonly Place[]): boolean {
    return places.some(({ path, step }) => this.redaction.paths[path]?.length === step)
  }

  /** Reads a value, or begins one that has others inside. At the end of the text there is nothing left to be wrong. */
  private value(places: readonly Place[], isHidden: boolean): boolean {
    const { text } = this
    if (this.at >= text.length) return this.end()
    if (isHidden) return this.hide()
    const first = text[this.at] as string
    if (first === '{' || first === '[') {
      if (this.levels.length === mostLevels) return false
      this.at++
      this.levels.push({ isArray: first === '[', places, index: 0 })
      return true
    }
    return this.scalar(first)
  }

  private scalar(first: string): boolean {
    if (first === '"') {
      this.string()
      return true
    }
    if (this.skip(number)) return true
    const start = this.at
    if (!this.skip(word)) return false
    const read = this.text.slice(start, this.at)
    return words.some(each => each === read || (this.at === this.text.length && each.startsWith(read)))
  }

  /** Reads a text, which may be JSON in itself: then it is looked through, too. */
  private string(): void {
    const start = this.at
    const isWhole = this.skipString()
    const literal = this.text.slice(start, this.at)
    // Without a quote of its own it holds no names.
    if (!literal.includes('\\')) return
    const inner = textOf(isWhole ? literal : `${withoutCutEscape(literal)}"`)
    if (inner !== undefined && !looksLikeJSON.test(inner)) return
    if (!this.redaction.mayHoldInJSON(inner ?? literal)) return
    const clean =
      inner === undefined || this.depth === mostTexts
        ? undefined
        : new Reader(inner, this.redaction, this.depth + 1).read()
    if (clean === inner && clean !== undefined) return
    const written = JSON.stringify(clean ?? redacted)
    this.out += this.text.slice(this.written, start) + (isWhole ? written : written.slice(0, -1))
    this.written = this.at
  }

  /** Reads on in an object or array, up to the next value or its end. */
  private inside(level: Level): boolean {
    const { text } = this
    this.skipSpace()
    if (this.at >= text.length) return this.end()
    const next = text[this.at]
    if (next === (level.isArray ? ']' : '}')) {
      this.at++
      this.levels.pop()
      return true
    }
    if (level.index > 0) {
      if (next !== ',') return false
      this.at++
      this.skipSpace()
      if (this.at >= text.length) return this.end()
    }
    level.index++
    return level.isArray ? this.element(level) : this.member(level)
  }

  private element(level: Level): boolean {
    const places = this.step(level.places, level.index - 1)
    return this.value(places, this.isWhole(places))
  }

  private member(level: Level): boolean {
    const { text } = this
    if (text[this.at] !== '"') return false
    const start = this.at
    if (!this.skipString()) return true
    const name = nameOf(text.slice(start, this.at))
    if (name === undefined) return false
    this.skipSpace()
    if (this.at >= text.length) return this.end()
    if (text[this.at++] !== ':') return false
    this.skipSpace()
    const places = this.step(level.places, name)
    return this.value(places, this.redaction.hides(name) || this.isWhole(places))
  }

  /** Where the paths are behind one more step. */
  private step(places: readonly Place[], key: string | number): readonly Place[] {
    if (places.length === 0) return places
    const next: Place[] = []
    for (const place of places) {
      const wanted = this.redaction.paths[place.path]?.[place.step]
      if (wanted === undefined) continue
      if (wanted.key === null || wanted.key === key) next.push({ path: place.path, step: place.step + 1 })
      if (wanted.isDeep) next.push(place)
    }
    return next
  }

  /** Writes `[redacted]` for the value that begins here, whatever it is. */
  private hide(): boolean {
    const { text } = this
    this.out += `${text.slice(this.written, this.at)}"${redacted}"`
    if (text[this.at] === '{' || text[this.at] === '[') this.skipNested()
    else if (text[this.at] === '"') this.skipString()
    else while (this.at < text.length && !',]} \t\r\n'.includes(text[this.at] as string)) this.at++
    this.written = this.at
    return true
  }

  private skipNested(): void {
    const { text } = this
    let open = 0
    while (this.at < text.length) {
      const char = text[this.at]
      if (char === '"') {
        this.skipString()
        continue
      }
      this.at++
      if (char === '{' || char === '[') open++
      else if ((char === '}' || char === ']') && --open === 0) return
    }
  }

  /** False when the text ends inside of it. */
  private skipString(): boolean {
    const { text } = this
    for (let quote = text.indexOf('"', this.at + 1); quote >= 0; quote = text.indexOf('"', quote + 1)) {
      let first = quote
      while (text[first - 1] === '\\') first--
      if ((quote - first) % 2 === 1) continue
      this.at = quote + 1
      return true
    }
    this.end()
    return false
  }

  private skip(pattern: RegExp): boolean {
    pattern.lastIndex = this.at
    if (!pattern.test(this.text)) return false
    this.at = pattern.lastIndex
    return true
  }

  private skipSpace(): void {
    this.skip(space)
  }

  /** The text is over: whatever is open was cut. */
  private end(): true {
    this.at = this.text.length
    this.levels.length = 0
    return true
  }
}

/** Begins as an object, a text, or an array of either. */
const looksLikeJSON = /^\s*(?:[{"]|\[\s*[[{"])/
const nameOf = (literal: string): string | undefined =>
  literal.includes('\\') ? textOf(literal) : literal.slice(1, -1)

function textOf(literal: string): string | undefined {
  try {
    return JSON.parse(literal) as string
  } catch {
    return undefined
  }
}

/** Takes away the beginning of an escape that the end of the text cuts. */
function withoutCutEscape(literal: string): string {
  const { length } = literal
  const at = literal.lastIndexOf('\\')
  if (at < length - 5 || (at < length - 1 && literal[at + 1] !== 'u')) return literal
  let first = at
  while (literal[first - 1] === '\\') first--
  return (at - first) % 2 === 0 ? literal.slice(0, at) : literal
}
