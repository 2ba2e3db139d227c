import type { TraceContext } from './trace-context.ts'
import type { Tracer } from './tracer.ts'

/** The tracing of this thread. Off, which is how it starts, it costs whoever asks one load and one branch. */
export const tracing: {
  tracer: Tracer | null
  /** Whose work is done just now, so that what is logged meanwhile can say where in a trace; kept only while tracing is on. */
  atWork: { readonly trace: TraceContext | null } | null
} = { tracer: null, atWork: null }

/** Where in a trace the work stands that is done just now, for a log line. */
export function placeAtWork(): { readonly trace_id: string; readonly span_id: string } | undefined {
  const trace = tracing.atWork?.trace
  return trace === undefined || trace === null
    ? undefined
    : { trace_id: trace.traceId, span_id: trace.spanId }
}
