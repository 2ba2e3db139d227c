import { after } from '../clock.ts'
import { TrafficError } from '../errors.ts'
import { parseDuration, show } from '../options.ts'

/**
 * Something to wait for in callbacks that give promises.
 *
 * @example
 *   replaceMessage(msg => new Timeout(5).wait().then(() => msg)) // five seconds later
 */
export class Timeout {
  private readonly ms: number
  private calls: (() => void)[] = []
  private cancelTimer: (() => void) | undefined

  /**
   * @param duration seconds, or text like '500ms'.
   * @throws TrafficError `BadOption`.
   */
  constructor(duration: number | string) {
    const ms = parseDuration(duration)
    if (ms === undefined)
      throw new TrafficError(
        'BadOption',
        `Timeout wants seconds, or text like '500ms', and got ${show(duration)}`,
      )
    this.ms = ms
  }

  /** Resolves when the time is over, counted from the first call, or when it is called off. */
  wait(): Promise<void> {
    this.cancelTimer ??= after(this.ms, () => this.finish())
    return new Promise(resolve => this.calls.push(resolve))
  }

  /** Lets those who wait go on at once. */
  cancel(): void {
    this.cancelTimer?.()
    this.finish()
  }

  private finish(): void {
    this.cancelTimer = undefined
    const calls = this.calls
    this.calls = []
    for (const call of calls) call()
  }
}
