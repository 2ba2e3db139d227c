import { processMs } from '../../clock.ts'
import type { SharedCell } from '../../shared-cells.ts'

export interface BucketRate {
  readonly initial: number
  readonly max: number
  /** What is added each `perMs`; nothing when that is 0. */
  readonly produce: number
  readonly perMs: number
}

/** Tokens that are taken and come back with time, in whole periods. */
export interface TokenBucket {
  /** Tokens there are now. */
  read(): number
  add(amount: number): void
  /** Takes so many, or all there are; returns how many. */
  take(amount: number): number
  reset(): void
}

/** One that this thread has for itself. */
export class LocalBucket implements TokenBucket {
  private readonly rate: BucketRate
  private tokens: number
  private sinceMs = processMs()

  constructor(rate: BucketRate) {
    this.rate = rate
    this.tokens = rate.initial
  }

  read(): number {
    const { produce, perMs } = this.rate
    if (perMs > 0) {
      const periods = Math.floor((processMs() - this.sinceMs) / perMs)
      if (periods > 0) {
        this.sinceMs += periods * perMs
        this.add(periods * produce)
      }
    }
    return this.tokens
  }

  add(amount: number): void {
    this.tokens = Math.max(this.tokens, Math.min(this.rate.max, this.tokens + amount))
  }

  take(amount: number): number {
    const taken = Math.max(0, Math.min(amount, this.read()))
    this.tokens -= taken
    return taken
  }

  reset(): void {
    this.tokens = this.rate.initial
    this.sinceMs = processMs()
  }
}

const tokensWord = 0
const sinceWord = 1

/**
 * One that threads have together. Its memory holds how many tokens there are more than initially, so that memory that
 * is all 0 is one that nobody has used. Whoever moves the time on adds the tokens; in between there are too few, never
 * too many.
 */
export class SharedBucket implements TokenBucket {
  private readonly rate: BucketRate
  private readonly cell: SharedCell

  constructor(rate: BucketRate, cell: SharedCell) {
    this.rate = rate
    this.cell = cell
  }

  read(): number {
    this.refill()
    return this.rate.initial + this.cell.get(tokensWord)
  }

  add(amount: number): void {
    const { initial, max } = this.rate
    this.change(tokens => Math.max(tokens, Math.min(max, initial + tokens + amount) - initial))
  }

  take(amount: number): number {
    this.refill()
    let taken = 0
    this.change(tokens => {
      taken = Math.max(0, Math.min(amount, this.rate.initial + tokens))
      return tokens - taken
    })
    return taken
  }

  reset(): void {
    this.change(() => 0)
  }

  private refill(): void {
    const { produce, perMs } = this.rate
    if (perMs === 0) return
    const now = processMs()
    const since = this.cell.get(sinceWord)
    if (since === 0) {
      this.cell.swap(sinceWord, 0, now)
      return
    }
    const periods = Math.floor((now - since) / perMs)
    if (periods > 0 && this.cell.swap(sinceWord, since, since + periods * perMs)) this.add(periods * produce)
  }

  private change(next: (tokens: number) => number): void {
    for (;;) {
      const seen = this.cell.get(tokensWord)
      if (this.cell.swap(tokensWord, seen, next(seen))) return
    }
  }
}
