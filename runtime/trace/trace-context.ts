// Hot path: one object per exchange; its ids are cut out of its text when someone asks for them.

/** How requests that came with B3 fields are answered in kind: bits of `TraceContext.formats`. */
export const TraceFormat = { b3: 1, b3Multi: 2 } as const

const lineStart = 'traceparent: '

/** The line of a request head for a `traceparent`. */
export const lineOf = (traceparent: string): string => `${lineStart}${traceparent}\r\n`

/** Characters of a line. */
export const lineLength = lineStart.length + 55 + 2

/**
 * Where in a trace some work stands: the line that requests carry, and whether the work is recorded. `Span` is one that
 * is; of all others this is the whole of what is kept.
 */
export class TraceContext {
  /** `traceparent: 00-<trace id>-<span id>-<flags>` and CRLF. */
  readonly line: string
  /** The other vendors' part, as it goes on: valid and in one piece; '' when there is none. */
  readonly state: string
  /** Formats beside W3C's in which upstreams are told. */
  readonly formats: number
  readonly isRecorded: boolean
  /** What is carried along with the work (W3C Baggage), as it goes on: valid, and within the limits. Mostly ''. */
  baggage = ''

  constructor(line: string, state: string, formats: number, isRecorded: boolean) {
    this.line = line
    this.state = state
    this.formats = formats
    this.isRecorded = isRecorded
  }

  get traceparent(): string {
    return this.line.slice(13, 68)
  }

  get traceId(): string {
    return this.line.slice(16, 48)
  }

  get spanId(): string {
    return this.line.slice(49, 65)
  }

  /** Whether those that take part in the trace are asked to record it. */
  get isSampled(): boolean {
    return (this.line.charCodeAt(67) & 1) === 1
  }
}

/** Of a `traceparent` of version 00. */
export const isSampled = (traceparent: string): boolean => (traceparent.charCodeAt(54) & 1) === 1

const isHex = (text: string, from: number, to: number): boolean => {
  for (let at = from; at < to; at++) {
    const code = text.charCodeAt(at)
    if (!((code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66))) return false
  }
  return true
}

const zeros = '0'.repeat(32)

/**
 * A received `traceparent` as one of version 00; undefined when it breaks a rule of W3C Trace Context §3.2, and is then
 * as good as none. Of later versions the part that 00 knows is taken (§3.2.2.1).
 */
export function parseTraceparent(text: string): string | undefined {
  const { length } = text
  if (length < 55 || !isHex(text, 0, 2) || text.startsWith('ff')) return undefined
  if (length > 55 && (text.startsWith('00') || text[55] !== '-')) return undefined
  if (text[2] !== '-' || text[35] !== '-' || text[52] !== '-') return undefined
  if (!isHex(text, 3, 35) || !isHex(text, 36, 52) || !isHex(text, 53, 55)) return undefined
  if (text.startsWith(zeros, 3) || text.startsWith(zeros.slice(16), 36)) return undefined
  return makeTraceparent(text.slice(3, 35), text.slice(36, 52), isSampled(text))
}

export const makeTraceparent = (traceId: string, spanId: string, isSampled: boolean): string =>
  `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`

/**
 * The place in a trace of one message on its way between threads or nodes, as plain data: `traceparent`, `tracestate`
 * ('' for none), and when it was sent, in milliseconds since the epoch, from which the receiver tells how long it waited;
 * and the baggage, if there is any.
 */
export type TraceCarrier = readonly [traceparent: string, state: string, sentMs: number, baggage?: string]
