import type { Logger } from '../runtime/log.ts'
import type { TracePolicy } from '../runtime/trace/tracer.ts'
import type { LogSink } from './log.ts'
import type { MetricFamily } from './metrics/families.ts'
import { MetricExport } from './metrics/metric-export.ts'
import type { ExportLedger } from './otlp/export-queue.ts'
import { exportCode, LogExport } from './otlp/log-export.ts'
import { type Identity, resourceOf, scopeOf } from './otlp/resource.ts'
import type { Signal, TelemetrySettings } from './otlp/settings.ts'
import { SpanIntake } from './tracing/span-intake.ts'
import type { SpanBatch } from './tracing/span-recorder.ts'

/** What has become of each signal's items, as far as it is exported. */
export type TelemetryStatus = Readonly<Partial<Record<Signal, ExportLedger>>>

/** What leaves the process by OpenTelemetry's protocol: in the main thread, for all threads. */
export class Telemetry {
  private readonly spans: SpanIntake | undefined
  private readonly logs: LogExport | undefined
  private readonly metrics: MetricExport | undefined
  /** What threads are to trace; undefined: nothing. */
  readonly policy: TracePolicy | undefined

  constructor(settings: TelemetrySettings, identity: Identity, log: () => Logger) {
    const resource = resourceOf(identity, settings.resource)
    const scope = scopeOf(identity)
    const dropped = (what: string, where: string) => (reason: string, items: number) =>
      log().warn(`${items} ${what} were dropped: ${reasons[reason] ?? reason} (${where})`, {
        code: exportCode,
        source: 'internal',
        reason,
        items,
      })
    const { traces, logs, metrics } = settings
    this.policy = traces?.policy
    if (traces !== undefined) {
      const { endpoint, limits } = traces
      this.spans = new SpanIntake({
        endpoint,
        limits,
        resource,
        scope,
        dropped: dropped('spans', endpoint.url),
      })
    }
    if (logs !== undefined) {
      const { endpoint, limits } = logs
      this.logs = new LogExport({
        endpoint,
        limits,
        resource,
        scope,
        dropped: dropped('log records', endpoint.url),
      })
    }
    if (metrics !== undefined) {
      const { endpoint, intervalMs } = metrics
      this.metrics = new MetricExport({
        endpoint,
        intervalMs,
        resource,
        scope,
        dropped: dropped('readings of metrics', endpoint.url),
      })
    }
  }

  /** Sends metrics every so often, if they are to be sent. */
  readMetrics(read: () => Promise<readonly MetricFamily[]>): void {
    this.metrics?.start(read)
  }

  /** Reads metrics once more, while the threads can still tell. */
  async finishMetrics(): Promise<void> {
    await this.metrics?.finish()
  }

  /** Takes log records beside whoever writes them. */
  get sink(): LogSink | undefined {
    return this.logs?.sink
  }

  take(thread: number, batch: SpanBatch): void {
    this.spans?.take(thread, batch)
  }

  get status(): TelemetryStatus {
    return {
      ...(this.spans && { traces: this.spans.ledger }),
      ...(this.logs && { logs: this.logs.ledger }),
      ...(this.metrics && { metrics: this.metrics.ledger }),
    }
  }

  /** Sends what there is, for at most `limitMs`. */
  async close(limitMs: number): Promise<void> {
    await Promise.all([this.spans, this.logs, this.metrics].map(each => each?.close(limitMs)))
  }
}

const reasons: Readonly<Record<string, string>> = {
  'thread-died': 'their thread died before it had handed them over',
  'thread-window': 'the main thread is behind',
  'queue-full': 'the queue to the collector is full',
  'export-failed': 'the collector did not take them in time',
  refused: 'the collector refused them',
  rejected: 'the collector took a part only',
  held: 'a trace that may be kept has too many spans',
  closed: 'the process ended',
  unencodable: 'they cannot be encoded',
}
