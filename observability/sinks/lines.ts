import type { Buffer } from 'node:buffer'
import { bodyMemory } from './body-memory.ts'
import type { Item } from './destination.ts'

type Documents = readonly Pick<Item, 'entry'>[]

/** Documents, each with a line end behind it. */
export const linesOf = (batch: Documents): Buffer => joined(batch, '', '\n')

/** Documents as one JSON array. */
export const arrayOf = (batch: Documents): Buffer => joined(batch, '[', ',', ']')

/**
 * Written straight into its memory: the other sinks of the thread wait for it.
 *
 * @param last in the place of what is behind the others
 */
function joined(batch: Documents, first: string, behind: string, last = behind): Buffer {
  let bytes = first.length
  for (const { entry } of batch) bytes += entry.json.length + 1
  const whole = bodyMemory(bytes).subarray(0, bytes)
  let at = whole.write(first, 0, 'latin1')
  for (const { entry } of batch) {
    whole.set(entry.json, at)
    at += entry.json.length
    at += whole.write(at === bytes - 1 ? last : behind, at, 'latin1')
  }
  return whole
}
