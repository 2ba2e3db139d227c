import { makeTraceparent, type TraceContext, TraceFormat } from './trace-context.ts'

/** What B3 fields say: where the request stands, or only whether its trace is to be recorded. */
export interface B3 {
  readonly traceparent: string | undefined
  /** Undefined: the receiver decides. */
  readonly isSampled: boolean | undefined
}

const ids = /^(?:[0-9a-f]{16}|[0-9a-f]{32})$/

function place(traceId: string, spanId: string, isSampled: boolean | undefined): B3 | undefined {
  const long = traceId.toLowerCase().padStart(32, '0')
  const span = spanId.toLowerCase()
  if (!ids.test(traceId.toLowerCase()) || !/^[0-9a-f]{16}$/.test(span)) return undefined
  if (/^0+$/.test(long) || /^0+$/.test(span)) return undefined
  return { traceparent: makeTraceparent(long, span, isSampled === true), isSampled }
}

/** A map, since the text is a client's: an object has more names than its own. */
const decisions: ReadonlyMap<string, boolean> = new Map([
  ['0', false],
  ['false', false],
  ['1', true],
  ['true', true],
  ['d', true],
])

/** The field `b3`: `<trace id>-<span id>[-<decision>[-<parent>]]`, or the decision alone. Undefined when it is neither. */
export function parseB3(text: string): B3 | undefined {
  const [traceId = '', spanId, decision, ...rest] = text.trim().split('-')
  if (rest.length > 1) return undefined
  if (spanId === undefined) {
    const isSampled = decisions.get(traceId)
    return isSampled === undefined ? undefined : { traceparent: undefined, isSampled }
  }
  if (decision !== undefined && decisions.get(decision) === undefined) return undefined
  return place(traceId, spanId, decision === undefined ? undefined : decisions.get(decision))
}

/** The fields `X-B3-…`, each found by its name. */
export function parseB3Multi(field: (name: string) => string | undefined): B3 | undefined {
  const isSampled = field('x-b3-flags') === '1' ? true : decisions.get(field('x-b3-sampled') ?? '')
  const traceId = field('x-b3-traceid')
  if (traceId === undefined)
    return isSampled === undefined ? undefined : { traceparent: undefined, isSampled }
  return place(traceId, field('x-b3-spanid') ?? '', isSampled)
}

/** The lines that tell an upstream in these formats. */
export function b3Lines({ traceId, spanId, isSampled, formats }: TraceContext): string {
  const decision = isSampled ? '1' : '0'
  let text = ''
  if ((formats & TraceFormat.b3) !== 0) text += `b3: ${traceId}-${spanId}-${decision}\r\n`
  if ((formats & TraceFormat.b3Multi) !== 0)
    text += `X-B3-TraceId: ${traceId}\r\nX-B3-SpanId: ${spanId}\r\nX-B3-Sampled: ${decision}\r\n`
  return text
}
