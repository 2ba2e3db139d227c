import { type Clock, installClock } from '../../runtime/clock.ts'

/**
 * A clock whose short timers fire in the next round of the event loop: what is gathered for some milliseconds is then sent
 * within the round that is measured, and not in that of another case.
 */
export function installPromptClock(shortMs: number): void {
  const clock: Clock = {
    wallMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    processMs: () => performance.now(),
    after(ms, run) {
      if (ms <= shortMs) {
        const immediate = setImmediate(run)
        return () => clearImmediate(immediate)
      }
      const timer = setTimeout(run, Math.min(ms, 2 ** 31 - 1))
      return () => clearTimeout(timer)
    },
    every(ms, run) {
      const timer = setInterval(run, ms)
      return () => clearInterval(timer)
    },
  }
  installClock(clock)
}
