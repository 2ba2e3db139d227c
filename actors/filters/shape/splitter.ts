import { Buffer } from 'node:buffer'
import { Data } from '../../../runtime/data.ts'

/** What a splitter finds. */
export interface Pieces {
  /** Bytes of the current piece. */
  bytes(data: Data): void
  /** The current piece ends here, empty or not. */
  separator(): void
}

/**
 * Finds a separator in bytes, however they are cut (Knuth, Morris, Pratt). It keeps no bytes: those that may be the
 * beginning of a separator are the separator's own.
 */
export class Splitter {
  private readonly pattern: Buffer
  /** For each number of bytes matched: how many are still matched when the next one is another. */
  private readonly fallback: Int32Array
  private matched = 0

  constructor(separator: Uint8Array) {
    this.pattern = Buffer.from(separator)
    const { length } = separator
    this.fallback = new Int32Array(length + 1)
    for (let i = 1, k = 0; i < length; i++) {
      while (k > 0 && separator[i] !== separator[k]) k = this.fallback[k] as number
      if (separator[i] === separator[k]) k++
      this.fallback[i + 1] = k
    }
  }

  feed(data: Data, pieces: Pieces): void {
    const bytes = data.bytes()
    const end = bytes.length
    const { pattern } = this
    let at = 0
    /** From here on nothing has been put out. */
    let from = 0
    while (at < end) {
      if (this.matched === 0) {
        at = bytes.indexOf(pattern[0] as number, at)
        if (at < 0) break
      }
      if (bytes[at] === pattern[this.matched]) {
        at++
        if (++this.matched < pattern.length) continue
        this.matched = 0
        put(pieces, data, from, at - pattern.length)
        pieces.separator()
        from = at
      } else {
        const kept = this.fallback[this.matched] as number
        // Matched bytes that came with an earlier Data are given as the separator's own, which they equal.
        const before = this.matched - (at - from)
        if (before > 0) pieces.bytes(Data.over(pattern, 0, Math.min(before, this.matched - kept)))
        this.matched = kept
      }
    }
    put(pieces, data, from, end - this.matched)
  }

  /** No more bytes will come. */
  finish(pieces: Pieces): void {
    if (this.matched > 0) pieces.bytes(Data.over(this.pattern, 0, this.matched))
    this.matched = 0
  }
}

function put(pieces: Pieces, data: Data, from: number, to: number): void {
  if (to <= from) return
  const piece = data.clone()
  piece.end = piece.start + to
  piece.start += from
  pieces.bytes(piece)
}
