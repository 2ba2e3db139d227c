// Hot path: `readPacked` runs over all that comes from other nodes.

import { Buffer } from 'node:buffer'
import { Packr } from 'msgpackr'
import { packing } from '../runtime/pool/frame.ts'

const packr = new Packr(packing)

/** Node's own decoder, which `toString` reaches over several checks; the types leave it out. */
interface UTF8Source {
  utf8Slice(start: number, end: number): string
}

/** Frames and batches have six. */
const maxDepth = 8

/** Up to so many characters are put together one by one: a call into Node costs as much as ten of them. */
const shortText = 10

const characters = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code))

/** Not an error of anybody: there is something that is left to the packer. */
const unusual = new Error('left to the packer')

const nothing = Buffer.alloc(0) as Buffer & UTF8Source
let source = nothing
let at = 0

/**
 * Reads MessagePack behind the version. Lists, texts, bytes and numbers, which is nearly all that goes between nodes, are read
 * here; whatever has an object in it is left to the packer as a whole. Bytes are views.
 *
 * @throws what the packer throws
 */
export function readPacked(bytes: Uint8Array): unknown {
  source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) as Buffer & UTF8Source
  at = 1
  try {
    const value = read(0)
    if (at === source.length) return value
  } catch (thrown) {
    if (thrown !== unusual) throw thrown
  } finally {
    source = nothing
  }
  return packr.unpack(bytes.subarray(1))
}

/** First bytes: https://github.com/msgpack/msgpack/blob/master/spec.md. */
function read(depth: number): unknown {
  if (at >= source.length) throw unusual
  const form = source[at++] as number
  if (form < 0x80) return form
  if (form >= 0xe0) return form - 0x100
  if (form >= 0xa0 && form < 0xc0) return text(form & 0x1f)
  if (form >= 0x90 && form < 0xa0) return list(form & 0x0f, depth)
  switch (form) {
    case 0xc0:
      return null
    case 0xc2:
      return false
    case 0xc3:
      return true
    case 0xc4:
      return view(count(1))
    case 0xc5:
      return view(count(2))
    case 0xc6:
      return view(count(4))
    case 0xcb:
      return source.readDoubleBE(step(8))
    case 0xcc:
      return count(1)
    case 0xcd:
      return count(2)
    case 0xce:
      return count(4)
    case 0xd9:
      return text(count(1))
    case 0xda:
      return text(count(2))
    case 0xdb:
      return text(count(4))
    case 0xdc:
      return list(count(2), depth)
    case 0xdd:
      return list(count(4), depth)
  }
  throw unusual
}

/** Goes on behind so many bytes; gives where they begin. */
function step(bytes: number): number {
  const start = at
  if (bytes > source.length - start) throw unusual
  at = start + bytes
  return start
}

function count(bytes: 1 | 2 | 4): number {
  const start = step(bytes)
  let value = source[start] as number
  for (let i = 1; i < bytes; i++) value = value * 256 + (source[start + i] as number)
  return value
}

function view(length: number): Buffer {
  const start = step(length)
  return source.subarray(start, start + length)
}

function text(length: number): string {
  const start = step(length)
  if (length > shortText) return source.utf8Slice(start, start + length)
  let value = ''
  for (let i = start; i < at; i++) {
    const code = source[i] as number
    if (code >= 0x80) return source.utf8Slice(start, at)
    value += characters[code]
  }
  return value
}

function list(length: number, depth: number): unknown[] {
  // Each takes a byte at least: what says that there are more is not believed.
  if (length > source.length - at || depth === maxDepth) throw unusual
  const values: unknown[] = []
  for (let i = 0; i < length; i++) values.push(read(depth + 1))
  return values
}
