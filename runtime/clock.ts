/**
 * Time for the whole of Sluice: the only file that reads the system's clock or sets its timers, so that tests can
 * put another in its place and thousands of time-outs cost one timer.
 */

import { AsyncLocalStorage } from 'node:async_hooks'

/** What the time is and when it will be. There is one, the system's, except in tests that make their own. */
export interface Clock {
  wallMs(): number
  monotonicMs(): number
  processMs(): number
  after(ms: number, run: () => void): () => void
  every(ms: number, run: () => void): () => void
}

/** How far ahead of the monotonic clock that of the epoch is. */
let epochStartMs = performance.timeOrigin

/**
 * When a moment of the monotonic clock was, in milliseconds since the epoch with fractions: moments keep their distance,
 * which those of the system's clock do not when someone sets it.
 */
export const epochOf = (monotonic: number): number => epochStartMs + monotonic

/** Takes up the system's clock again, when the two have drifted apart; to be called now and then. */
export function alignEpoch(): void {
  const driftMs = Date.now() - epochOf(performance.now())
  if (Math.abs(driftMs) > 20) epochStartMs += driftMs
}

/** The longest that a timer can wait, 24.8 days: what is longer would fire at once. */
const longestMs = 2 ** 31 - 1

/** What runs in here is no part of the work in which it was asked for, and its log lines name no trace. */
const apart = AsyncLocalStorage.snapshot()

const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  processMs: () => Number(process.hrtime.bigint() / 1000n) / 1000,
  after(ms, run) {
    const timer = setTimeout(run, Math.min(ms, longestMs))
    return () => clearTimeout(timer)
  },
  every(ms, run) {
    // Mostly for all that a thread does, and begun by whoever happens to need it first.
    const timer = apart(setInterval, run, Math.min(ms, longestMs))
    timer.unref()
    return () => clearInterval(timer)
  },
}

let clock = systemClock

/**
 * For tests: another clock for this thread, until the function that is returned gives the one before back. Timers that run
 * belong to the clock that they were set on.
 */
export function installClock(other: Clock): () => void {
  const before = clock
  clock = other
  return () => {
    clock = before
  }
}

/** Milliseconds since the epoch. */
export const wallMs = (): number => clock.wallMs()

/** Milliseconds of a clock that never goes back, for measuring durations. */
export const monotonicMs = (): number => clock.monotonicMs()

/** The same, and the same in all threads of the process, which `monotonicMs` is not. */
export const processMs = (): number => clock.processMs()

/** A single timer, for the few places that need one of their own (back-off, drain limits). Returns a function that cancels it. */
export const after = (ms: number, run: () => void): (() => void) => clock.after(ms, run)

/** A timer that repeats and does not keep the process alive. Returns a function that cancels it. */
export const every = (ms: number, run: () => void): (() => void) => clock.every(ms, run)

const tickMs = 500

/**
 * A time-out that is restarted often and fires rarely, like a connection's idle limit: `touch()` is one store.
 *
 * All of a thread's deadlines are looked at together every 500 ms, so one fires up to a second late, never early.
 * It costs nothing to touch because the list is not kept in order: looking at 10,000 deadlines takes 30 us.
 */
export class Deadline {
  /** Tick at which it fires; 0 while it is not armed. */
  private dueTick = 0
  private slot = -1
  private readonly ticks: number
  private readonly expired: () => void

  constructor(ms: number, expired: () => void) {
    this.ticks = Math.max(1, Math.ceil(ms / tickMs)) + 1
    this.expired = expired
  }

  /** Starts it, or starts it over. */
  touch(): void {
    this.dueTick = wheel.now + this.ticks
    if (this.slot < 0) this.slot = wheel.add(this)
  }

  clear(): void {
    this.dueTick = 0
    if (this.slot >= 0) wheel.remove(this.slot)
    this.slot = -1
  }

  /** For the wheel: fires when due. */
  check(now: number): void {
    if (now < this.dueTick) return
    this.clear()
    this.expired()
  }

  /** For the wheel: it was moved to another slot. */
  moved(slot: number): void {
    this.slot = slot
  }
}

class Wheel {
  /** Ticks since the thread started. */
  now = 1
  private readonly deadlines: Deadline[] = []
  private stop: (() => void) | undefined

  add(deadline: Deadline): number {
    this.stop ??= every(tickMs, () => this.tick())
    return this.deadlines.push(deadline) - 1
  }

  remove(slot: number): void {
    const last = this.deadlines.pop() as Deadline
    if (slot < this.deadlines.length) {
      this.deadlines[slot] = last
      last.moved(slot)
    }
    if (this.deadlines.length === 0) {
      this.stop?.()
      this.stop = undefined
    }
  }

  private tick(): void {
    this.now++
    // Backwards, because a deadline that fires is replaced by the last one, which has been looked at already.
    for (let i = this.deadlines.length - 1; i >= 0; i--) this.deadlines[i]?.check(this.now)
  }
}

const wheel = new Wheel()
