// Hot path: once per logged exchange. No objects, no closures.

import { Buffer } from 'node:buffer'

/** Characters that are written one by one: up to here that is faster than a call out of JavaScript. */
const mostLooped = 24

/** How a text stands there: its length in bytes times four, and one of these. */
const latin1 = 0
const utf8 = 1
const utf16 = 2

/** Room that a text may take. */
export const roomFor = (text: string): number => 4 + 3 * text.length

/**
 * Writes values one behind the other into memory that is handed to another thread. It checks no bounds: whoever
 * writes has seen to the room.
 */
export class BytesWriter {
  readonly buffer: Buffer
  private readonly view: DataView
  /** Where the next byte goes. */
  at = 0

  constructor(memory: ArrayBuffer) {
    this.buffer = Buffer.from(memory)
    this.view = new DataView(memory)
  }

  byte(value: number): void {
    this.view.setUint8(this.at++, value)
  }

  /** 0 to 2^32 - 1. */
  count(value: number): void {
    this.view.setUint32(this.at, value, true)
    this.at += 4
  }

  number(value: number): void {
    this.view.setFloat64(this.at, value, true)
    this.at += 8
  }

  bytes(source: Buffer, length: number): void {
    this.count(length)
    source.copy(this.buffer, this.at, 0, length)
    this.at += length
  }

  /** Characters of one byte each. */
  latin1(text: string): void {
    const { length } = text
    this.count(length * 4 + latin1)
    this.buffer.write(text, this.at, 'latin1')
    this.at += length
  }

  /** Any text, half surrogates and all. */
  text(text: string): void {
    const { length } = text
    if (length > mostLooped) {
      this.encode(text)
      return
    }
    const { buffer } = this
    const start = this.at + 4
    let all = 0
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i)
      all |= code
      buffer[start + i] = code
    }
    if (all > 0xff) {
      this.encode(text)
      return
    }
    this.count(length * 4 + latin1)
    this.at += length
  }

  private encode(text: string): void {
    const start = this.at + 4
    const written = this.buffer.write(text, start)
    if (written === text.length) this.count(written * 4 + latin1)
    else if (text.isWellFormed()) this.count(written * 4 + utf8)
    else {
      const bytes = this.buffer.write(text, start, 'utf16le')
      this.count(bytes * 4 + utf16)
      this.at += bytes
      return
    }
    this.at += written
  }
}

/** Reads what a `BytesWriter` wrote, in the same order. */
export class BytesReader {
  private readonly buffer: Buffer
  private readonly view: DataView
  /** Where the next byte is. */
  at = 0

  constructor(memory: ArrayBuffer) {
    this.buffer = Buffer.from(memory)
    this.view = new DataView(memory)
  }

  byte(): number {
    return this.view.getUint8(this.at++)
  }

  count(): number {
    this.at += 4
    return this.view.getUint32(this.at - 4, true)
  }

  number(): number {
    this.at += 8
    return this.view.getFloat64(this.at - 8, true)
  }

  /** A view of the memory. */
  bytes(): Buffer {
    const length = this.count()
    this.at += length
    return this.buffer.subarray(this.at - length, this.at)
  }

  text(): string {
    const header = this.count()
    const start = this.at
    const end = start + (header >>> 2)
    this.at = end
    switch (header & 3) {
      case latin1:
        return this.buffer.toString('latin1', start, end)
      case utf8:
        return this.buffer.toString('utf8', start, end)
      default:
        return this.buffer.toString('utf16le', start, end)
    }
  }
}
