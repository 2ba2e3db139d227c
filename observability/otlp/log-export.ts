import { type AnyValue, type Attributes, SeverityNumber, type SpanContext } from '@opentelemetry/api'
import type { InstrumentationScope } from '@opentelemetry/core'
import { JsonLogsSerializer, ProtobufLogsSerializer } from '@opentelemetry/otlp-transformer'
import type { Resource } from '@opentelemetry/resources'
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs'
import type { LogLevel } from '../../runtime/log.ts'
import { type LogRecord, type LogSink, stringify } from '../log.ts'
import { hrTimeOf } from '../tracing/readable-span.ts'
import { type ExportLedger, type ExportLimits, ExportQueue } from './export-queue.ts'
import type { OtlpEndpoint } from './otlp-sender.ts'
import { otlpWay } from './otlp-way.ts'

const severities: Readonly<Record<LogLevel, SeverityNumber>> = {
  debug: SeverityNumber.DEBUG,
  info: SeverityNumber.INFO,
  warn: SeverityNumber.WARN,
  error: SeverityNumber.ERROR,
}

/** The code of what is said about export itself: it is not exported, since it would make more of what it complains of. */
export const exportCode = 'TelemetryDropped'

export interface LogExportOptions {
  readonly endpoint: OtlpEndpoint
  readonly limits: ExportLimits
  readonly resource: Resource
  readonly scope: InstrumentationScope
  readonly dropped: (reason: string, records: number) => void
}

/** Exports our own log lines, beside their being written. */
export class LogExport {
  private readonly queue: ExportQueue<ReadableLogRecord>
  private readonly resource: Resource
  private readonly scope: InstrumentationScope

  constructor({ endpoint, limits, resource, scope, dropped }: LogExportOptions) {
    const serializers = { protobuf: ProtobufLogsSerializer, json: JsonLogsSerializer }
    this.queue = new ExportQueue(otlpWay<ReadableLogRecord>(endpoint, serializers, dropped), limits)
    this.resource = resource
    this.scope = scope
  }

  readonly sink: LogSink = record => {
    if (record.fields.code !== exportCode) this.queue.add([this.readable(record)])
  }

  private readable({ timeMs, level, message, fields, thread }: LogRecord): ReadableLogRecord {
    const { trace_id: traceId, span_id: spanId, ...rest } = fields
    const attributes: Attributes = {}
    for (const [name, value] of Object.entries(rest))
      if (value !== undefined) attributes[attributeName(name)] = plain(value)
    if (thread !== undefined) attributes['thread.id'] = thread
    const time = hrTimeOf(timeMs)
    return {
      hrTime: time,
      hrTimeObserved: time,
      severityNumber: severities[level],
      severityText: level.toUpperCase(),
      body: message as AnyValue,
      attributes,
      droppedAttributesCount: 0,
      resource: this.resource,
      instrumentationScope: this.scope,
      ...(typeof traceId === 'string' && typeof spanId === 'string'
        ? { spanContext: { traceId, spanId, traceFlags: 1 } satisfies SpanContext }
        : undefined),
    }
  }

  get ledger(): ExportLedger {
    return this.queue.ledger
  }

  close(limitMs: number): Promise<void> {
    return this.queue.close(limitMs)
  }
}

/** Names of the conventions where there is one. */
const attributeName = (name: string): string => (name === 'stack' ? 'exception.stacktrace' : `sluice.${name}`)

const plain = (value: unknown): string | number | boolean =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? value
    : stringify(value)
