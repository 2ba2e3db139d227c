import { after } from '../../clock.ts'
import { TrafficError } from '../../errors.ts'
import { duration, isText, oneOf, optional, parseOptions, show } from '../../options.ts'
import { sharedCells } from '../../shared-cells.ts'
import { tokenLessor } from '../../token-lessor.ts'
import { hash } from './hash.ts'
import { LeasedBucket } from './leased-bucket.ts'
import { type BucketRate, LocalBucket, SharedBucket, type TokenBucket } from './token-bucket.ts'

export interface QuotaOptions {
  /** What is added each `per`. Default: as much as there is initially. */
  produce?: number | undefined
  /** How often it is added: seconds, or text like '500ms', '10s'. Default: never. */
  per?: number | string | undefined
  /** No more than this is saved up. Default: what there is initially, and no limit without `per`. */
  max?: number | undefined
  /** Quotas of the same key are one for all threads of this process. Default: one for this object alone. */
  key?: string | undefined
  /**
   * Quotas of the same name are one for all nodes of the cluster: of each period, all together use no more than it has.
   * It takes `per`. In a process that is in no cluster they are one for all its threads.
   */
  cluster?: string | undefined
  /**
   * What a thread of a node may use that has lost the cluster: 'share', the quota divided by the threads that were
   * known to use it; 'none'. Default: 'share', so that a limit does not become an outage.
   */
  offline?: 'share' | 'none' | undefined
}

const isAmount = (value: unknown): value is number => typeof value === 'number' && value >= 0

const optionSpecs = {
  produce: optional('a number from 0 on', 'what is added each `per`', isAmount),
  per: duration(0, 'how often it is added; never, since a quota may be given back by hand'),
  max: optional('a number from 0 on', 'no more than this is saved up', isAmount),
  key: optional('text', 'quotas of the same key are one for all threads', isText),
  cluster: optional('text', 'quotas of the same name are one for all nodes', isText),
  offline: oneOf(['share', 'none'], 'share', 'what a thread may use that has lost the cluster'),
}

/** How long a quota that other threads may give back to is left before it is looked at again. */
const lookAgainMs = 20

/**
 * An amount that is used up and comes back: with time, by hand, or both.
 *
 * @example
 *   const requests = new algo.Quota(100, { per: '1s' }) // 100 a second
 *   if (requests.consume(1) < 1) return new Message({ status: 429 })
 */
export class Quota {
  /** What there is at first, and after `reset`. */
  readonly initial: number
  private readonly bucket: TokenBucket
  private readonly perMs: number
  private readonly isShared: boolean
  private readonly waiting = new Set<() => void>()
  private cancelTimer: (() => void) | undefined

  /** @throws TrafficError `BadOption`. */
  constructor(initial: number, options?: QuotaOptions) {
    if (!isAmount(initial))
      throw new TrafficError('BadOption', `Quota wants a number from 0 on, and got ${show(initial)}`)
    const { produce, per, max, key, cluster, offline } = parseOptions(optionSpecs, options, 'Quota')
    this.initial = initial
    this.perMs = per
    this.isShared = key !== undefined || cluster !== undefined
    const rate = {
      initial,
      max: max ?? (per > 0 ? initial : Number.POSITIVE_INFINITY),
      produce: produce ?? initial,
      perMs: per,
    }
    if (cluster !== undefined) this.bucket = this.bucketOfCluster(cluster, rate, offline)
    else this.bucket = key === undefined ? new LocalBucket(rate) : bucketOfProcess(key, rate)
  }

  private bucketOfCluster(name: string, rate: BucketRate, offline: 'share' | 'none'): TokenBucket {
    if (rate.perMs === 0)
      throw new TrafficError(
        'BadOption',
        "option 'cluster' of Quota goes with 'per': a node that dies could not give back by hand what it has",
      )
    const lessor = tokenLessor.current
    if (lessor === undefined) return bucketOfProcess(`cluster ${name}`, rate)
    const bucket = new LeasedBucket({ name, ...rate }, lessor, offline)
    bucket.onLeased = () => this.wake()
    return bucket
  }

  /** What there is now. */
  get current(): number {
    return this.bucket.read()
  }

  /** Sets it to what there was at first. */
  reset(): void {
    this.bucket.reset()
    this.wake()
  }

  /** Gives back. */
  produce(amount: number): void {
    this.bucket.add(Number(amount) || 0)
    this.wake()
  }

  /** Uses up so much, or all there is. Returns how much it was. */
  consume(amount: number): number {
    return this.bucket.take(Number(amount) || 0)
  }

  /** Calls once, as soon as there may be something again. Returns a function that calls it off. */
  whenProduced(notify: () => void): () => void {
    this.waiting.add(notify)
    this.arm()
    return () => {
      this.waiting.delete(notify)
      if (this.waiting.size === 0) this.disarm()
    }
  }

  private wake(): void {
    if (this.waiting.size === 0 || this.current <= 0) return
    const notified = [...this.waiting]
    this.waiting.clear()
    this.disarm()
    for (const notify of notified) notify()
  }

  private arm(): void {
    if (this.cancelTimer !== undefined) return
    const ms = this.isShared ? lookAgainMs : this.perMs
    if (ms === 0) return
    // Periods begin when they like: a shorter wait finds what a whole one would find up to a period late.
    this.cancelTimer = after(Math.max(1, Math.min(ms, lookAgainMs)), () => {
      this.cancelTimer = undefined
      this.wake()
      if (this.waiting.size > 0) this.arm()
    })
  }

  private disarm(): void {
    this.cancelTimer?.()
    this.cancelTimer = undefined
  }
}

/** One for all threads. A hash is never the 0 that stands for an empty cell. */
const bucketOfProcess = (key: string, rate: BucketRate): TokenBucket =>
  new SharedBucket(rate, sharedCells.find(hash(key) || 1))
