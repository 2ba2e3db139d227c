import { randomBytes } from 'node:crypto'
import { wallMs } from '../../../runtime/clock.ts'

/** Characters of 36 that a time in milliseconds has until the year 5188, and a counter of 31 bits. */
const timeDigits = 9
const counterDigits = 6
const mostCounted = 36 ** counterDigits

/** Tells this thread, in this run of the process, from all others: 80 random bits. */
const place = randomBytes(10).toString('hex')
const suffix = `-${place}`
/** The last two digits of the counter: they change each time, those before them seldom. */
const lowDigits = Array.from({ length: 36 ** 2 }, (_, low) => low.toString(36).padStart(2, '0'))
let lastMs = 0
let prefix = ''
let counter = 0

/**
 * Ids of documents: unique over threads, nodes and restarts, and in the order of time, which search engines index faster
 * than random ones. Nothing random is drawn per id.
 *
 *     mi8x2k9qf-00004x-9f86d081884c7d659a2f
 *     milliseconds, counter, thread
 */
export function nextEventId(): string {
  const now = wallMs()
  // Never starts over with the millisecond: a clock that is set back then repeats no id.
  counter = (counter + 1) % mostCounted
  const low = counter % lowDigits.length
  if (now !== lastMs || low === 0) {
    lastMs = now
    const high = Math.floor(counter / lowDigits.length).toString(36)
    prefix = `${now.toString(36).padStart(timeDigits, '0')}-${high.padStart(counterDigits - 2, '0')}`
  }
  return `${prefix}${lowDigits[low]}${suffix}`
}
