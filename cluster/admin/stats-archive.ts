import { mergeSnapshots } from '../../runtime/api/stats/merge.ts'
import type { MetricSnapshot } from '../../runtime/api/stats/registry.ts'

interface ThreadStats {
  readonly thread: number
  readonly incarnation: number
  readonly stats: readonly MetricSnapshot[]
}

/**
 * The metrics of scripts over all threads. What a thread had counted stays counted when it dies, or has no time to
 * answer: a sum that falls would look like a counter that started over, and count everything twice.
 */
export class StatsArchive {
  private readonly latest = new Map<number, ThreadStats>()
  /** Counters and histograms of threads that are gone. */
  private retired: readonly MetricSnapshot[] = []

  /** Takes what the threads say now, and gives the sum over all. */
  update(threads: readonly ThreadStats[]): MetricSnapshot[] {
    for (const { thread, incarnation, stats } of threads) {
      const before = this.latest.get(thread)
      if (before !== undefined && before.incarnation !== incarnation) this.retire(before.stats)
      this.latest.set(thread, { thread, incarnation, stats })
    }
    return mergeSnapshots([...[...this.latest.values()].map(({ stats }) => stats), this.retired])
  }

  private retire(stats: readonly MetricSnapshot[]): void {
    const counted = stats.filter(metric => metric.type !== 'gauge')
    this.retired = mergeSnapshots([this.retired, counted])
  }
}
