import { TrafficError } from '../../errors.ts'
import { show } from '../../options.ts'
import { Metric } from './metric.ts'
import { observe } from './registry.ts'

/**
 * Counts samples in buckets, summed over threads at `/metrics`.
 *
 * @example
 *   const latency = new stats.Histogram('latency_ms', [1, 10, 100, 1000], ['route'])
 *   latency.withLabels('/api').observe(7)
 */
export class Histogram extends Metric {
  /**
   * @param buckets their upper limits, inclusive, each higher than the one before.
   * @throws TrafficError `BadOption`.
   */
  constructor(name: string, buckets: readonly number[], labelNames?: readonly string[]) {
    super(name, 'histogram', labelNames, checkBuckets(name, buckets))
  }

  /** Forgets what was observed. */
  zero(): void {
    const { series } = this
    series.value = 0
    series.counts.fill(0)
  }

  observe(sample: number): void {
    observe(this.series, this.store.buckets, sample)
  }
}

/** The last bucket may be Infinity: what is above all is counted anyway. */
function checkBuckets(name: string, buckets: readonly number[]): readonly number[] {
  const isAscending =
    Array.isArray(buckets) &&
    buckets.every((limit, i) => typeof limit === 'number' && (i === 0 || limit > buckets[i - 1]))
  if (!isAscending || buckets.length === 0)
    throw new TrafficError(
      'BadOption',
      `the histogram ${name} wants buckets as an array of numbers in ascending order, and got ${show(buckets)}`,
    )
  return buckets.at(-1) === Number.POSITIVE_INFINITY ? buckets.slice(0, -1) : buckets
}
