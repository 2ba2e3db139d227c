// Hot path: grows by doubling; nothing else allocates.

import { Buffer } from 'node:buffer'

/** Bytes that are put together piece by piece. */
export class ByteWriter {
  private buffer: Buffer
  private size = 0

  constructor(capacity = 256) {
    this.buffer = Buffer.allocUnsafeSlow(capacity)
  }

  /** Makes room for `count` bytes and returns where they go. The caller writes all of them. */
  private claim(count: number): number {
    const at = this.size
    const needed = at + count
    if (needed > this.buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.buffer.length))
      this.buffer.copy(grown, 0, 0, at)
      this.buffer = grown
    }
    this.size = needed
    return at
  }

  byte(value: number): void {
    const at = this.claim(1)
    this.buffer[at] = value
  }

  int16(value: number): void {
    const at = this.claim(2)
    this.buffer[at] = value >> 8
    this.buffer[at + 1] = value
  }

  int32(value: number): void {
    const at = this.claim(4)
    this.buffer.writeInt32BE(value, at)
  }

  int64(value: bigint): void {
    const at = this.claim(8)
    this.buffer.writeBigInt64BE(value, at)
  }

  double(value: number): void {
    const at = this.claim(8)
    this.buffer.writeDoubleBE(value, at)
  }

  bytes(source: Buffer, start: number, end: number): void {
    const at = this.claim(end - start)
    source.copy(this.buffer, at, start, end)
  }

  /** Text of characters below 256, a byte each. */
  latin1(text: string): void {
    const at = this.claim(text.length)
    if (text.length > 16) this.buffer.write(text, at, 'latin1')
    else for (let i = 0; i < text.length; i++) this.buffer[at + i] = text.charCodeAt(i)
  }

  /** Text as UTF-8, of which `size` is the length in bytes. */
  utf8(text: string, size: number): void {
    const at = this.claim(size)
    this.buffer.write(text, at, size, 'utf8')
  }

  /** The bytes, which are the caller's from now on. */
  take(): Buffer {
    return this.buffer.subarray(0, this.size)
  }
}
