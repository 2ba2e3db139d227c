import { type Logger as Diagnostics, noLog } from '../../log.ts'
import { type MetricStore, statsRegistry } from '../stats/registry.ts'

/** Where records of loggers go. It never blocks, and holds no more than its limit: what is over it is dropped and counted. */
export interface LogTarget {
  /** Takes a record, without line end. */
  write(record: Buffer): void
  /** Resolves when all that was taken is written, or given up after `limitMs`. */
  flush(limitMs: number): Promise<void>
}

/** Bytes of records that may wait for one target. */
export const defaultBufferLimit = 16 * 1024 * 1024

export type DropReason = 'overflow' | 'refused' | 'failed' | 'shutdown'

/** What became of the records of one target, as metrics. */
export class Tally {
  private readonly target: string
  private readonly written: MetricStore = statsRegistry.define(
    'sluice_log_records_written_total',
    'counter',
    ['target'],
  )
  private readonly dropped: MetricStore = statsRegistry.define(
    'sluice_log_records_dropped_total',
    'counter',
    ['target', 'reason'],
  )

  constructor(target: string) {
    this.target = target
  }

  wrote(records: number): void {
    this.written.touch([this.target]).value += records
  }

  drop(records: number, reason: DropReason): void {
    this.dropped.touch([this.target, reason]).value += records
  }
}

/**
 * The targets of this thread. Loggers that name the same destination share one, so that a script that is loaded anew
 * goes on with the files and connections that there are.
 */
class LogTargets {
  private readonly targets = new Map<string, LogTarget>()
  /** Is told when a destination does not take records. */
  diagnostics: Diagnostics = noLog

  obtain(key: readonly unknown[], make: () => LogTarget): LogTarget {
    const text = JSON.stringify(key)
    const target = this.targets.get(text) ?? make()
    this.targets.set(text, target)
    return target
  }

  /** Resolves when all records are written, or given up after `limitMs`. */
  async flush(limitMs: number): Promise<void> {
    await Promise.all([...this.targets.values()].map(target => target.flush(limitMs)))
  }
}

export const logTargets = new LogTargets()
