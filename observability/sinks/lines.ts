import { Buffer } from 'node:buffer'
import type { Item } from './destination.ts'

type Documents = readonly Pick<Item, 'entry'>[]

/** Documents, each with a line end behind it. */
export const linesOf = (batch: Documents): Buffer => joined(batch, '', '\n')

/** Documents as one JSON array. */
export const arrayOf = (batch: Documents): Buffer => joined(batch, '[', ',', ']')

/**
 * Written straight into its memory, which takes a quarter of joining them as text first: the other sinks of the thread wait for it.
 *
 * @param last in the place of what is behind the others
 */
function joined(batch: Documents, first: string, behind: string, last = behind): Buffer {
  let bytes = first.length
  for (const { entry } of batch) bytes += Buffer.byteLength(entry.json) + 1
  const whole = Buffer.allocUnsafeSlow(bytes)
  let at = whole.write(first, 0, 'latin1')
  for (const { entry } of batch) {
    at += whole.write(entry.json, at)
    at += whole.write(at === bytes - 1 ? last : behind, at, 'latin1')
  }
  return whole
}
