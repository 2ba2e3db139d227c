// Hot path: `message` runs once per event on its way to another node.

import { Buffer } from 'node:buffer'
import { Packr } from 'msgpackr'
import type { WireMessage } from '../actors/kernel/wire.ts'
import { packing } from '../runtime/pool/frame.ts'

/** Memory for what is written is taken in such pieces: some frames are in one. */
const pieceBytes = 512 * 1024

/** First bytes of MessagePack's forms (https://github.com/msgpack/msgpack/blob/master/spec.md). */
const form = { nil: 0xc0, bin8: 0xc4, bin32: 0xc6, float64: 0xcb, str16: 0xda, str32: 0xdb } as const
const array = { fix: 0x90, of16: 0xdc, of32: 0xdd } as const
const uint32 = 0xce

/** Node's own encoder, which `write` reaches over several checks; the types leave it out. */
interface UTF8Sink {
  utf8Write(text: string, at: number): number
}

/**
 * Writes MessagePack whose outline is known: what a frame or a batch says of its messages, and of these the head's lines
 * and the body, which is nearly all that goes between nodes. A packer that has to find out what it has takes
 * 0.25 to 0.5 us more of a message of 600 bytes (bench/micro/cluster-fork.ts, 2026-11); whatever else a script has put in goes to that one.
 *
 * What is written is in memory that nobody uses again, since the bus may send it later, unless it is known to be sent.
 */
export class WireWriter {
  private readonly packr = new Packr(packing)
  private buffer = Buffer.allocUnsafeSlow(pieceBytes)
  private start = 0
  private at = 0

  begin(version: number): void {
    this.start = this.at
    this.room(1)
    this.buffer[this.at++] = version
  }

  /** All that was written since `begin`. */
  take(): Uint8Array {
    return this.buffer.subarray(this.start, this.at)
  }

  /** Nobody reads what was written since `begin` any more: what is next is written over it. */
  reuse(): void {
    this.at = this.start
  }

  /** So many values follow as one. */
  array(length: number): void {
    this.room(5)
    const { buffer } = this
    if (length < 16) buffer[this.at++] = array.fix | length
    else if (length < 0x10000) {
      buffer[this.at] = array.of16
      this.at = buffer.writeUInt16BE(length, this.at + 1)
    } else {
      buffer[this.at] = array.of32
      this.at = buffer.writeUInt32BE(length, this.at + 1)
    }
  }

  /** A whole number that is not negative. */
  count(value: number): void {
    this.room(9)
    const { buffer } = this
    if (value < 128) buffer[this.at++] = value
    else if (value <= 0xffffffff) {
      buffer[this.at] = uint32
      this.at = buffer.writeUInt32BE(value, this.at + 1)
    } else {
      // As the packer does it: numbers beyond 32 bits stay numbers, and are exact up to 2^53.
      buffer[this.at] = form.float64
      this.at = buffer.writeDoubleBE(value, this.at + 1)
    }
  }

  text(value: string): void {
    const { length } = value
    if (length < 32) {
      this.shortText(value)
      return
    }
    // UTF-8 takes three bytes for a UTF-16 unit at most.
    this.room(5 + 3 * length)
    const { buffer, at } = this
    if (3 * length < 0x10000) {
      const written = (buffer as Buffer & UTF8Sink).utf8Write(value, at + 3)
      buffer[at] = form.str16
      buffer[at + 1] = written >> 8
      buffer[at + 2] = written & 0xff
      this.at = at + 3 + written
    } else {
      const written = (buffer as Buffer & UTF8Sink).utf8Write(value, at + 5)
      buffer[at] = form.str32
      buffer.writeUInt32BE(written, at + 1)
      this.at = at + 5 + written
    }
  }

  private shortText(value: string): void {
    const { length } = value
    this.room(1 + 3 * length)
    const { buffer, at } = this
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i)
      if (code >= 0x80) {
        this.value(value)
        return
      }
      buffer[at + 1 + i] = code
    }
    buffer[at] = 0xa0 | length
    this.at = at + 1 + length
  }

  bytes(value: Uint8Array): void {
    const { length } = value
    this.room(5 + length)
    const { buffer } = this
    if (length < 256) {
      buffer[this.at++] = form.bin8
      buffer[this.at++] = length
    } else {
      buffer[this.at] = form.bin32
      this.at = buffer.writeUInt32BE(length, this.at + 1)
    }
    buffer.set(value, this.at)
    this.at += length
  }

  nil(): void {
    this.room(1)
    this.buffer[this.at++] = form.nil
  }

  /** Anything that can be packed. */
  value(value: unknown): void {
    if (value === null) {
      this.nil()
      return
    }
    const packed = this.packr.pack(value)
    this.room(packed.length)
    this.buffer.set(packed, this.at)
    this.at += packed.length
  }

  message(wire: WireMessage): void {
    const [head, body, tail, payload, trace] = wire
    this.array(wire.length)
    if (typeof head === 'string') this.text(head)
    else this.value(head)
    if (body === null) this.nil()
    else this.bytes(body)
    this.value(tail)
    this.value(payload)
    if (wire.length > 4) this.value(trace)
  }

  /** What was begun moves to new memory when it has no room. */
  private room(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return
    const written = this.at - this.start
    const grown = Buffer.allocUnsafeSlow(Math.max(pieceBytes, 2 * written + bytes))
    this.buffer.copy(grown, 0, this.start, this.at)
    this.buffer = grown
    this.start = 0
    this.at = written
  }
}
