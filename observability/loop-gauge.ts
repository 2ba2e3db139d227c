import { monitorEventLoopDelay, performance } from 'node:perf_hooks'

export interface LoopReading {
  /** Share of the time since the last reading that the event loop was busy, 0 to 1. */
  readonly utilization: number
  /** How late callbacks came since the last reading, in milliseconds; undefined unless measured. */
  readonly delay: { readonly meanMs: number; readonly p99Ms: number; readonly maxMs: number } | undefined
}

/** The timer that measures delay fires this often, and its own lateness is part of what it reads. */
const resolutionMs = 20

/** How busy and how late this thread's event loop is, from reading to reading. */
export class LoopGauge {
  private readonly histogram: ReturnType<typeof monitorEventLoopDelay> | undefined
  private last = performance.eventLoopUtilization()

  /** Measuring delay wakes an idle thread 50 times a second, so it is done only when someone asks for it. */
  constructor(measuresDelay: boolean) {
    if (!measuresDelay) return
    this.histogram = monitorEventLoopDelay({ resolution: resolutionMs })
    this.histogram.enable()
  }

  read(): LoopReading {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, this.last)
    this.last = now
    const { histogram } = this
    if (histogram === undefined) return { utilization, delay: undefined }
    const late = (ns: number): number => Math.max(0, ns / 1e6 - resolutionMs)
    const delay =
      histogram.count === 0
        ? { meanMs: 0, p99Ms: 0, maxMs: 0 }
        : { meanMs: late(histogram.mean), p99Ms: late(histogram.percentile(99)), maxMs: late(histogram.max) }
    histogram.reset()
    return { utilization, delay }
  }

  close(): void {
    this.histogram?.disable()
  }
}
