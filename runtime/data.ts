// Hot path: no closures, no awaits, no throws per call; a Data keeps one shape for its whole life.

import { Buffer } from 'node:buffer'

export type Encoding = 'utf8' | 'hex' | 'base64' | 'base64url' | 'latin1'

const empty = Buffer.alloc(0)

/**
 * A run of bytes in a stream.
 *
 * It is a range of some memory. Bytes that came from a socket are *borrowed*: the memory belongs to the thread's
 * shared read buffer and changes with the next read. Whoever keeps a Data past the turn it arrived in (a queue, a
 * script's variable, a promise) calls `keep()` first, which copies the bytes once; the kernel does so before a
 * script sees them.
 */
export class Data {
  readonly kind = 0
  /** Memory that holds the bytes `start` to `end`; codecs read it directly. */
  buffer: Buffer
  start: number
  end: number
  /** True while the memory belongs to someone who will reuse it. */
  borrowed: boolean
  /** True while the memory behind `end` is ours to append to. */
  private ownsTail: boolean

  /**
   * @param content text (encoded with `encoding`, default UTF-8), bytes (copied) or another Data (memory shared);
   *   nothing makes an empty Data, which stands for "flush" in a stream.
   */
  constructor(
    content?: string | Uint8Array | ArrayBuffer | Data | readonly number[],
    encoding: Encoding = 'utf8',
  ) {
    this.start = 0
    this.borrowed = false
    this.ownsTail = false
    if (content === undefined) {
      this.buffer = empty
      this.end = 0
    } else if (typeof content === 'string') {
      this.buffer = Buffer.from(content, encoding)
      this.end = this.buffer.length
    } else if (content instanceof Data) {
      this.buffer = content.buffer
      this.start = content.start
      this.end = content.end
      this.borrowed = content.borrowed
    } else {
      this.buffer =
        content instanceof ArrayBuffer
          ? Buffer.from(new Uint8Array(content))
          : Buffer.from(content as Uint8Array)
      this.end = this.buffer.length
    }
  }

  /** A Data over memory that the caller promises not to change. */
  static over(buffer: Buffer, start = 0, end = buffer.length): Data {
    const data = new Data()
    data.buffer = buffer
    data.start = start
    data.end = end
    return data
  }

  /** A Data over memory that is only valid in this turn: see the class. */
  static borrow(buffer: Buffer, start: number, end: number): Data {
    const data = new Data()
    data.buffer = buffer
    data.start = start
    data.end = end
    data.borrowed = true
    return data
  }

  static from(
    content: string | Uint8Array | ArrayBuffer | Data | readonly number[],
    encoding: Encoding = 'utf8',
  ): Data {
    return new Data(content, encoding)
  }

  get type(): 'Data' {
    return 'Data'
  }

  /** Number of bytes. */
  get size(): number {
    return this.end - this.start
  }

  /** Makes the bytes this Data's own when they are borrowed. Returns itself. */
  keep(): this {
    if (this.borrowed) {
      const copy = Buffer.allocUnsafe(this.end - this.start)
      this.buffer.copy(copy, 0, this.start, this.end)
      this.buffer = copy
      this.end -= this.start
      this.start = 0
      this.borrowed = false
      this.ownsTail = false
    }
    return this
  }

  /** Another Data over the same bytes: changing one (push, shift) leaves the other as it is. */
  clone(): Data {
    return new Data(this)
  }

  /** Appends bytes. Returns itself. */
  push(content: string | Uint8Array | Data, encoding: Encoding = 'utf8'): this {
    if (typeof content === 'string') {
      const bytes = Buffer.from(content, encoding)
      this.append(bytes, 0, bytes.length)
    } else if (content instanceof Data) {
      this.append(content.buffer, content.start, content.end)
    } else {
      this.append(content, 0, content.length)
    }
    return this
  }

  private append(bytes: Uint8Array, from: number, to: number): void {
    const size = this.end - this.start
    const added = to - from
    if (added === 0) return
    if (!this.ownsTail || this.borrowed || this.end + added > this.buffer.length) {
      // Doubling keeps the copying of a body that arrives in n pieces linear.
      const grown = Buffer.allocUnsafeSlow(Math.max(256, 2 * size, size + added))
      this.buffer.copy(grown, 0, this.start, this.end)
      this.buffer = grown
      this.start = 0
      this.end = size
      this.borrowed = false
      this.ownsTail = true
    }
    this.buffer.set(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to), this.end)
    this.end += added
  }

  /** Takes the first `count` bytes (or all there are) off the front and returns them. */
  shift(count: number): Data {
    const head = new Data(this)
    // Scripts pass what they have: a fraction or NaN would leave a range that is none.
    head.end = Math.min(this.end, this.start + Math.max(0, Math.trunc(count) || 0))
    this.start = head.end
    return head
  }

  /** Appends a whole number as 4 bytes, the highest first. Returns itself. */
  pushUInt32BE(value: number): this {
    return this.push(Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value))
  }

  /** Takes 4 bytes off the front as a whole number; 0 stands for those that are missing at the end. */
  shiftUInt32BE(): number {
    const bytes = this.shift(4).bytes()
    let value = 0
    for (let i = 0; i < 4; i++) value = value * 256 + (bytes[i] ?? 0)
    return value
  }

  /** Takes bytes off the front up to and including the first for which `accept` is truthy (all of them, if none). */
  shiftTo(accept: (byte: number) => unknown): Data {
    let at = this.start
    while (at < this.end) if (accept(this.buffer[at++] as number)) break
    return this.shift(at - this.start)
  }

  /** Takes bytes off the front as long as `accept` is truthy. */
  shiftWhile(accept: (byte: number) => unknown): Data {
    let at = this.start
    while (at < this.end && accept(this.buffer[at] as number)) at++
    return this.shift(at - this.start)
  }

  /** A view of the bytes. It is only valid as long as the Data's memory is: call `keep()` before storing it. */
  bytes(): Buffer {
    return this.start === 0 && this.end === this.buffer.length
      ? this.buffer
      : this.buffer.subarray(this.start, this.end)
  }

  toArray(): number[] {
    return Array.from(this.bytes())
  }

  toString(encoding: Encoding = 'utf8'): string {
    return this.buffer.toString(encoding, this.start, this.end)
  }
}
