import { Buffer } from 'node:buffer'
import fc from 'fast-check'

/** Places to cut an input at, whatever its length: see `cutAt`. */
export const cuts = fc.array(fc.nat({ max: 4096 }), { maxLength: 8 })

/** The input in pieces. Each is a copy that is followed by rubbish, as in a buffer that is read into again and again. */
export function cutAt(input: Buffer, places: readonly number[]): { buffer: Buffer; end: number }[] {
  const at = [...new Set(places.map(place => place % (input.length + 1)))].sort((a, b) => a - b)
  return [0, ...at].map((from, i) => rubbishBehind(input.subarray(from, at[i] ?? input.length)))
}

export const byteByByte = (input: Buffer): { buffer: Buffer; end: number }[] =>
  Array.from(input, (_, i) => rubbishBehind(input.subarray(i, i + 1)))

function rubbishBehind(piece: Buffer): { buffer: Buffer; end: number } {
  const buffer = Buffer.alloc(piece.length + 3, '\n')
  piece.copy(buffer)
  return { buffer, end: piece.length }
}
