import type { Edge } from '../../actors/kernel/ledger.ts'
import type { Sink, SinkEntry, SinkOutcome, SinkStatus } from '../../actors/sink.ts'
import { after, monotonicMs } from '../../runtime/clock.ts'
import type { Logger } from '../../runtime/log.ts'
import { doubled, jittered, RetryDelay } from '../../runtime/retry-delay.ts'
import { beginBatch } from '../tracing/batch-span.ts'
import type { Backlog, Settled } from './backlog.ts'
import type { DeadLetters } from './dead-letters.ts'
import type { Destination, Item, ItemVerdict, Verdict } from './destination.ts'
import { RequestWindow } from './request-window.ts'
import type { SinkSettings } from './sink-options.ts'

export interface SinkParts {
  readonly destination: Destination
  readonly backlog: Backlog
  readonly settings: SinkSettings
  /** Its ledger, which goes on over reloads. */
  readonly edge: Edge
  readonly deadLetters: DeadLetters
  readonly log: Logger
  readonly onClosed: () => void
}

/** How long a batch may fill when the process is about to end. */
const hurriedMs = 5
const lineEnd = 10

const stored: SinkOutcome = { kind: 'stored' }
const duplicate: SinkOutcome = { kind: 'duplicate' }

/**
 * What all sinks have in common: gathers entries into batches, keeps several requests in flight, tries again what was refused
 * for now, and tells each entry exactly once what became of it.
 *
 *     write ─► backlog ─► batch ─► request ──stored, duplicate, rejected──► settled
 *                           ▲         ├──later──► delayed ─► ready ─┐
 *                           └─────────┴──again, split───────────────┘
 */
export class BatchingSink implements Sink {
  readonly edge: Edge
  private readonly destination: Destination
  private readonly backlog: Backlog
  private readonly settings: SinkSettings
  private readonly deadLetters: DeadLetters
  private readonly log: Logger
  private readonly onClosed: () => void
  private readonly window: RequestWindow
  private readonly delay: RetryDelay
  /** Bytes of a batch: fewer than the option says once the server has found one too large. */
  private batchBytes: number
  /** Batches to be sent as they are, before anything else. */
  private readonly again: Item[][] = []
  /** Entries that have waited out their pause. */
  private ready: Item[] = []
  private readonly delayed = new Map<readonly Item[], () => void>()
  private readonly inFlight = new Set<readonly Item[]>()
  private unsettled = 0
  private pausedUntilMs = 0
  private cancelPause: (() => void) | null = null
  private cancelLinger: (() => void) | null = null
  /** What waits is to be sent although it fills no batch. */
  private isDue = false
  /** Nothing waits for a batch to fill any more. */
  private isHurried = false
  private isClosing = false
  private isStopped = false
  private relief: (() => void)[] = []
  private whenSettled: (() => void)[] = []
  private trouble: string | undefined
  private requests = 0
  private failedRequests = 0
  private retriedEntries = 0
  private sentBytes = 0
  private recovered = 0

  constructor({ destination, backlog, settings, edge, deadLetters, log, onClosed }: SinkParts) {
    this.destination = destination
    this.backlog = backlog
    this.settings = settings
    this.edge = edge
    this.deadLetters = deadLetters
    this.log = log
    this.onClosed = onClosed
    this.window = new RequestWindow(Math.min(settings.concurrency, destination.maxConcurrency))
    this.delay = new RetryDelay(settings.retryDelay, settings.maxRetryDelay)
    this.batchBytes = settings.batchBytes
  }

  write(entry: SinkEntry, settled?: (outcome: SinkOutcome) => void): void {
    if (entry.json.includes(lineEnd)) this.refuse(entry, 'the document has more than one line', settled)
    // Others are told of the outcome alone: what they take besides may mean something else to them.
    else this.add(entry, settled && (outcome => settled(outcome)))
  }

  /** Takes an entry whose document is known to be one line. */
  add(entry: SinkEntry, settled: Settled): void {
    this.edge.accepted++
    const refusal = this.isClosing ? 'closed' : this.backlog.add(entry, settled)
    if (refusal !== undefined) {
      this.edge.drop(refusal)
      this.tell(settled, { kind: 'dropped', reason: refusal })
      return
    }
    this.edge.inFlight++
    this.unsettled++
    if (this.isFull) this.pump()
    else this.linger()
  }

  refuse(entry: SinkEntry, reason: string, settled?: (outcome: SinkOutcome) => void): void {
    this.edge.accepted++
    this.edge.inFlight++
    this.unsettled++
    this.deadLetters.add(entry, reason, () => {
      this.edge.inFlight--
      this.edge.deadLettered++
      this.tell(settled, { kind: 'dead-lettered', reason })
      this.oneLess()
    })
  }

  /** Entries that an earlier process left: they are in the backlog, and now in the ledger. */
  recover(entries: number): void {
    this.recovered += entries
    this.edge.accepted += entries
    this.edge.inFlight += entries
    this.unsettled += entries
  }

  /** The backlog has more to take than it had. */
  refilled(): void {
    this.isDue = true
    this.pump()
    this.oneLess(0)
  }

  private get isIdle(): boolean {
    return this.unsettled === 0 && (this.isStopped || !this.backlog.isRecovering)
  }

  get isCongested(): boolean {
    return this.backlog.isCongested
  }

  /** So little waits that those who waited for relief may go on. */
  get isRelieved(): boolean {
    return this.backlog.isRelieved
  }

  awaitRelief(relieved: () => void): void {
    if (this.isCongested && !this.isStopped) this.relief.push(relieved)
    else relieved()
  }

  status(): SinkStatus {
    return {
      from: this.edge.from,
      to: this.edge.to,
      waiting: this.unsettled,
      memoryBytes: this.backlog.memoryBytes,
      diskBytes: this.backlog.diskBytes,
      requestsInFlight: this.inFlight.size,
      window: this.window.limit,
      requests: this.requests,
      failedRequests: this.failedRequests,
      retriedEntries: this.retriedEntries,
      sentBytes: this.sentBytes,
      recovered: this.recovered,
      trouble: this.trouble,
    }
  }

  async flush(limitMs: number): Promise<void> {
    this.hurry()
    if (this.isIdle) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.whenSettled.push(resolve)
    const cancel = after(limitMs, resolve)
    await promise
    cancel()
  }

  async close(limitMs: number): Promise<void> {
    if (this.isClosing) return
    this.isClosing = true
    await this.flush(limitMs)
    this.isStopped = true
    this.cancelLinger?.()
    this.cancelPause?.()
    for (const cancel of this.delayed.values()) cancel()
    await this.deadLetters.close()
    await this.giveUp()
    this.oneLess(0)
    await this.destination.close()
    this.onClosed()
  }

  /** Tells all that is left that it will not be written. */
  private async giveUp(): Promise<void> {
    const { edge } = this
    const left = [...this.inFlight, ...this.again, this.ready, ...this.delayed.keys()].flat()
    left.push(...this.backlog.take(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER))
    this.inFlight.clear()
    this.delayed.clear()
    await this.backlog.close()
    const reason = this.backlog.leftover
    // Those that are on disk alone are told by the backlog.
    edge.inFlight -= this.unsettled
    if (this.unsettled > 0) edge.drop(reason, this.unsettled)
    this.unsettled = 0
    for (const item of left) this.tell(item.settled, { kind: 'dropped', reason })
  }

  /** Pauses are cut short: what cannot be written now may have no other chance. */
  private hurry(): void {
    this.isHurried = true
    this.isDue = true
    this.cancelLinger?.()
    this.cancelLinger = null
    this.cancelPause?.()
    this.cancelPause = null
    this.pausedUntilMs = 0
    for (const [items, cancel] of this.delayed) {
      cancel()
      this.ready.push(...items)
    }
    this.delayed.clear()
    this.pump()
  }

  private get isFull(): boolean {
    return this.backlog.bytes >= this.batchBytes || this.backlog.count >= this.settings.batchCount
  }

  private linger(): void {
    this.cancelLinger ??= after(this.isHurried ? hurriedMs : this.settings.batchInterval, () => {
      this.cancelLinger = null
      this.isDue = true
      this.pump()
    })
  }

  /** Sends what there is to send, as far as the window and pauses let it. */
  private pump(): void {
    while (!this.isStopped && this.inFlight.size < this.window.limit) {
      const waitMs = this.pausedUntilMs - monotonicMs()
      if (waitMs > 0) {
        this.cancelPause ??= after(waitMs, () => {
          this.cancelPause = null
          this.pump()
        })
        return
      }
      const batch = this.nextBatch()
      if (batch === undefined) return
      this.inFlight.add(batch)
      void this.send(batch)
    }
  }

  private nextBatch(): Item[] | undefined {
    const first = this.again.shift()
    if (first !== undefined) return first
    const { batchCount } = this.settings
    if (this.ready.length > 0) return this.ready.splice(0, Math.min(batchCount, this.fitting()))
    if (this.backlog.count === 0) {
      this.isDue = false
      return undefined
    }
    if (!this.isDue && !this.isFull) {
      this.linger()
      return undefined
    }
    const batch = this.backlog.take(this.batchBytes, batchCount)
    if (this.backlog.count === 0) this.isDue = false
    return batch
  }

  /** How many of the entries that are ready make a batch. */
  private fitting(): number {
    let bytes = 0
    const at = this.ready.findIndex(item => {
      bytes += item.bytes
      return bytes > this.batchBytes
    })
    return at < 0 ? this.ready.length : Math.max(1, at)
  }

  private async send(batch: Item[]): Promise<void> {
    const request = this.window.begin()
    this.requests++
    const span = beginBatch(batch, this.edge.to)
    let verdict: Verdict
    try {
      verdict = await this.destination.send(batch)
    } catch (error) {
      verdict = { kind: 'again', reason: `the sink failed: ${(error as Error).stack}`, cause: 'failure' }
    }
    span?.end(verdict.kind === 'answered' ? '' : verdict.kind)
    if (this.isStopped) return
    this.inFlight.delete(batch)
    switch (verdict.kind) {
      case 'answered':
        this.sentBytes += verdict.sentBytes
        this.answered(batch, verdict.items, request)
        break
      case 'again':
        this.failedRequests++
        this.again.unshift(batch)
        this.pause(verdict, request)
        break
      case 'split':
        this.failedRequests++
        this.split(batch, verdict)
        break
    }
    this.pump()
  }

  private pause({ reason, afterMs, cause }: Verdict & { kind: 'again' }, request: number): void {
    // Another node is there to take it.
    if (afterMs === 0) return
    if (this.window.refused(request)) {
      const longest = this.settings.maxRetryDelay
      const ms = afterMs ?? jittered(cause === 'configuration' ? longest : this.delay.next())
      this.pausedUntilMs = Math.max(this.pausedUntilMs, monotonicMs() + Math.min(ms, longest))
    }
    this.troubled(reason, cause === 'configuration')
  }

  private split(batch: Item[], { reason, cause }: Verdict & { kind: 'split' }): void {
    if (batch.length === 1) {
      this.putAside(batch[0] as Item, reason)
      return
    }
    if (cause === 'size') {
      const bytes = batch.reduce((sum, item) => sum + item.bytes, 0)
      this.batchBytes = Math.min(this.batchBytes, Math.ceil(bytes / 2))
    }
    const half = batch.length >> 1
    this.again.unshift(batch.slice(0, half), batch.slice(half))
  }

  private answered(
    batch: readonly Item[],
    verdicts: ItemVerdict | readonly ItemVerdict[],
    request: number,
  ): void {
    const later: Item[] = []
    let delay: ItemVerdict & { kind: 'later' } = { kind: 'later', reason: '', cause: 'fault' }
    for (let i = 0; i < batch.length; i++) {
      const item = batch[i] as Item
      const verdict = ('kind' in verdicts ? verdicts : verdicts[i]) as ItemVerdict
      if (verdict.kind === 'stored') this.settle(item, stored)
      else if (verdict.kind === 'duplicate') this.settle(item, duplicate)
      else if (verdict.kind === 'rejected') this.putAside(item, verdict.reason)
      else if (verdict.cause === 'fault' && ++item.refusals >= this.settings.maxTries)
        this.putAside(item, `${verdict.reason} (tried ${item.refusals} times)`)
      else {
        later.push(item)
        if (delay.reason === '' || verdict.cause !== 'fault') delay = verdict
      }
    }
    // A few of many do not keep the memory of all while they wait.
    if (later.length * 2 < batch.length) for (const item of later) item.moveOut()
    if (later.length === 0) {
      this.window.taken()
      this.well()
    } else this.delayItems(later, delay, request)
  }

  /** Entries that were refused by themselves wait on their own, and the others go on. */
  private delayItems(
    items: Item[],
    { reason, cause }: ItemVerdict & { kind: 'later' },
    request: number,
  ): void {
    const { maxRetryDelay, retryDelay } = this.settings
    const isNews = cause === 'congestion' && this.window.refused(request)
    const tries = Math.max(...items.slice(0, 100).map(item => item.refusals))
    const ms =
      cause === 'configuration'
        ? maxRetryDelay
        : cause === 'fault'
          ? doubled(retryDelay, maxRetryDelay, tries - 1)
          : this.delay.next()
    if (isNews) this.pausedUntilMs = Math.max(this.pausedUntilMs, monotonicMs() + jittered(retryDelay))
    this.retriedEntries += items.length
    this.troubled(reason, cause === 'configuration')
    const cancel = after(jittered(ms), () => {
      this.delayed.delete(items)
      this.ready.push(...items)
      this.pump()
    })
    this.delayed.set(items, cancel)
  }

  private putAside(item: Item, reason: string): void {
    this.deadLetters.add(item.entry, reason, () => this.settle(item, { kind: 'dead-lettered', reason }))
  }

  private settle(item: Item, outcome: SinkOutcome): void {
    if (this.isStopped && outcome.kind !== 'dead-lettered') return
    const { edge } = this
    edge.inFlight--
    if (outcome.kind === 'stored') edge.delivered++
    else if (outcome.kind === 'duplicate') edge.duplicate++
    else if (outcome.kind === 'dead-lettered') edge.deadLettered++
    else edge.drop(outcome.reason)
    this.backlog.settle(item)
    this.tell(item.settled, outcome, item.entry)
    this.oneLess()
  }

  private tell(settled: Settled, outcome: SinkOutcome, entry?: SinkEntry): void {
    if (settled === undefined) return
    try {
      settled(outcome, entry)
    } catch (error) {
      this.log.error(`${this.edge.from} failed when it was told what became of a document: ${error}`, {
        code: 'RuntimeError',
        source: 'internal',
      })
    }
  }

  private oneLess(entries = 1): void {
    this.unsettled -= entries
    if (this.relief.length > 0) this.relieve()
    if (!this.isIdle) return
    const waiting = this.whenSettled
    this.whenSettled = []
    for (const resolve of waiting) resolve()
  }

  private relieve(): void {
    if (this.relief.length === 0 || (!this.backlog.isRelieved && !this.isStopped)) return
    const { relief } = this
    this.relief = []
    for (const relieved of relief) relieved()
  }

  private troubled(reason: string, isConfiguration: boolean): void {
    const isNew = this.trouble !== reason
    this.trouble = reason
    if (!isNew) return
    const { from, to } = this.edge
    if (isConfiguration)
      this.log.error(`${to} refuses documents of ${from}, which wait until that is mended: ${reason}`, {
        code: 'SinkMisconfigured',
        source: 'script',
      })
    else
      this.log.warn(`${to} does not take documents of ${from} at present, which wait: ${reason}`, {
        code: 'SinkTroubled',
        source: 'upstream',
      })
  }

  private well(): void {
    this.delay.reset()
    if (this.trouble === undefined || this.delayed.size > 0) return
    this.trouble = undefined
    this.log.info(`${this.edge.to} takes documents of ${this.edge.from} again`, { code: 'SinkRecovered' })
  }
}
