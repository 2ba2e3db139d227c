// Hot path: an id is a slice of a text that was made for 128 of them at a time.

import { randomFillSync } from 'node:crypto'
import { lineLength, lineOf } from './trace-context.ts'

const batch = 128
const digits = Buffer.from('0123456789abcdef', 'latin1')

/** So many batches share the random part of their ids. */
const lastingBatches = 64

// Where in a line the parts are that change from line to line: the last seven bytes of the trace's id begin with one.
const traceSequence = 34
const spanSequence = 51
const flagsEnd = 67

/** Odd, and the golden ratio of 32 bits: its multiples fall evenly on all of them. */
const step = 0x9e3779b1

/**
 * New ids, and the decision that belongs to each trace: recorded when the last seven bytes of its id, read as a fraction,
 * are at or above 1 - `ratio`. Others who decide by that rule decide alike.
 *
 * 8192 ids share 12 random bytes; the other four, which weigh most in the decision, are a sequence that is spread evenly. The first span of a trace has the second half of the trace's id for its own, which is as unique.
 */
export class TraceIds {
  private readonly ratio: number
  private readonly lines = Buffer.alloc(batch * lineLength)
  private readonly random = Buffer.allocUnsafeSlow(1024)
  private readonly sampled = new Uint8Array(batch)
  private text = ''
  private next = batch
  private batches = 0
  private sequence = 0
  private spans = ''
  private spanAt = 0

  constructor(ratio: number) {
    this.ratio = ratio
  }

  /** Makes a new trace the current one; true when it is to be recorded. */
  advance(): boolean {
    if (++this.next >= batch) this.makeLines()
    return this.sampled[this.next] === 1
  }

  /** The line of the current trace. */
  get line(): string {
    const at = this.next * lineLength
    return this.text.slice(at, at + lineLength)
  }

  /** A new span's id. */
  nextSpan(): string {
    if (this.spanAt === this.spans.length) {
      this.spans = randomFillSync(this.random).toString('hex')
      this.spanAt = 0
    }
    const at = this.spanAt
    this.spanAt = at + 16
    return this.spans.slice(at, at + 16)
  }

  private makeLines(): void {
    const { lines, sampled } = this
    if (this.batches++ % lastingBatches === 0) this.drawAnew()
    const least = (1 - this.ratio) * 2 ** 32
    let { sequence } = this
    for (let i = 0; i < batch; i++) {
      sequence = (sequence + step) >>> 0
      const at = i * lineLength
      for (let j = 0; j < 8; j++) {
        const digit = digits[(sequence >>> (28 - 4 * j)) & 15] as number
        lines[at + traceSequence + j] = digit
        lines[at + spanSequence + j] = digit
      }
      const isSampled = sequence >= least
      sampled[i] = isSampled ? 1 : 0
      lines[at + flagsEnd] = isSampled ? 0x31 : 0x30
    }
    this.sequence = sequence
    this.text = lines.toString('latin1')
    this.next = 0
  }

  /** The random part of the lines, and where the sequence goes on. */
  private drawAnew(): void {
    const random = randomFillSync(Buffer.allocUnsafe(20))
    const hex = random.toString('hex', 0, 16)
    const line = lineOf(`00-${hex}-${hex.slice(16)}-00`)
    for (let i = 0; i < batch; i++) this.lines.write(line, i * lineLength, 'latin1')
    this.sequence = random.readUInt32BE(16)
  }
}

/** A copy that stands alone: a slice keeps the text alive that it was cut from, which is much for what lives long. */
export const ownText = (slice: string): string => Buffer.from(slice, 'latin1').toString('latin1')
