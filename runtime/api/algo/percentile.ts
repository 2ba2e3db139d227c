import { TrafficError } from '../../errors.ts'

/**
 * Percentiles of samples counted in buckets.
 *
 * @example
 *   const latency = new algo.Percentile([1, 5, 10, 50, 100])
 *   latency.observe(7)
 *   latency.calculate(99) // 10: the bucket that holds the 99th percentile
 */
export class Percentile {
  private readonly limits: readonly number[]
  private readonly counts: number[]
  private total = 0

  /**
   * @param buckets their upper limits, inclusive, each higher than the one before.
   * @throws TrafficError `BadOption` when they are not.
   */
  constructor(buckets: readonly number[]) {
    if (!Array.isArray(buckets) || buckets.some((limit, i) => !(i === 0 || limit > buckets[i - 1])))
      throw new TrafficError('BadOption', 'Percentile wants an array of numbers in ascending order')
    this.limits = [...buckets]
    this.counts = buckets.map(() => 0)
  }

  /** Forgets all samples. */
  reset(): void {
    this.counts.fill(0)
    this.total = 0
  }

  observe(sample: number): void {
    this.total++
    const bucket = this.limits.findIndex(limit => sample <= limit)
    if (bucket >= 0) this.counts[bucket] = (this.counts[bucket] as number) + 1
  }

  /**
   * Upper limit of the bucket that `percentage` percent of the samples do not exceed; Infinity when that is above
   * the last bucket, 0 when there are no samples.
   */
  calculate(percentage: number): number {
    if (percentage <= 0 || this.total === 0) return 0
    const wanted = (this.total * percentage) / 100
    let seen = 0
    for (let i = 0; i < this.limits.length; i++) {
      seen += this.counts[i] as number
      if (seen >= wanted) return this.limits[i] as number
    }
    return Number.POSITIVE_INFINITY
  }
}
