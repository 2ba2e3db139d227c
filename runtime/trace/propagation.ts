import { type B3, b3Lines, parseB3, parseB3Multi } from './b3.ts'
import { parseTraceparent, type TraceContext, TraceFormat } from './trace-context.ts'
import { parseTraceState } from './trace-state.ts'

/** A request head, as far as it may tell of a trace. */
export interface TracedHead {
  /** Whether it has any field of `traceFields`, or `baggage`. */
  readonly hasTrace: boolean
  /** A field's value, repeated ones joined by commas. */
  header(name: string): string | undefined
}

/** Fields that say where in a trace a request stands. Those that came are replaced by those that go on. */
export const traceFields = [
  'traceparent',
  'tracestate',
  'b3',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-flags',
] as const

/** What a request says of its trace. */
export interface Extracted {
  /** Undefined: it begins here. */
  readonly traceparent: string | undefined
  readonly state: string
  /** Bits of `TraceFormat`: how it came, and so how it goes on. */
  readonly formats: number
  /** Whether it is to be recorded; undefined: that is decided here. */
  readonly isSampled: boolean | undefined
}

const nothing: Extracted = { traceparent: undefined, state: '', formats: 0, isSampled: undefined }

/** Reads W3C Trace Context if it is valid, else B3 in one field, else B3 in several. */
export function extract(head: TracedHead): Extracted {
  const given = head.header('traceparent')
  const traceparent = given === undefined ? undefined : parseTraceparent(given)
  const single = head.header('b3')
  const formats =
    (single === undefined ? 0 : TraceFormat.b3) |
    (head.header('x-b3-traceid') === undefined ? 0 : TraceFormat.b3Multi)
  if (traceparent !== undefined) {
    const state = head.header('tracestate')
    const isSampled = (traceparent.charCodeAt(54) & 1) === 1
    return { traceparent, state: state === undefined ? '' : parseTraceState(state), formats, isSampled }
  }
  const b3: B3 | undefined =
    (single === undefined ? undefined : parseB3(single)) ?? parseB3Multi(name => head.header(name))
  if (b3 === undefined) return formats === 0 ? nothing : { ...nothing, formats }
  return { traceparent: b3.traceparent, state: '', formats, isSampled: b3.isSampled }
}

/** The lines of a request head that tell its receiver where in the trace it stands. */
export function traceLines(context: TraceContext, withW3C: boolean): string {
  let text = withW3C ? context.line : ''
  if (withW3C && context.state !== '') text += `tracestate: ${context.state}\r\n`
  return context.formats === 0 ? text : text + b3Lines(context)
}
