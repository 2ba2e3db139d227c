// Hot path: a line that lies in one piece is read where it is.

import { Buffer } from 'node:buffer'
import { Data } from '../../data.ts'

const CR = 0x0d
const LF = 0x0a

/** What `LineReader.read` returns instead of an index. */
export const LineFault = { wantsMore: -1, tooLong: -2, badEnd: -3 } as const

/** Finds the end of a line. After `read` returned an index, the content is in `buffer` from `start` to `end`. */
export class LineReader {
  buffer: Buffer = Buffer.alloc(0)
  start = 0
  end = 0
  /** Bytes of the last line, its end included. */
  size = 0
  private readonly maxBytes: number
  /** The part of the line that came before the rest of it. */
  private carry: Data | null = null

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  /** Returns the index behind the line, or a LineFault. */
  read(buffer: Buffer, start: number, end: number): number {
    let at = start
    while (at < end && buffer[at] !== LF) at++
    const size = at - start + (this.carry?.size ?? 0)
    // One more, which may be the CR.
    if (size > this.maxBytes + 1) return LineFault.tooLong
    if (at === end) {
      this.carry ??= new Data()
      this.carry.push(Data.over(buffer, start, end))
      return LineFault.wantsMore
    }
    this.size = size + 1
    if (this.carry === null) {
      this.point(buffer, start, at - 1)
    } else {
      const line = this.carry.push(Data.over(buffer, start, at))
      this.carry = null
      this.point(line.buffer, line.start, line.end - 1)
    }
    return size > 0 && this.buffer[this.end] === CR ? at + 1 : LineFault.badEnd
  }

  private point(buffer: Buffer, start: number, end: number): void {
    this.buffer = buffer
    this.start = start
    this.end = end
  }

  get isEmpty(): boolean {
    return this.start === this.end
  }

  /** Whether the line is this one character. */
  is(byte: number): boolean {
    return this.end - this.start === 1 && this.buffer[this.start] === byte
  }

  /** Whether the line is -1, the length of null in RESP 2. */
  get isMinusOne(): boolean {
    const { buffer, start } = this
    return this.end - start === 2 && buffer[start] === 0x2d && buffer[start + 1] === 0x31
  }

  /** Whether a CR stands inside. */
  get hasReturn(): boolean {
    for (let at = this.start; at < this.end; at++) if (this.buffer[at] === CR) return true
    return false
  }

  text(): string {
    return this.buffer.toString('utf8', this.start, this.end)
  }

  release(): void {
    this.carry = null
  }
}
