// What traces show of messages that go from one pipeline to another. Called only where tracing is on.

import type { Message } from '../runtime/event.ts'
import { type Span, SpanKind } from '../runtime/trace/span.ts'
import type { TraceContext } from '../runtime/trace/trace-context.ts'
import { tracing } from '../runtime/trace/tracing.ts'
import type { Pipeline } from './pipeline.ts'

/**
 * Notes on a message where in a trace it stands, before it is sent to a pipeline that others share, or to a subject.
 *
 * @param operation the filter that sends, like `fork`
 * @param system `sluice`, or `nats` when its receiver may be another program
 */
export function traceSend(
  message: Message,
  from: Pipeline,
  operation: string,
  destination: string,
  system: 'sluice' | 'nats' = 'sluice',
): void {
  message.trace = tracing.tracer?.send(from.trace, operation, destination, system)
}

/**
 * A message is given to the pipeline that it was sent to, whose work from here on stands where the message does.
 *
 * @returns the span of giving it, to be ended; null when it is not recorded
 */
export function traceReceive(
  message: Message,
  to: Pipeline,
  destination: string,
  label: string,
): Span | null {
  const { tracer } = tracing
  if (tracer === null) return null
  const trace = message.trace === undefined ? null : tracer.receive(message.trace, 'process', destination)
  to.ownTrace = trace
  if (trace?.isRecorded !== true) return null
  const span = trace as Span
  if (label !== destination) span.set('sluice.actor', label)
  return span
}

/** Where in a trace a pipeline works, for links to it; undefined when that is not recorded. */
export function tracedPlace(pipeline: Pipeline): string | undefined {
  const trace = tracing.tracer === null ? null : pipeline.trace
  return trace?.isSampled === true ? trace.traceparent : undefined
}

/**
 * A message that a stream brings, for a pipeline of its own: it begins a trace, linked to that of the session, unless it
 * is part of one already.
 */
export function traceMessage(within: Pipeline, operation: string, destination: string): TraceContext | null {
  const { tracer } = tracing
  if (tracer === null) return null
  const from = within.trace
  if (from !== null && !within.session.tracesItself) return traceBranch(from, operation, destination)
  const trace = tracer.begin(`${operation} ${destination}`, SpanKind.server)
  if (!trace.isRecorded) return trace
  const span = trace as Span
  if (from?.isRecorded === true) span.links = [from.traceparent]
  span.set('sluice.session.id', within.session.id)
  span.set('sluice.pipeline.name', destination)
  return span
}

/** A message is sent over a session that others share: the span of sending it and of its answer; null when not recorded. */
export function traceRequest(from: Pipeline, operation: string, destination: string): Span | null {
  const trace = from.trace
  if (trace?.isRecorded !== true) return null
  const span = (trace as Span).child(`${operation} ${destination}`, SpanKind.client)
  span.set('messaging.system', 'sluice')
  span.set('messaging.operation.name', operation)
  span.set('messaging.destination.name', destination)
  return span
}

/** A pipeline of its own takes a copy of the stream: its work is one step below that of who sends. */
export function traceBranch(
  from: TraceContext | null,
  operation: string,
  destination: string,
): TraceContext | null {
  if (from?.isRecorded !== true) return from
  const span = (from as Span).child(`${operation} ${destination}`, SpanKind.internal)
  span.set('messaging.system', 'sluice')
  span.set('messaging.operation.name', operation)
  span.set('messaging.destination.name', destination)
  return span
}
