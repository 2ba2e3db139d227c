import { after, monotonicMs } from '../../runtime/clock.ts'
import { jittered, RetryDelay } from '../../runtime/retry-delay.ts'
import type { SendResult } from './otlp-sender.ts'

/** Where the items of a signal are: `accepted = exported + dropped{reason} + waiting`, always. */
export interface ExportLedger {
  readonly accepted: number
  readonly exported: number
  readonly dropped: Readonly<Record<string, number>>
  readonly waiting: number
}

export interface ExportLimits {
  /** Items that may wait; what is beyond is dropped. */
  readonly queue: number
  /** Items of one request. */
  readonly batch: number
  /** A batch that does not fill up is sent after so long. */
  readonly delayMs: number
  /** A batch that was not taken after so long, all tries included, is given up. */
  readonly timeoutMs: number
}

/** How a signal's items are sent. */
export interface ExportWay<T> {
  serialize(items: readonly T[]): Uint8Array | undefined
  send(bytes: Uint8Array): Promise<SendResult>
  /** How many items an answer says were rejected. */
  rejected(body: Uint8Array): number
  /** Told when items are dropped, for the log. */
  dropped(reason: string, items: number): void
  close(): void
}

/** Requests that may be under way at one time. */
const mostInFlight = 4
const backoffMs = { first: 500, most: 5000 }

/** The items of one signal on their way out: bounded, in batches, tried again, and every one accounted for. */
export class ExportQueue<T> {
  private readonly way: ExportWay<T>
  private readonly limits: ExportLimits
  private waiting: T[] = []
  private inFlight = 0
  private requests = 0
  private accepted = 0
  private exported = 0
  private readonly droppedBy = new Map<string, number>()
  private cancelTimer: (() => void) | null = null
  private idle: PromiseWithResolvers<void> | undefined
  private isClosed = false
  private readonly wakeUps = new Set<() => void>()

  constructor(way: ExportWay<T>, limits: ExportLimits) {
    this.way = way
    this.limits = limits
  }

  get ledger(): ExportLedger {
    const { accepted, exported } = this
    return {
      accepted,
      exported,
      dropped: Object.fromEntries(this.droppedBy),
      waiting: this.waiting.length + this.inFlight,
    }
  }

  /** How many more it has room for. */
  get room(): number {
    return this.isClosed ? 0 : Math.max(0, this.limits.queue - this.waiting.length - this.inFlight)
  }

  add(items: readonly T[]): void {
    this.accepted += items.length
    const { room } = this
    const fits = items.length <= room ? items : items.slice(0, room)
    for (const item of fits) this.waiting.push(item)
    if (fits.length < items.length)
      this.drop(this.isClosed ? 'closed' : 'queue-full', items.length - fits.length)
    this.goOn(false)
  }

  /** Counts items that were given up before they came here. */
  lose(reason: string, items: number): void {
    this.accepted += items
    this.drop(reason, items)
  }

  private drop(reason: string, items: number): void {
    if (items === 0) return
    this.droppedBy.set(reason, (this.droppedBy.get(reason) ?? 0) + items)
    this.way.dropped(reason, items)
  }

  private goOn(isDue: boolean): void {
    const { batch, delayMs } = this.limits
    while (
      this.requests < mostInFlight &&
      (this.waiting.length >= batch || (isDue && this.waiting.length > 0))
    )
      void this.export(this.waiting.splice(0, batch))
    if (this.waiting.length > 0 && this.requests < mostInFlight)
      this.cancelTimer ??= after(delayMs, () => {
        this.cancelTimer = null
        this.goOn(true)
      })
    if (this.waiting.length === 0 && this.inFlight === 0) this.idle?.resolve()
  }

  private async export(items: readonly T[]): Promise<void> {
    this.requests++
    this.inFlight += items.length
    const failure = await this.tryExport(items)
    this.requests--
    this.inFlight -= items.length
    if (failure !== undefined) this.drop(failure, items.length)
    this.goOn(this.idle !== undefined)
  }

  /** Undefined when they were taken, else the reason for which they are given up. */
  private async tryExport(items: readonly T[]): Promise<string | undefined> {
    const bytes = this.serialize(items)
    if (bytes === undefined) return 'unencodable'
    const deadlineMs = monotonicMs() + this.limits.timeoutMs
    const delay = new RetryDelay(backoffMs.first, backoffMs.most)
    while (true) {
      const result = await this.way.send(bytes)
      if (result.kind === 'taken') {
        const rejected = Math.min(items.length, this.rejectedBy(result.body))
        this.exported += items.length - rejected
        this.drop('rejected', rejected)
        // Those were counted here, whatever the ledger says of the rest.
        return undefined
      }
      if (result.kind === 'refused') return 'refused'
      const waitMs = result.retryAfterMs ?? jittered(delay.next())
      if (this.isClosed || monotonicMs() + waitMs > deadlineMs) return 'export-failed'
      await this.rest(waitMs)
    }
  }

  private serialize(items: readonly T[]): Uint8Array | undefined {
    try {
      return this.way.serialize(items)
    } catch {
      return undefined
    }
  }

  private rejectedBy(body: Uint8Array): number {
    try {
      return this.way.rejected(body)
    } catch {
      return 0
    }
  }

  /** Waits before another try; closing cuts it short. */
  private rest(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = after(ms, () => wake())
    const wake = (): void => {
      cancel()
      this.wakeUps.delete(wake)
      resolve()
    }
    this.wakeUps.add(wake)
    return promise
  }

  /** Sends what there is, within `limitMs`; what is left then is dropped. */
  async close(limitMs: number): Promise<void> {
    this.cancelTimer?.()
    this.cancelTimer = null
    this.idle = Promise.withResolvers<void>()
    const cancel = after(limitMs, () => this.idle?.resolve())
    this.goOn(true)
    await this.idle.promise
    cancel()
    this.isClosed = true
    this.drop('closed', this.waiting.length)
    this.waiting = []
    for (const wake of this.wakeUps) wake()
    this.way.close()
  }
}
