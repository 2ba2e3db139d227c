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
      }
    } else this.depth--
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
