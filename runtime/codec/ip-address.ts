/** IP addresses as protocols carry them (4 or 16 bytes) and as people write them. */

import { Buffer } from 'node:buffer'
import { isIP } from 'node:net'

/** The address in 4 bytes from `at` on, like '10.0.0.1'. */
export const ipv4Text = (bytes: Buffer, at: number): string =>
  `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`

/** The address in 16 bytes from `at` on, in the form of RFC 5952 §4: lower case, the longest run of zeros as '::'. */
export function ipv6Text(bytes: Buffer, at: number): string {
  const groups: number[] = []
  for (let i = 0; i < 16; i += 2) groups.push(bytes.readUInt16BE(at + i))
  let runStart = -1
  let runSize = 1
  for (let i = 0; i < 8; i++) {
    let size = 0
    while (i + size < 8 && groups[i + size] === 0) size++
    if (size > runSize) {
      runStart = i
      runSize = size
    }
    i += size
  }
  const text = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map(group => group.toString(16))
      .join(':')
  return runStart < 0 ? text(0, 8) : `${text(0, runStart)}::${text(runStart + runSize, 8)}`
}

/** The 4 or 16 bytes of an address; undefined when `text` is none, or has a zone, which means nothing to a peer. */
export function ipBytes(text: string): Buffer | undefined {
  const version = isIP(text)
  if (version === 4) return Buffer.from(text.split('.').map(Number))
  return version === 6 && !text.includes('%') ? ipv6Bytes(text) : undefined
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

function ipv6Bytes(text: string): Buffer {
  const [head = '', tail] = text.split('::')
  const front = groupsOf(head)
  const back = tail === undefined ? [] : groupsOf(tail)
  const bytes = Buffer.alloc(16)
  for (const [i, group] of front.entries()) bytes.writeUInt16BE(group, 2 * i)
  for (const [i, group] of back.entries()) bytes.writeUInt16BE(group, 16 - 2 * (back.length - i))
  return bytes
}

function groupsOf(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap(group => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
    return [a * 256 + b, c * 256 + d]
  })
}
