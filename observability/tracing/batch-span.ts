import type { SinkEntry } from '../../actors/sink.ts'
import { type Span, SpanKind } from '../../runtime/trace/span.ts'
import { tracing } from '../../runtime/trace/tracing.ts'

/**
 * The span of one request that writes many documents: it is in a trace of its own, and linked to the exchanges that the
 * documents are of. Null when none of those is recorded.
 *
 * @param to the sink, as it names itself
 */
export function beginBatch(items: readonly { readonly entry: SinkEntry }[], to: string): Span | null {
  const { tracer } = tracing
  if (tracer === null) return null
  const contexts: string[] = []
  for (const { entry } of items) if (entry.trace !== undefined) contexts.push(entry.trace)
  const span = tracer.batch(`write ${to}`, contexts, items.length, SpanKind.client)
  span?.set('sluice.sink', to)
  return span
}
