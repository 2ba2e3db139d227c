// Hot path: `find` runs before each head is scanned; a miss must cost next to nothing.

import { Buffer } from 'node:buffer'
import type { SectionReader } from './section.ts'

/** What a head said the last time it was read. Its bytes being the same, it says the same again. */
export interface KnownHead {
  readonly length: number
  readonly words: DataView
  /** The lines that are forwarded. */
  readonly text: string
  readonly method: string
  readonly status: number
  readonly firstEnd: number
  readonly secondEnd: number
  readonly lineEnd: number
  readonly httpMinor: number
  readonly contentLength: number
  readonly isChunked: boolean
  readonly hostCount: number
  readonly connection: number
  readonly acceptsTrailers: boolean
}

const slots = 128
/** Longer heads are rarely the same twice: they carry cookies and tokens. */
const maxLength = 1024
/** One head in so many that are not known is learnt, so that traffic that never repeats pays little for it. */
const learnEvery = 8

/**
 * Remembers heads, because clients and servers say the same over and over: a service behind keep-alive connections
 * sends one head thousands of times, and a server answers with one until the second of its Date changes. Comparing
 * 150 bytes takes 20 ns, scanning them and making their text 350 ns.
 *
 * It holds at most 128 heads of at most 1 KiB, per kind of head and thread. What it gives is what the reader found in
 * the very same bytes under the same limits, so it changes no outcome; heads that broke a rule, or that were out of
 * the ordinary in any way, are not remembered.
 */
export class HeadMemory {
  private readonly known: (KnownHead | undefined)[] = new Array(slots).fill(undefined)
  private misses = 0

  /** The head that begins at `start`, if it is a known one and whole. */
  find(buffer: Buffer, words: DataView, start: number, end: number): KnownHead | undefined {
    const known = this.known[slotOf(start, end)]
    if (known === undefined || known.length > end - start) return undefined
    // The end first: that is where heads of one length differ (Date, Content-Length, the last cookie).
    const last = known.length - 4
    if (words.getInt32(start + last - 4, true) !== known.words.getInt32(last - 4, true)) return undefined
    let at = 0
    for (; at + 8 <= known.length; at += 8) {
      if (
        words.getInt32(start + at, true) !== known.words.getInt32(at, true) ||
        words.getInt32(start + at + 4, true) !== known.words.getInt32(at + 4, true)
      )
        return undefined
    }
    for (; at < known.length; at++) if (buffer[start + at] !== known.words.getUint8(at)) return undefined
    return known
  }

  /** Told of a head that was read in one piece and was not known. */
  learn(section: SectionReader, buffer: Buffer, start: number, reached: number, end: number): void {
    const length = reached - start
    if (this.misses++ % learnEvery !== 0 || length > maxLength || !section.isOrdinary) return
    const bytes = Buffer.allocUnsafeSlow(length)
    buffer.copy(bytes, 0, start, reached)
    const { method, status, firstEnd, secondEnd, lineEnd, httpMinor } = section
    const { contentLength, isChunked, hostCount, connection, acceptsTrailers } = section
    this.known[slotOf(start, end)] = {
      length,
      words: new DataView(bytes.buffer, bytes.byteOffset, length),
      text: section.text(),
      method,
      status,
      firstEnd,
      secondEnd,
      lineEnd,
      httpMinor,
      contentLength,
      isChunked,
      hostCount,
      connection,
      acceptsTrailers,
    }
  }
}

/** By how much arrived: a message that comes again usually comes in a piece of the same size. */
const slotOf = (start: number, end: number): number => (end - start) & (slots - 1)
