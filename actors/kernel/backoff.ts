import { monotonicMs } from '../../runtime/clock.ts'
import { RetryDelay } from '../../runtime/retry-delay.ts'

const firstMs = 100
const longestMs = 10_000

/**
 * How long a failing actor waits before it starts again: 100 ms, doubled with each failure up to 10 s, and from the
 * start again after it has run for longer than the longest wait.
 */
export class Backoff {
  private readonly delay = new RetryDelay(firstMs, longestMs)
  private lastFailureMs = Number.NEGATIVE_INFINITY

  /** Counts a failure; gives the milliseconds to wait. */
  next(): number {
    const now = monotonicMs()
    if (now - this.lastFailureMs > 2 * longestMs) this.delay.reset()
    this.lastFailureMs = now
    return this.delay.next()
  }
}
