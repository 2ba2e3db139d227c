import { type Span, SpanKind } from '../../runtime/trace/span.ts'
import { tracing } from '../../runtime/trace/tracing.ts'
import type { Pipeline } from '../pipeline.ts'
import { baggageIn, traceIn } from '../subject-headers.ts'
import type { SubjectMessage } from '../subjects.ts'

/**
 * A message has come over a subject: the work on it goes on with the trace that its headers tell of, or begins one.
 *
 * @param pattern what was subscribed to: the subject itself may have ids in it, which names of spans should not
 * @returns the span of the work, to be ended; null when it is not recorded
 */
export function traceArrival(message: SubjectMessage, to: Pipeline, pattern: string): Span | null {
  const { tracer } = tracing
  if (tracer === null) return null
  const carrier = traceIn(message.headers)
  const trace =
    carrier === undefined
      ? tracer.begin(`process ${pattern}`, SpanKind.consumer)
      : tracer.receive(carrier, 'process', pattern, 'nats')
  if (tracer.policy.propagation.baggage !== false) trace.baggage = baggageIn(message.headers)
  to.ownTrace = trace
  return trace.isRecorded ? (trace as Span) : null
}
