// Hot path: text without surrogates is decoded and encoded by Node; only the rest goes character by character.

import { Buffer, isAscii } from 'node:buffer'
import type { ByteWriter } from '../../byte-writer.ts'

/** Text from this length on is asked first whether it is all ASCII, which then takes no look at each byte. */
const longUnits = 32

/**
 * Hessian counts text in UTF-16 units. Java writes each unit as UTF-8 by itself, so that a character outside the basic
 * plane takes twice 3 bytes (CESU-8); other writers take the 4 bytes of UTF-8. Both are read; the first is written,
 * since Java does not read the second.
 */
export class TextReader {
  /** Index behind the text that `read` gave. */
  end = 0

  /** Reads `units` characters. Undefined when they are malformed or go beyond `limit`. */
  read(buffer: Buffer, start: number, limit: number, units: number): string | undefined {
    if (start + units > limit) return undefined
    if (units >= longUnits && isAscii(buffer.subarray(start, start + units))) {
      this.end = start + units
      return buffer.toString('latin1', start, this.end)
    }
    let at = start
    let left = units
    let isPlain = true
    while (left > 0) {
      const byte = buffer[at] as number
      const size = byte < 0x80 ? 1 : byte < 0xc2 ? 0 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : byte < 0xf5 ? 4 : 0
      if (size === 0 || at + size > limit) return undefined
      for (let i = 1; i < size; i++) if (((buffer[at + i] as number) & 0xc0) !== 0x80) return undefined
      const second = buffer[at + 1] as number
      if (size === 3) {
        if (byte === 0xe0 && second < 0xa0) return undefined
        if (byte === 0xed && second >= 0xa0) isPlain = false
      } else if (size === 4) {
        if ((byte === 0xf0 && second < 0x90) || (byte === 0xf4 && second >= 0x90)) return undefined
        left--
      }
      at += size
      left--
    }
    if (left < 0) return undefined
    this.end = at
    return isPlain ? buffer.toString('utf8', start, at) : joinSurrogates(buffer, start, at)
  }
}

/** Well-formed text with surrogates of 3 bytes each. */
function joinSurrogates(buffer: Buffer, start: number, end: number): string {
  let text = ''
  let from = start
  for (let at = start; at < end; at++) {
    if (buffer[at] !== 0xed || (buffer[at + 1] as number) < 0xa0) continue
    const unit = 0xd000 | (((buffer[at + 1] as number) & 0x3f) << 6) | ((buffer[at + 2] as number) & 0x3f)
    text += buffer.toString('utf8', from, at) + String.fromCharCode(unit)
    at += 2
    from = at + 1
  }
  return text + buffer.toString('utf8', from, end)
}

/** Text as bytes, without its length. */
export function writeText(out: ByteWriter, text: string): void {
  if (out.shortASCII(text)) return
  if (!/[\ud800-\udfff]/.test(text)) {
    out.utf8(text, Buffer.byteLength(text))
    return
  }
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) {
      out.byte(unit)
    } else if (unit < 0x800) {
      out.byte(0xc0 | (unit >> 6))
      out.byte(0x80 | (unit & 0x3f))
    } else {
      out.byte(0xe0 | (unit >> 12))
      out.byte(0x80 | ((unit >> 6) & 0x3f))
      out.byte(0x80 | (unit & 0x3f))
    }
  }
}
