// Hot path: grows by doubling; nothing else allocates.

import { Buffer } from 'node:buffer'

/** Memory up to this size is kept for the next writer, and what was written is copied out of it; more is handed over. */
const spareBytes = 64 * 1024

/** Of the last writer that finished; null while one has it. One that never finishes keeps it. */
let spare: Buffer | null = null

/** Bytes that are put together piece by piece. */
export class ByteWriter {
  private buffer: Buffer
  private size = 0

  constructor() {
    this.buffer = spare ?? Buffer.allocUnsafeSlow(4096)
    spare = null
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

  /** Writes text if it is short and all ASCII, a byte at a time: for such, cheaper than a call into Node. */
  shortASCII(text: string): boolean {
    const size = text.length
    if (size > 32) return false
    const at = this.claim(size)
    const { buffer } = this
    for (let i = 0; i < size; i++) {
      const unit = text.charCodeAt(i)
      if (unit >= 0x80) {
        this.size = at
        return false
      }
      buffer[at + i] = unit
    }
    return true
  }

  /** Text as UTF-8, of which `size` is the length in bytes. */
  utf8(text: string, size: number): void {
    const at = this.claim(size)
    this.buffer.write(text, at, size, 'utf8')
  }

  /** The bytes, which are the caller's from now on. Nothing may be written behind it. */
  take(): Buffer {
    const { buffer, size } = this
    if (buffer.length > spareBytes) return buffer.subarray(0, size)
    const bytes = Buffer.allocUnsafe(size)
    buffer.copy(bytes, 0, 0, size)
    spare = buffer
    return bytes
  }
}
