import type { InstrumentationScope } from '@opentelemetry/core'
import { JsonMetricsSerializer, ProtobufMetricsSerializer } from '@opentelemetry/otlp-transformer'
import type { Resource } from '@opentelemetry/resources'
import type { ResourceMetrics } from '@opentelemetry/sdk-metrics'
import { every, wallMs } from '../../runtime/clock.ts'
import { type ExportLedger, ExportQueue } from '../otlp/export-queue.ts'
import { type OtlpEndpoint, OtlpSender } from '../otlp/otlp-sender.ts'
import { rejectedBy } from '../otlp/otlp-way.ts'
import type { MetricFamily } from './families.ts'
import { resourceMetrics } from './otlp-metrics.ts'

export interface MetricExportOptions {
  readonly endpoint: OtlpEndpoint
  readonly intervalMs: number
  readonly resource: Resource
  readonly scope: InstrumentationScope
  readonly dropped: (reason: string, readings: number) => void
}

/**
 * Readings that wait while the collector is away: each has all that was counted before, so little is lost with those
 * that are dropped.
 */
const mostWaiting = 4

/** Sends all metrics to a collector every so often. Its items are whole readings. */
export class MetricExport {
  private readonly options: MetricExportOptions
  private readonly queue: ExportQueue<ResourceMetrics>
  private readonly startMs = wallMs()
  private read: (() => Promise<readonly MetricFamily[]>) | undefined
  private stop: (() => void) | undefined

  constructor(options: MetricExportOptions) {
    const { endpoint, dropped, intervalMs } = options
    this.options = options
    const sender = new OtlpSender(endpoint)
    const serializer = endpoint.protocol === 'http/json' ? JsonMetricsSerializer : ProtobufMetricsSerializer
    this.queue = new ExportQueue<ResourceMetrics>(
      {
        serialize: ([reading]) => serializer.serializeRequest(reading as ResourceMetrics),
        send: bytes => sender.send(bytes),
        // What is rejected are points, and what is counted are readings.
        rejected: body => (rejectedBy(serializer, body) > 0 ? 1 : 0),
        dropped,
        close: () => sender.close(),
      },
      { queue: mostWaiting, batch: 1, delayMs: 0, timeoutMs: Math.max(intervalMs, endpoint.timeoutMs) },
    )
  }

  /** From now on `read` is asked for what is to be sent. */
  start(read: () => Promise<readonly MetricFamily[]>): void {
    this.read = read
    this.stop = every(this.options.intervalMs, () => void this.export())
  }

  private async export(): Promise<void> {
    const families = await this.read?.()
    if (families === undefined) return
    const { resource, scope } = this.options
    this.queue.add([resourceMetrics(families, resource, scope, this.startMs, wallMs())])
  }

  get ledger(): ExportLedger {
    return this.queue.ledger
  }

  /** Reads once more, while there is something to read. */
  async finish(): Promise<void> {
    this.stop?.()
    await this.export()
    this.read = undefined
  }

  close(limitMs: number): Promise<void> {
    this.stop?.()
    return this.queue.close(limitMs)
  }
}
