// Hot path: `add` runs for every piece of every body. It copies at most what will be written, and nothing else.

import { Buffer } from 'node:buffer'
import type { Data } from '../../../runtime/data.ts'

const initialBytes = 4 * 1024
/** Memory that a capture may keep for the next body, and how many do. */
const keptBytes = 16 * 1024
const mostKept = 64

/**
 * The beginning of a body, up to a limit, and its true size. It holds nothing back: bytes pass by and are copied.
 * Captures are used again, since making memory costs more than copying into it.
 */
export class BodyCapture {
  private static readonly free: BodyCapture[] = []

  /** Bytes of the whole body so far. */
  size = 0
  /** The first `length` bytes of `buffer` are those captured. */
  length = 0
  buffer: Buffer = Buffer.allocUnsafeSlow(initialBytes)

  static take(): BodyCapture {
    const capture = BodyCapture.free.pop() ?? new BodyCapture()
    capture.size = 0
    capture.length = 0
    return capture
  }

  /** Gives it back; nobody may use it then. */
  release(): void {
    if (this.buffer.length <= keptBytes && BodyCapture.free.length < mostKept) BodyCapture.free.push(this)
  }

  get isCut(): boolean {
    return this.size > this.length
  }

  add(data: Data, limitBytes: number): void {
    const bytes = data.end - data.start
    this.size += bytes
    const { length } = this
    const taken = Math.min(bytes, limitBytes - length)
    if (taken <= 0) return
    if (length + taken > this.buffer.length) this.grow(length + taken, limitBytes)
    data.buffer.copy(this.buffer, length, data.start, data.start + taken)
    this.length = length + taken
  }

  private grow(bytes: number, limitBytes: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(bytes, Math.min(2 * bytes, limitBytes)))
    this.buffer.copy(grown, 0, 0, this.length)
    this.buffer = grown
  }
}
