/**
 * Headers of a message's head as headers on a subject, and back. Names are kept as they are written; values are text.
 */

import { isBaggage, parseBaggage } from '../runtime/trace/baggage.ts'
import { parseTraceparent, type TraceCarrier } from '../runtime/trace/trace-context.ts'

type Headers = Readonly<Record<string, string>>

/** Of one connection, and of a body that is not framed the same on a subject. */
const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

const isName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const breaksLine = /[\r\n\0]/

/**
 * What of a head's `headers` goes with the message: fields that are text, numbers or lists of these, but those of one
 * connection. With `names`, only these (in any case).
 */
export function headersToSend(
  head: object | undefined,
  names: ReadonlySet<string> | undefined,
): Headers | undefined {
  const given = (head as { headers?: unknown } | undefined)?.headers
  if (typeof given !== 'object' || given === null) return undefined
  let headers: Record<string, string> | undefined
  for (const [name, value] of Object.entries(given)) {
    const key = name.toLowerCase()
    if (names === undefined ? hopByHop.has(key) : !names.has(key)) continue
    const text = textOf(value)
    if (text === undefined || !isName.test(name)) continue
    headers ??= {}
    headers[name] = text
  }
  return headers
}

/** A value that would end its line would let whoever wrote it add headers of his own. */
function textOf(value: unknown): string | undefined {
  const text = Array.isArray(value) ? value.join(', ') : value
  if (typeof text !== 'string' && typeof text !== 'number') return undefined
  const shown = String(text)
  return breaksLine.test(shown) ? undefined : shown
}

/** The headers with the message's own place in a trace, instead of that of the message which it was made from. */
export function withTrace(
  headers: Headers | undefined,
  [traceparent, state, , baggage]: TraceCarrier,
): Headers {
  const others = Object.entries(headers ?? {}).filter(([name]) => !isTraceField.test(name))
  const hasBaggage = others.some(([name]) => isBaggage(name))
  return Object.fromEntries([
    ...others,
    ['traceparent', traceparent],
    ...(state === '' ? [] : [['tracestate', state]]),
    ...(baggage === undefined || hasBaggage ? [] : [['baggage', baggage]]),
  ])
}

/** Where in a trace a message stands that came with these headers; undefined when they do not say, or not by the rules. */
export function traceIn(headers: Headers | undefined): TraceCarrier | undefined {
  if (headers === undefined) return undefined
  let state = ''
  let traceparent: string | undefined
  for (const name in headers) {
    if (!isTraceField.test(name)) continue
    if (name.length === 'traceparent'.length) traceparent = parseTraceparent(headers[name] as string)
    else state = headers[name] as string
  }
  return traceparent === undefined ? undefined : [traceparent, state, 0]
}

/** What is carried along with a message that came with these headers; '' for nothing. */
export function baggageIn(headers: Headers | undefined): string {
  for (const name in headers) if (isBaggage(name)) return parseBaggage(headers[name] as string)
  return ''
}

const isTraceField = /^trace(?:parent|state)$/i

/** Bytes that headers add to a message: what the limit of a server counts. */
export function headerBytes(headers: Headers | undefined): number {
  if (headers === undefined) return 0
  // 'NATS/1.0\r\n', the empty line, and per field ': ' and its end. A character is at most 3 bytes per unit.
  let bytes = 12
  for (const name in headers) bytes += name.length + 4 + 3 * (headers[name] as string).length
  return bytes
}
