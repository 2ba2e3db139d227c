/** Ways to cut the input of a decoder, for tests that it reads the same however its input is cut. */

import { Buffer } from 'node:buffer'
import fc from 'fast-check'

/** The pieces of `bytes` when it is cut at these places. */
export function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map(place => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...at].map((from, i) => bytes.subarray(from, at[i] ?? bytes.length))
}

export const everyByte = (bytes: Buffer): Buffer[] => [...bytes].map(byte => Buffer.from([byte]))

export const places = fc.array(fc.nat(), { maxLength: 12 })

export const noise = (maxLength = 400) => fc.uint8Array({ maxLength }).map(array => Buffer.from(array))

/** Valid bytes with some replaced, taken out or put in: nearer to what breaks parsers than noise is. */
export const spoiled = (valid: fc.Arbitrary<Buffer>) =>
  fc
    .tuple(
      valid,
      fc.array(fc.tuple(fc.nat(), fc.uint8Array({ maxLength: 3 }), fc.nat(3)), {
        minLength: 1,
        maxLength: 4,
      }),
    )
    .map(([bytes, edits]) =>
      edits.reduce((spoilt, [at, put, taken]) => {
        const place = at % (spoilt.length + 1)
        return Buffer.concat([spoilt.subarray(0, place), put, spoilt.subarray(place + taken)])
      }, bytes),
    )
