import { Quota } from '../../../runtime/api/algo/quota.ts'
import { Deadline } from '../../../runtime/clock.ts'
import { PoolMap } from '../compose/session-pool.ts'

/** A stream that waits until it may go on. */
export interface Waiter {
  /** There may be something again: takes what it needs. False when it needs more than there was. */
  goOn(): boolean
}

/** How long an account that no stream uses is remembered: as long as what is spent takes to come back. */
const memoryMs = 2000

/** A quota that streams share, and those that wait for it, in their order. */
export class Account {
  readonly quota: Quota
  private readonly waiting: Waiter[] = []
  private cancel: (() => void) | null = null
  private streams = 0
  private readonly forgotten: Deadline

  constructor(quota: Quota, onForgotten: () => void) {
    this.quota = quota
    this.forgotten = new Deadline(memoryMs, onForgotten)
  }

  /** Whether a newcomer would overtake someone. */
  get isContended(): boolean {
    return this.waiting.length > 0
  }

  join(): void {
    this.streams++
    this.forgotten.clear()
  }

  leave(waiter: Waiter): void {
    const at = this.waiting.indexOf(waiter)
    if (at >= 0) this.waiting.splice(at, 1)
    if (this.waiting.length === 0) this.disarm()
    if (--this.streams === 0) this.forgotten.touch()
  }

  wait(waiter: Waiter): void {
    this.waiting.push(waiter)
    this.arm()
  }

  private arm(): void {
    this.cancel ??= this.quota.whenProduced(() => {
      this.cancel = null
      this.serve()
    })
  }

  private disarm(): void {
    this.cancel?.()
    this.cancel = null
  }

  /** Lets all go on that can. One that needs more goes behind the others, so that a long queue starves nobody. */
  private serve(): void {
    for (let left = this.waiting.length; left > 0; left--) {
      const waiter = this.waiting.shift()
      if (waiter === undefined) break
      if (!waiter.goOn()) {
        this.waiting.push(waiter)
        break
      }
    }
    if (this.waiting.length > 0) this.arm()
  }
}

/** The accounts of one place in the script. */
export class Accounts {
  private readonly byKey = new PoolMap<Account>()

  /** The account of this key; made with `quota` when there is none. */
  open(key: unknown, quota: () => Quota): Account {
    let account = this.byKey.get(key)
    if (account === undefined) {
      account = new Account(quota(), () => this.byKey.delete(key))
      this.byKey.set(key, account)
    }
    account.join()
    return account
  }
}

/** So many a second; slower than one a second as one in so many seconds. */
export const perSecond = (rate: number): Quota =>
  rate < 1 ? new Quota(1, { per: 1 / rate }) : new Quota(rate, { per: 1 })
