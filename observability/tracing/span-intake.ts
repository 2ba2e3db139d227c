import type { InstrumentationScope } from '@opentelemetry/core'
import { JsonTraceSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import type { Resource } from '@opentelemetry/resources'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { type ExportLedger, type ExportLimits, ExportQueue } from '../otlp/export-queue.ts'
import type { OtlpEndpoint } from '../otlp/otlp-sender.ts'
import { otlpWay } from '../otlp/otlp-way.ts'
import { readableSpan } from './readable-span.ts'
import { type PackedSpan, unpackSpans } from './span-batch.ts'
import type { SpanBatch } from './span-recorder.ts'

/** A span that waits: what it needs beyond itself to be encoded is the same for all of its thread. */
interface Waiting {
  readonly span: PackedSpan
  readonly thread: number
}

export interface SpanIntakeOptions {
  readonly endpoint: OtlpEndpoint
  readonly limits: ExportLimits
  readonly resource: Resource
  readonly scope: InstrumentationScope
  /** Told of spans that are dropped, for the log. */
  readonly dropped: (reason: string, spans: number) => void
}

/** Takes the spans of all threads, in the main thread: the place where they are encoded, sent and accounted for. */
export class SpanIntake {
  private readonly queue: ExportQueue<Waiting>

  constructor({ endpoint, limits, resource, scope, dropped }: SpanIntakeOptions) {
    const way = otlpWay<ReadableSpan>(
      endpoint,
      { protobuf: ProtobufTraceSerializer, json: JsonTraceSerializer },
      dropped,
    )
    this.queue = new ExportQueue(
      {
        ...way,
        // Made as late as they can be: what waits is small, and what is dropped was never encoded.
        serialize: items =>
          way.serialize(items.map(({ span, thread }) => readableSpan(span, thread, resource, scope))),
      },
      limits,
    )
  }

  take(thread: number, { values, spans, lost }: SpanBatch): void {
    for (const [reason, count] of Object.entries(lost)) this.queue.lose(reason, count)
    const { room } = this.queue
    // Without room they are counted and not even unpacked.
    if (room === 0) this.queue.lose('queue-full', spans)
    else this.queue.add(unpackSpans(values).map(span => ({ span, thread })))
  }

  get ledger(): ExportLedger {
    return this.queue.ledger
  }

  close(limitMs: number): Promise<void> {
    return this.queue.close(limitMs)
  }
}
