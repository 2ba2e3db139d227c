import type { Span } from '../../runtime/trace/span.ts'
import { type TracePolicy, Tracer } from '../../runtime/trace/tracer.ts'
import { tracing } from '../../runtime/trace/tracing.ts'

/** Every trace is recorded, down to its messages. */
export const recordAll: TracePolicy = {
  ratio: 1,
  isParentBased: true,
  level: 'message',
  keep: undefined,
  propagation: { w3c: true, b3: false, b3Multi: false },
  eventLimit: 128,
  linkLimit: 128,
}

/** Turns tracing on in this thread, and gives the spans that have ended. */
export function recordSpans(changes: Partial<TracePolicy> = {}): Span[] {
  const spans: Span[] = []
  tracing.tracer = new Tracer(
    { ...recordAll, ...changes },
    { take: span => spans.push(span), lose: () => {} },
  )
  return spans
}
