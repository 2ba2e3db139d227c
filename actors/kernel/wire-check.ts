import { parseBaggage } from '../../runtime/trace/baggage.ts'
import { parseTraceparent, type TraceCarrier } from '../../runtime/trace/trace-context.ts'
import type { WireMessage } from './wire.ts'

/**
 * Whether what came from elsewhere is a message: whoever may write to the bus may write anything, and what is no message
 * must be told before it is given to anybody. The place in a trace goes on into requests, so it is held to its form.
 */
export function isWireMessage(value: unknown): value is WireMessage {
  if (!Array.isArray(value) || value.length < 4) return false
  const [head, body, tail, , trace] = value as unknown[]
  return (
    (typeof head === 'object' || typeof head === 'string') &&
    (body === null || body instanceof Uint8Array) &&
    typeof (tail ?? null) === 'object' &&
    (trace === undefined || isTraceCarrier(trace))
  )
}

/** Longer than any `tracestate` that goes on: 32 members of 513 characters. */
const mostState = 17_000

const isTraceCarrier = (value: unknown): value is TraceCarrier =>
  Array.isArray(value) &&
  typeof value[0] === 'string' &&
  parseTraceparent(value[0]) === value[0] &&
  typeof value[1] === 'string' &&
  value[1].length <= mostState &&
  /^[ -~]*$/.test(value[1]) &&
  Number.isFinite(value[2]) &&
  (value[3] === undefined || (typeof value[3] === 'string' && parseBaggage(value[3]) === value[3]))
