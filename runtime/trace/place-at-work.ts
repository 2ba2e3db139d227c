// Hot path while tracing is on: a callback pays 20 ns, and 250 ns when its exchange is recorded (Node 24, bench/micro/tracing.ts).

import { AsyncLocalStorage } from 'node:async_hooks'
import type { TraceContext } from './trace-context.ts'
import { tracing } from './tracing.ts'

/** Where in a trace the callback stands that some work was begun in, for what it does after it has returned. */
const begunIn = new AsyncLocalStorage<TraceContext>()

const isAsync = (callback: object): boolean =>
  Object.prototype.toString.call(callback) === '[object AsyncFunction]'

type Callback = (...given: never[]) => unknown

/**
 * A callback whose log lines name its trace also behind an `await`, and from what it leaves behind. Only for threads with
 * a tracer. Where the trace is not recorded, only an asynchronous function can: it waits anyhow, and all others are to
 * pay next to nothing.
 *
 * @param written as it stands in the script, if `callback` only calls it
 */
export function traced(callback: Callback, written: Callback = callback): Callback {
  const always = isAsync(written)
  return (...given) => {
    const trace = tracing.atWork?.trace
    if (trace === undefined || trace === null || !(always || trace.isRecorded)) return callback(...given)
    return begunIn.run(trace, callback, ...given)
  }
}

/** Where in a trace the work stands that is done just now, for a log line. */
export function placeAtWork(): { readonly trace_id: string; readonly span_id: string } | undefined {
  if (tracing.tracer === null) return undefined
  const trace = tracing.atWork?.trace ?? begunIn.getStore()
  return trace === undefined ? undefined : { trace_id: trace.traceId, span_id: trace.spanId }
}
