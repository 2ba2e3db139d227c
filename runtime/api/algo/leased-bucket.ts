import { every, monotonicMs } from '../../clock.ts'
import { type ClusterRate, type TokenLessor, warmUp } from '../../token-lessor.ts'
import { LocalBucket, type TokenBucket } from './token-bucket.ts'

/** A thread first asks for this share of what a period has, and for twice as much when that does not last. */
const firstShare = 1 / 32
const largestShare = 1 / 4
/** After a lease that was refused, or that brought nothing, the next is not asked for at once. */
const shortestRetryMs = 5
/**
 * How long a kept token is good without word from the cluster. Shorter than the time after which the cluster takes the
 * holder for gone and gives its token to others.
 */
const keepMs = 30_000
/** Fewer tokens than this share of a lease are left: the next is asked for. */
const lowWater = 1 / 2

/**
 * Tokens of a quota that all nodes of a cluster share, leased in blocks. A lease ends with the period of the quota, but
 * for one token that an idle thread may keep for the first who comes; so of one period no more is used than it has.
 *
 *     asking ──lease──► tokens ──half used──► asking ahead          period over ──► one token at most
 *        └──cluster away──► the thread's share of the quota, or nothing (`offline`)
 */
export class LeasedBucket implements TokenBucket {
  /** What was leased has come: whoever waits may look again. */
  onLeased: () => void = () => {}
  private readonly rate: ClusterRate
  private readonly lessor: TokenLessor
  private readonly hasShare: boolean
  private tokens = 0
  private validUntilMs = 0
  private keepsOneUntilMs = 0
  private block: number
  private leased = 0
  private isAsking = false
  /** Nothing is asked for before. */
  private pauseUntilMs = 0
  private holders = 1
  /** What the thread may use on its own, as long as the cluster cannot be reached. */
  private share: LocalBucket | undefined

  constructor(rate: ClusterRate, lessor: TokenLessor, offline: 'share' | 'none') {
    this.rate = rate
    this.lessor = lessor
    this.hasShare = offline === 'share'
    this.block = Math.max(1, Math.floor(rate.max * firstShare))
    warmUp(this.ask(this.block))
    // Quotas are not closed: this one goes with its object.
    const own = new WeakRef(this)
    const cancel = every(keepMs / 2, () => {
      const bucket = own.deref()
      if (bucket === undefined) cancel()
      else if (!bucket.isAsking) void bucket.ask(0)
    })
  }

  read(): number {
    this.letGo()
    const there = this.tokens + (this.share?.read() ?? 0)
    // Whoever waits for tokens looks at them and takes none: that is asking for some, too.
    if (there < 1) this.askFor(1)
    return there
  }

  /** What is left of a period that is over is no more. */
  private letGo(): void {
    const now = monotonicMs()
    if (now < this.validUntilMs) return
    this.tokens = Math.min(this.tokens, now < this.keepsOneUntilMs ? 1 : 0)
  }

  /** Gives back to this thread, what it did not use after all. */
  add(amount: number): void {
    this.tokens = Math.max(this.tokens, Math.min(this.rate.max, this.tokens + amount))
  }

  take(amount: number): number {
    this.letGo()
    let taken = Math.max(0, Math.min(amount, this.tokens))
    this.tokens -= taken
    if (taken < amount && this.share !== undefined) taken += this.share.take(amount - taken)
    if (taken < amount || this.tokens < this.leased * lowWater) this.askFor(amount - taken)
    return taken
  }

  /** Asks for tokens, unless it was told that there are none yet. */
  private askFor(missing: number): void {
    const now = monotonicMs()
    if (this.isAsking || now < this.pauseUntilMs) return
    const { max } = this.rate
    // Used up long before its time: the next one is larger.
    if (now < this.validUntilMs && this.leased > 0)
      this.block = Math.max(1, Math.min(Math.floor(max * largestShare), this.block * 2))
    void this.ask(Math.max(this.block, missing))
  }

  private async ask(wanted: number): Promise<void> {
    this.isAsking = true
    // Before the answer is under way: what it says of time is over no later than that.
    const askedMs = monotonicMs()
    try {
      const lease = await this.lessor.lease(this.rate, wanted)
      this.letGo()
      this.share = undefined
      this.holders = lease.holders
      this.keepsOneUntilMs = lease.mayKeepOne ? askedMs + keepMs : 0
      if (wanted === 0) return
      this.leased = lease.tokens
      this.tokens += lease.tokens
      this.validUntilMs = askedMs + lease.validMs
      this.pauseUntilMs = lease.tokens > 0 ? 0 : askedMs + Math.max(shortestRetryMs, lease.validMs)
      // What a period has left over says that the block is too large.
      if (lease.tokens < wanted) this.block = Math.max(1, Math.floor(this.block / 2))
    } catch {
      this.cutOff()
    } finally {
      this.isAsking = false
    }
    if (this.tokens > 0) this.onLeased()
  }

  private cutOff(): void {
    this.pauseUntilMs = monotonicMs() + Math.min(1000, Math.max(shortestRetryMs, this.rate.perMs))
    if (!this.hasShare || this.share !== undefined) return
    const { max, produce, perMs } = this.rate
    const part = 1 / Math.max(this.holders, this.lessor.threads)
    // Its first tokens come with the next period: those of this one are out already.
    this.share = new LocalBucket({ initial: 0, max: Math.max(1, max * part), produce: produce * part, perMs })
  }

  reset(): void {
    this.tokens = 0
    this.leased = 0
    void this.lessor.reset(this.rate).then(
      () => {
        this.pauseUntilMs = 0
        this.askFor(this.block)
      },
      () => {},
    )
  }
}
