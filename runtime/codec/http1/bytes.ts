/** Byte classes of RFC 9110 and RFC 9112 as lookup tables, and the few bytes that the codec names. */

import type { Buffer } from 'node:buffer'

export const HTAB = 0x09
export const LF = 0x0a
export const CR = 0x0d
export const SPACE = 0x20
export const COLON = 0x3a

const classOf = (members: string, ...ranges: [number, number][]): Uint8Array => {
  const table = new Uint8Array(256)
  for (const member of members) table[member.charCodeAt(0)] = 1
  for (const [first, last] of ranges) table.fill(1, first, last + 1)
  return table
}

const letters: [number, number] = [0x61, 0x7a]
const capitals: [number, number] = [0x41, 0x5a]
const digits: [number, number] = [0x30, 0x39]

/** tchar, RFC 9110 §5.6.2. */
export const tokenBytes = classOf("!#$%&'*+-.^_`|~", letters, capitals, digits)

/** What a field value may hold: field-vchar, obs-text, SP and HTAB, RFC 9110 §5.5. */
export const valueBytes = classOf('\t', [0x20, 0x7e], [0x80, 0xff])

/** Visible ASCII without `#`: a request-target never carries a fragment, RFC 9112 §3.2. */
export const targetBytes = classOf('', [0x21, 0x22], [0x24, 0x7e])

/** reg-name, RFC 3986 §3.2.2, without the comma, which would make one Host look like two joined ones. */
const hostBytes = classOf("-._~%!$&'()*+;=", letters, capitals, digits)

/** Value of a hexadecimal digit; 255 for every other byte. */
export const hexValues = new Uint8Array(256).fill(255)
for (let digit = 0; digit < 16; digit++) {
  hexValues[digit.toString(16).charCodeAt(0)] = digit
  hexValues[digit.toString(16).toUpperCase().charCodeAt(0)] = digit
}

/** Whether the bytes from `at` on are `text`, given in lower case, in any case. Only right for tokens. */
export function equalsToken(buffer: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++)
    if (((buffer[at + i] as number) | 0x20) !== text.charCodeAt(i)) return false
  return true
}

/** Whether the bytes from `at` on are exactly `text`. */
export function equalsText(buffer: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (buffer[at + i] !== text.charCodeAt(i)) return false
  return true
}

/**
 * Whether the bytes are `host` or `host:port`, RFC 3986 §3.2 without userinfo, which RFC 9110 §4.2.4 has us refuse.
 * The host may not be empty; the port may (`host:`), unless `needsPort`.
 */
export function isAuthority(buffer: Uint8Array, start: number, end: number, needsPort: boolean): boolean {
  let at = start
  if (buffer[at] === 0x5b /* [ */) {
    at++
    while (
      at < end &&
      (hexValues[buffer[at] as number] !== 255 || buffer[at] === COLON || buffer[at] === 0x2e)
    )
      at++
    if (at - start < 3 || at >= end || buffer[at] !== 0x5d /* ] */) return false
    at++
  } else {
    while (at < end && hostBytes[buffer[at] as number] === 1) at++
    if (at === start) return false
  }
  if (at === end) return !needsPort
  if (buffer[at] !== COLON) return false
  const port = at + 1
  if (end - port > 5 || (needsPort && end === port)) return false
  for (at = port; at < end; at++)
    if ((buffer[at] as number) < 0x30 || (buffer[at] as number) > 0x39) return false
  return true
}

/** Node's own decoder, which `toString` reaches over several checks; the types leave it out. */
interface Latin1Source {
  latin1Slice(start?: number, end?: number): string
}

/** The bytes as text, one character each. */
export const latin1 = (buffer: Buffer, start: number, end: number): string =>
  (buffer as unknown as Latin1Source).latin1Slice(start, end)

let viewed: Buffer | undefined
let view: DataView | undefined

/**
 * A view of the buffer for reading several bytes at once; 12 % of the time of a browser's head. It is only made for
 * a buffer that comes a second time, as the shared read buffer of a thread does: for one read it does not pay.
 */
export function wordsOf(buffer: Buffer): DataView | undefined {
  if (buffer !== viewed) {
    viewed = buffer
    view = undefined
  } else if (view === undefined) {
    view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length)
  }
  return view
}

/**
 * Whether all eight bytes of two words are from 0x20 to 0x7e. Per byte, subtracting 0x20 sets the top bit of smaller
 * ones, adding 1 that of 0x7f, and larger ones have it; a borrow or carry only comes out of a byte that is told so.
 */
export const isPlainWord = (one: number, two: number): boolean =>
  (((one - 0x20202020) | (one + 0x01010101) | one | (two - 0x20202020) | (two + 0x01010101) | two) &
    0x80808080) ===
  0
