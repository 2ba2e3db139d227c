// Hot path: once per logged exchange.

import { after } from '../../../runtime/clock.ts'
import { BytesWriter } from '../../../runtime/pool/packed-bytes.ts'

/**
 * What is gathered before it is handed over: 90 exchanges with bodies of 1 KiB each way. With 64 KiB the companion is woken four times as
 * often, which costs the traffic 2 us more per exchange where both share a core (bench log-elasticsearch, 2026-11).
 */
const gatheredBytes = 256 * 1024
/** So long at most it is gathered. */
const gatheredMs = 20
/** Less than this is copied out, and the memory kept: an exchange now and then does not cost 256 KiB each time. */
const littleBytes = 64 * 1024
/**
 * Pieces of memory that come back and are kept for the next hand-overs: the system gives new memory page by page, and clears
 * each, which is 0.5 us of each exchange.
 */
const mostSpares = 16

/** Gathers what is on its way to another thread, so that it is posted many at a time: a post costs 2 us and more. */
export class HandOver {
  private readonly post: (memory: ArrayBuffer, bytes: number) => void
  private writer: BytesWriter | null = null
  private isTimed = false
  private readonly spares: ArrayBuffer[] = []

  constructor(post: (memory: ArrayBuffer, bytes: number) => void) {
    this.post = post
  }

  /** Where the next entry is written, which takes no more than so many bytes. */
  reserve(bytes: number): BytesWriter {
    let { writer } = this
    if (writer !== null && writer.at + bytes > writer.buffer.length) {
      this.flush()
      writer = this.writer
    }
    if (writer === null || bytes > writer.buffer.length) {
      const spare = bytes <= gatheredBytes ? this.spares.pop() : undefined
      writer = new BytesWriter(spare ?? new ArrayBuffer(Math.max(bytes, gatheredBytes)))
      this.writer = writer
    }
    if (!this.isTimed) {
      this.isTimed = true
      after(gatheredMs, () => {
        this.isTimed = false
        this.flush()
      })
    }
    return writer
  }

  /** Hands over what there is. */
  flush(): void {
    const { writer } = this
    if (writer === null || writer.at === 0) return
    const bytes = writer.at
    const memory = writer.buffer.buffer as ArrayBuffer
    if (bytes < littleBytes) {
      writer.at = 0
      this.post(memory.slice(0, bytes), bytes)
    } else {
      this.writer = null
      this.post(memory, bytes)
    }
  }

  /** Memory that the other side has read. */
  takeBack(memory: readonly ArrayBuffer[]): void {
    for (const piece of memory)
      if (piece.byteLength === gatheredBytes && this.spares.length < mostSpares) this.spares.push(piece)
  }

  /** Forgets what there is. */
  clear(): void {
    this.writer = null
  }
}
