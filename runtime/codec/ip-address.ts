/** IP addresses as people write them, as numbers, and as protocols carry them (4 or 16 bytes). */

import { Buffer } from 'node:buffer'

/**
 * The number of an IPv4 address in dotted decimals; -1 when it is none. No leading zeros (RFC 6943 §3.1.1: they are
 * octal to some and decimal to others).
 */
export function parseIPv4(text: string): number {
  let value = 0
  let at = 0
  for (let part = 0; part < 4; part++) {
    let octet = 0
    const start = at
    for (; at < text.length && at - start < 4; at++) {
      const digit = text.charCodeAt(at) - 48
      if (digit < 0 || digit > 9) break
      octet = octet * 10 + digit
    }
    const digits = at - start
    if (digits === 0 || digits > 3 || octet > 255 || (digits > 1 && text.charCodeAt(start) === 48)) return -1
    value = value * 256 + octet
    if (part < 3 && text.charCodeAt(at++) !== 46) return -1
  }
  return at === text.length ? value : -1
}

export const formatIPv4 = (value: number): string =>
  `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`

/** The eight groups of an IPv6 address; undefined when it is none. */
export function parseIPv6(text: string): number[] | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = groupsOf(halves[0] as string, halves.length === 1)
  const tail = halves.length === 2 ? groupsOf(halves[1] as string, true) : []
  if (head === undefined || tail === undefined) return undefined
  if (halves.length === 1) return head.length === 8 ? head : undefined
  const gap = 8 - head.length - tail.length
  return gap < 1 ? undefined : [...head, ...new Array<number>(gap).fill(0), ...tail]
}

/** @param isLast whether an IPv4 address may stand at the end. */
function groupsOf(text: string, isLast: boolean): number[] | undefined {
  if (text === '') return []
  const parts = text.split(':')
  const groups: number[] = []
  for (const [i, part] of parts.entries()) {
    if (isLast && i === parts.length - 1 && part.includes('.')) {
      const v4 = parseIPv4(part)
      if (v4 < 0) return undefined
      groups.push(v4 >>> 16, v4 & 0xffff)
    } else if (/^[\da-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16))
    else return undefined
  }
  return groups
}

/** As RFC 5952 wants it: small letters, the longest run of zeros as `::`. */
export function formatIPv6(groups: readonly number[]): string {
  let bestStart = -1
  let bestLength = 1
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (start + length < 8 && groups[start + length] === 0) length++
    if (length > bestLength) {
      bestStart = start
      bestLength = length
    }
  }
  const hex = groups.map(group => group.toString(16))
  if (bestStart < 0) return hex.join(':')
  return `${hex.slice(0, bestStart).join(':')}::${hex.slice(bestStart + bestLength).join(':')}`
}

/** The address in 4 bytes from `at` on, like '10.0.0.1'. */
export const ipv4Text = (bytes: Buffer, at: number): string => formatIPv4(bytes.readUInt32BE(at))

/** The address in 16 bytes from `at` on. */
export const ipv6Text = (bytes: Buffer, at: number): string =>
  formatIPv6(Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(at + 2 * i)))

/** The 4 or 16 bytes of an address; undefined when `text` is none, or has a zone, which means nothing to a peer. */
export function ipBytes(text: string): Buffer | undefined {
  const number = parseIPv4(text)
  if (number >= 0) {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(number)
    return bytes
  }
  const groups = parseIPv6(text)
  if (groups === undefined) return undefined
  const bytes = Buffer.alloc(16)
  for (const [i, group] of groups.entries()) bytes.writeUInt16BE(group, 2 * i)
  return bytes
}

/** The 16 bytes of an address of either version; IPv4 as '::ffff:a.b.c.d' (RFC 4291 §2.5.5.2). */
export function ipBytes16(text: string): Buffer | undefined {
  const bytes = ipBytes(text)
  if (bytes === undefined || bytes.length === 16) return bytes
  const mapped = Buffer.alloc(16)
  mapped.fill(0xff, 10, 12)
  bytes.copy(mapped, 12)
  return mapped
}
