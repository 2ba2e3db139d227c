// Hot path: integers of up to 15 digits are read from the bytes without making text of them.

import type { LineReader } from './line.ts'

const MINUS = 0x2d
const PLUS = 0x2b
const ZERO = 0x30

/** A big number has at most this many digits: reading more takes time that grows faster than their number. */
const maxBigDigits = 4096

/** A 64-bit integer: a number where it fits. Undefined when it is malformed. */
export function readInteger({ buffer, start, end }: LineReader): number | bigint | undefined {
  const first = buffer[start]
  const isNegative = first === MINUS
  let at = isNegative || first === PLUS ? start + 1 : start
  if (at === end || end - at > 19) return undefined
  if (end - at > 15) return parseLong(buffer.toString('latin1', start, end))
  let value = 0
  for (; at < end; at++) {
    const digit = (buffer[at] as number) - ZERO
    if (digit < 0 || digit > 9) return undefined
    value = value * 10 + digit
  }
  return isNegative && value !== 0 ? -value : value
}

function parseLong(text: string): number | bigint | undefined {
  if (!/^[+-]?\d+$/.test(text)) return undefined
  const value = BigInt(text.startsWith('+') ? text.slice(1) : text)
  if (BigInt.asIntN(64, value) !== value) return undefined
  return Number.isSafeInteger(Number(value)) ? Number(value) : value
}

/** A length: decimal digits only. -1 when it is malformed or beyond what a number holds exactly. */
export function readLength({ buffer, start, end }: LineReader): number {
  if (start === end || end - start > 15) return -1
  let value = 0
  for (let at = start; at < end; at++) {
    const digit = (buffer[at] as number) - ZERO
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
  }
  return value
}

export function readDouble(line: LineReader): number | undefined {
  const text = line.text()
  if (/^[+-]?\d+(?:\.\d*)?(?:e[+-]?\d+)?$/i.test(text)) return Number(text)
  const special = /^([+-]?)(inf|nan)$/i.exec(text)
  if (special === null) return undefined
  if (special[2]?.toLowerCase() === 'nan') return Number.NaN
  return special[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
}

export function readBigNumber(line: LineReader): bigint | undefined {
  const text = line.text()
  if (text.length > maxBigDigits || !/^[+-]?\d+$/.test(text)) return undefined
  return BigInt(text.startsWith('+') ? text.slice(1) : text)
}
