/**
 * The events of a stream. In one stream they come as `(MessageStart Data* MessageEnd | Data)*`, then at most one
 * `StreamEnd`. Each carries a small number `kind`, so that filters switch on it without looking at classes.
 */

import { Data } from './data.ts'
import { type FaultCode, faults, isFaultCode, TrafficError } from './errors.ts'
import type { TraceCarrier } from './trace/trace-context.ts'

export { Data } from './data.ts'

/** Values of `event.kind`. */
export const Kind = { data: 0, messageStart: 1, messageEnd: 2, streamEnd: 3 } as const

/** What the head of a message may hold: whatever its protocol says. */
export type Head = object

export class MessageStart<H extends Head = Head> {
  readonly kind = 1
  readonly head: H

  constructor(head?: H) {
    this.head = head ?? ({} as H)
  }

  get type(): 'MessageStart' {
    return 'MessageStart'
  }
}

export class MessageEnd {
  readonly kind = 2
  /** What followed the body, e.g. HTTP trailers as `{ headers }`. */
  readonly tail: object | undefined
  /** What the body means, when its codec parsed it. */
  readonly payload: unknown

  constructor(tail?: object, payload?: unknown) {
    this.tail = tail
    this.payload = payload
  }

  get type(): 'MessageEnd' {
    return 'MessageEnd'
  }
}

/** The end of a message that has neither tail nor payload: one shared instance, since it says nothing else. */
export const messageEnd = new MessageEnd()

export class StreamEnd {
  readonly kind = 3
  /** '' after an orderly end, else the code of what went wrong. */
  readonly error: FaultCode | ''
  /** The error itself, when there is more to say than its code. */
  readonly fault: TrafficError | undefined

  /** @param error a code, an Error (taken as `RuntimeError` unless it has a code), or nothing for an orderly end. */
  constructor(error?: FaultCode | '' | Error | undefined) {
    if (error === undefined || error === '') {
      this.error = ''
      this.fault = undefined
    } else if (typeof error === 'string') {
      this.error = isFaultCode(error) ? error : 'UnknownError'
      this.fault = undefined
    } else {
      this.fault = TrafficError.from(error)
      this.error = this.fault.code
    }
  }

  get type(): 'StreamEnd' {
    return 'StreamEnd'
  }

  /** What to tell a person: the error's own words, or those of its code. */
  get reason(): string {
    return this.fault?.message ?? (this.error === '' ? '' : faults[this.error].summary)
  }
}

export type Event = Data | MessageStart | MessageEnd | StreamEnd

/** A whole message: what `handleMessage` sees and what `replaceMessage` may return. */
export class Message<H extends Head = Head> {
  readonly head: H
  readonly body: Data | undefined
  readonly tail: object | undefined
  readonly payload: unknown
  /** Where in a trace it stands, on its way to another thread or node; whoever sends it says so. */
  trace: TraceCarrier | undefined = undefined

  constructor(
    head?: H | undefined,
    body?: string | Uint8Array | Data | undefined,
    tail?: object,
    payload?: unknown,
  )
  constructor(body: string | Uint8Array | Data)
  constructor(
    first?: H | string | Uint8Array | Data,
    body?: string | Uint8Array | Data,
    tail?: object,
    payload?: unknown,
  ) {
    const onlyBody = typeof first === 'string' || first instanceof Data || first instanceof Uint8Array
    const content = onlyBody ? first : body
    this.head = onlyBody || first === undefined ? ({} as H) : (first as H)
    this.body = content === undefined || content instanceof Data ? content : new Data(content)
    this.tail = tail
    this.payload = payload
  }

  get type(): 'Message' {
    return 'Message'
  }
}

export const isEvent = (value: unknown): value is Event =>
  value instanceof Data ||
  value instanceof MessageStart ||
  value instanceof MessageEnd ||
  value instanceof StreamEnd

/** A copy that another receiver may change (Data is mutable, the others are not). Heads with a `clone` are cloned. */
export function cloneEvent(event: Event): Event {
  if (event.kind === 0) return event.clone()
  if (event.kind === 1) {
    const head = event.head as { clone?: () => Head }
    return new MessageStart(typeof head.clone === 'function' ? head.clone() : copyHead(event.head))
  }
  return event
}

function copyHead(head: Head): Head {
  try {
    return structuredClone(head)
  } catch {
    // It holds what cannot be cloned, like a function: the copy then shares what is inside.
    return { ...head }
  }
}
