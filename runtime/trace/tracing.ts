import type { TraceContext } from './trace-context.ts'
import type { Tracer } from './tracer.ts'

/** The tracing of this thread. Off, which is how it starts, it costs whoever asks one load and one branch. */
export const tracing: {
  tracer: Tracer | null
  /** Whose work is done just now, so that what is logged meanwhile can say where in a trace; kept only while tracing is on. */
  atWork: { readonly trace: TraceContext | null } | null
} = { tracer: null, atWork: null }
