// Hot path: one read or one timer tick is one turn. No allocation here.

/**
 * A turn is what happens between one entry from the event loop (a socket became readable, a timer fired, a promise
 * settled) and the return to it. Two things are tied to it:
 *
 * - **writes are gathered**: a connection that was written to registers once, and is flushed with one system call
 *   when the turn ends;
 * - **backpressure needs no wiring**: `turn.source` is the socket whose bytes are being processed. Any queue that
 *   grows over its limit in this turn pauses that source, and resumes it when it has drained.
 */

import { monotonicMs } from './clock.ts'

/** Something that can be told to stop producing for a while. Pauses are counted: it runs when all are taken back. */
export interface Source {
  pause(): void
  resume(): void
}

/** Something with gathered work to be done when the turn ends. */
export interface Flushable {
  flush(): void
}

class Turn {
  /** The socket whose bytes this turn processes; null in turns that no socket started. */
  source: Source | null = null
  private depth = 0
  private scheduled = false
  private dirty: Flushable[] = []
  private dirtyCount = 0
  /** The clock as first read in this turn; negative: not yet. */
  private readMs = -1

  /**
   * Milliseconds of the clock that never goes back, as they were when this turn first asked: one reading (about 30 ns)
   * serves all that is counted in it.
   */
  nowMs(): number {
    if (this.depth === 0) return monotonicMs()
    if (this.readMs < 0) this.readMs = monotonicMs()
    return this.readMs
  }

  /**
   * How long ago `sinceMs` was, a time that `nowMs` gave. What began in this very turn is measured by a new reading, so
   * that a callback that takes long is seen to.
   */
  elapsedMs(sinceMs: number): number {
    if (sinceMs === this.readMs) this.readMs = monotonicMs()
    return this.nowMs() - sinceMs
  }

  /** Enters a turn that `source` started. Every `begin` has its `end`, in a finally block where code between may throw. */
  begin(source: Source | null): void {
    this.depth++
    this.source = source
  }

  end(): void {
    if (this.depth === 1) {
      try {
        // Flushed while `source` still stands: what does not fit the kernel's buffers then pauses the right socket.
        if (this.dirtyCount > 0) this.flush()
      } finally {
        this.source = null
        this.depth = 0
        this.readMs = -1
      }
    } else this.depth--
  }

  /** `work` as a turn that no socket started. It takes a closure: for what is rare. */
  run(work: () => void): void {
    this.begin(null)
    try {
      work()
    } finally {
      this.end()
    }
  }

  /** Registers work for the end of the turn; outside of any turn, for the end of the current microtask queue. */
  defer(item: Flushable): void {
    this.dirty[this.dirtyCount++] = item
    if (this.depth === 0 && !this.scheduled) {
      this.scheduled = true
      queueMicrotask(() => {
        this.scheduled = false
        this.flush()
      })
    }
  }

  private flush(): void {
    // Flushing may defer more (an end that follows a write): the list is read by index until it is exhausted.
    let next = 0
    try {
      while (next < this.dirtyCount) (this.dirty[next++] as Flushable).flush()
    } finally {
      // One that throws does not keep those behind it from their flush, in the turn that comes next.
      if (next < this.dirtyCount) this.dirty.splice(0, next)
      else if (next > 1024) this.dirty.length = 0
      this.dirtyCount -= next
    }
  }
}

/** The current turn of this thread. */
export const turn = new Turn()
