/**
 * Time that passes only when a test says so, and then as fast as the machine can: an hour of heartbeats in a moment, the same
 * in each run.
 */

import { type Clock, installClock } from '../../runtime/clock.ts'

interface Timer {
  dueMs: number
  readonly order: number
  readonly everyMs: number | undefined
  readonly run: () => void
  isCancelled: boolean
}

export class VirtualClock implements Clock {
  private nowMs = 0
  private orders = 0
  /** A heap: the next timer is first. */
  private readonly timers: Timer[] = []

  wallMs(): number {
    return epochMs + this.nowMs
  }

  monotonicMs(): number {
    return this.nowMs
  }

  processMs(): number {
    return this.nowMs
  }

  after(ms: number, run: () => void): () => void {
    return this.add(ms, undefined, run)
  }

  every(ms: number, run: () => void): () => void {
    return this.add(ms, ms, run)
  }

  /** Puts this clock in the place of the system's. Returns a function that gives it back. */
  install(): () => void {
    return installClock(this)
  }

  /** Lets time pass. After each timer all that it has set off by promises comes first. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms
    await settled()
    for (;;) {
      const timer = this.timers[0]
      if (timer === undefined || timer.dueMs > untilMs) break
      this.take()
      if (timer.isCancelled) continue
      this.nowMs = Math.max(this.nowMs, timer.dueMs)
      if (timer.everyMs !== undefined) {
        timer.dueMs += Math.max(timer.everyMs, 1)
        this.put(timer)
      }
      timer.run()
      await settled()
    }
    this.nowMs = untilMs
  }

  /** Lets time pass until something holds; false when it does not within `limitMs`. */
  async until(holds: () => boolean, limitMs: number, stepMs = 10): Promise<boolean> {
    const endMs = this.nowMs + limitMs
    while (!holds()) {
      if (this.nowMs >= endMs) return false
      await this.advance(stepMs)
    }
    return true
  }

  private add(ms: number, everyMs: number | undefined, run: () => void): () => void {
    const wait = Number.isFinite(ms) ? Math.max(0, ms) : 2 ** 31
    const timer: Timer = {
      dueMs: this.nowMs + wait,
      order: ++this.orders,
      everyMs,
      run,
      isCancelled: false,
    }
    this.put(timer)
    return () => {
      timer.isCancelled = true
    }
  }

  private put(timer: Timer): void {
    const { timers } = this
    let at = timers.push(timer) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(timer, timers[parent] as Timer)) break
      timers[at] = timers[parent] as Timer
      at = parent
    }
    timers[at] = timer
  }

  private take(): void {
    const { timers } = this
    const last = timers.pop() as Timer
    if (timers.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= timers.length) break
      if (child + 1 < timers.length && isBefore(timers[child + 1] as Timer, timers[child] as Timer)) child++
      if (!isBefore(timers[child] as Timer, last)) break
      timers[at] = timers[child] as Timer
      at = child
    }
    timers[at] = last
  }
}

/** Some time: a test that depends on which is wrong. */
const epochMs = Date.UTC(2026, 0, 1)

const isBefore = (one: Timer, other: Timer): boolean =>
  one.dueMs < other.dueMs || (one.dueMs === other.dueMs && one.order < other.order)

/** When all promises that could go on have. */
const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
