import { monotonicMs } from '../../../runtime/clock.ts'
import { RetryDelay } from '../../../runtime/retry-delay.ts'

/**
 * How long a mirror that cannot be reached is left alone, at first and at most. To try with each request costs more than
 * all of the mirroring does, and tells nothing new; what is done so rarely is never compiled, and the try itself holds up
 * the requests of its millisecond.
 */
const restMs = { first: 1000, most: 8000 } as const

const unreachable: ReadonlySet<string> = new Set(['ConnectionRefused', 'ConnectionTimeout', 'CannotResolve'])

/** Whether a mirror can be reached, as far as is known. One that a callback names may be another each time. */
export class Reach {
  private readonly isOne: boolean
  private readonly rest = new RetryDelay(restMs.first, restMs.most)
  private restsUntil = 0

  constructor(isOne: boolean) {
    this.isOne = isOne
  }

  /** Of several copies that were under way the first that fails counts. */
  failed(code: string): void {
    if (this.isOne && unreachable.has(code) && !this.isResting)
      this.restsUntil = monotonicMs() + this.rest.next()
  }

  answered(): void {
    this.rest.reset()
  }

  get isResting(): boolean {
    if (this.restsUntil === 0) return false
    if (monotonicMs() < this.restsUntil) return true
    this.restsUntil = 0
    return false
  }
}
