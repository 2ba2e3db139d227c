import type { RequestHead, RequestLike, ResponseLike } from '../../../runtime/codec/http1/index.ts'
import { Framing } from '../../../runtime/codec/http1/index.ts'
import { type Event, StreamEnd } from '../../../runtime/event.ts'
import { type OptionSpecs, type Resolved, size } from '../../../runtime/options.ts'
import { withBaggage } from '../../../runtime/trace/baggage.ts'
import { traceFields } from '../../../runtime/trace/propagation.ts'
import { tracing } from '../../../runtime/trace/tracing.ts'
import type { Context } from '../../context.ts'
import { type EventPort, Filter } from '../../filter.ts'
import type { FilterCall, FilterDefinition } from '../definition.ts'
import { emitMessage } from '../replacement.ts'
import { condition, conditionOf } from './condition.ts'
import { replyToStreamEnd } from './fault-reply.ts'
import { defaultBufferBytes, MessageWriter, type WriteMode, type WriterOwner } from './message-writer.ts'
import { type RequestFacts, requestsOf } from './pipeline-requests.ts'

const options = {
  bufferSize: size(
    defaultBufferBytes,
    'Bytes of a body of unknown length that are held to see whether it ends in the same turn: then it is sent with Content-Length, else in chunks.',
  ),
} as const satisfies OptionSpecs

const responseOptions = {
  ...options,
  bodiless: condition(
    'Whether responses have no body, as those to HEAD. By default that is known from the requests that decodeHTTPRequest in the same pipeline has read; where they are read elsewhere, this says so.',
  ),
  final: condition(
    'Whether the connection ends behind the response. By default it does when the client wants it, as far as its request is known.',
  ),
} as const satisfies OptionSpecs

type Ask = ((ctx: Context) => boolean) | undefined

/** In Pipy's first generation a head given here takes the place of the message's own. */
type HeadOverride = object | ((ctx: Context) => object) | undefined

abstract class Encode extends Filter implements WriterOwner {
  protected readonly writer: MessageWriter
  private readonly override: HeadOverride

  constructor(isRequest: boolean, settings: Resolved<typeof options>, override: HeadOverride) {
    super()
    this.writer = new MessageWriter(this, isRequest, settings.bufferSize)
    this.override = override
  }

  process(event: Event): void {
    switch (event.kind) {
      case 0:
        this.writer.data(event)
        return
      case 1: {
        const { override } = this
        const head =
          override === undefined
            ? event.head
            : typeof override === 'function'
              ? override(this.pipeline.context)
              : override
        this.writer.start(head, this.modeOf(head), this.next)
        return
      }
      case 2:
        this.endMessage(this.writer.end(event.tail))
        return
      case 3:
        this.endStream(event)
        return
      default:
        event satisfies never
    }
  }

  heldToTheEnd(): void {
    this.pipeline.run(() => this.writer.release())
  }

  protected abstract modeOf(head: object): WriteMode

  protected endMessage(isWhole: boolean): void {
    if (!isWhole) this.next.process(new StreamEnd('ConnectionAborted'))
  }

  protected endStream(end: StreamEnd): void {
    this.next.process(end)
  }
}

class EncodeHTTPRequest extends Encode {
  protected modeOf(head: RequestLike & Partial<RequestHead>): WriteMode {
    requestsOf(this.pipeline).push({ method: head.method ?? 'GET', keepAlive: true, isHTTP10: false })
    const connection = head.upgrade === undefined ? '' : 'upgrade'
    return { connection, canChunk: true, isBodiless: false, omitted: Framing.none, trace: this.traceOf(head) }
  }

  /** One that came with a trace of its own, or was given one, keeps it: its span is not ours. */
  private traceOf(head: RequestLike & Partial<RequestHead>): string {
    const { tracer } = tracing
    const place = tracer === null ? null : this.pipeline.trace
    if (tracer === null || place === null || (head.hasTrace === true && tellsOfTrace(head))) return ''
    return head.headers?.traceparent === undefined ? withBaggage(tracer.linesOf(place), place, head) : ''
  }
}

/** It may have baggage alone. */
const tellsOfTrace = (head: Partial<RequestHead>): boolean =>
  traceFields.some(name => head.header?.(name) !== undefined)

class EncodeHTTPResponse extends Encode {
  private request: RequestFacts | undefined
  private isInterim = false
  private isUnderWay = false
  private isFinal = false
  private readonly bodiless: Ask
  private readonly final: Ask

  constructor(settings: Resolved<typeof options>, override: HeadOverride, bodiless: Ask, final: Ask) {
    super(false, settings, override)
    this.bodiless = bodiless
    this.final = final
  }

  protected modeOf(head: ResponseLike): WriteMode {
    const status = head.status ?? 200
    this.isUnderWay = true
    this.isInterim = status < 200 && status !== 101
    if (!this.isInterim) this.request = requestsOf(this.pipeline).shift()
    const { request } = this
    const { context } = this.pipeline
    const isToHead = this.bodiless === undefined ? request?.method === 'HEAD' : this.bodiless(context)
    const isBodiless = this.isInterim || status === 204 || status === 304 || isToHead
    this.isFinal = !this.isInterim && (this.final?.(context) ?? request?.keepAlive === false)
    const connection =
      this.isInterim || (request === undefined && !this.isFinal)
        ? ''
        : this.isFinal || request === undefined
          ? 'close'
          : request.isHTTP10
            ? 'keep-alive'
            : ''
    return {
      connection,
      canChunk: request === undefined || !request.isHTTP10,
      isBodiless,
      omitted: Framing.none,
      trace: '',
    }
  }

  protected override endMessage(isWhole: boolean): void {
    this.isUnderWay = false
    if (!isWhole) this.next.process(new StreamEnd('ConnectionAborted'))
    else if (!this.isInterim && (this.isFinal || this.writer.endsWithConnection))
      this.next.process(new StreamEnd())
  }

  /** What failed on the way here is told to the client, unless its response has begun. */
  protected override endStream(end: StreamEnd): void {
    const answered: EventPort = { takesText: false, process: event => this.process(event as Event) }
    if (
      end.error !== '' &&
      !this.isUnderWay &&
      (end.error === 'ProtocolError' || requestsOf(this.pipeline).length > 0)
    ) {
      emitMessage(replyToStreamEnd(end), answered)
      this.next.process(new StreamEnd())
    } else {
      this.next.process(end)
    }
  }
}

const takeOverride = (call: FilterCall): HeadOverride => {
  const given = call.peek()
  if (typeof given === 'function') return call.take() as HeadOverride
  if (typeof given !== 'object' || given === null) return undefined
  const isHead =
    'headers' in given ||
    'status' in given ||
    'method' in given ||
    'path' in given ||
    'protocol' in given ||
    'statusText' in given
  return isHead ? (call.take() as object) : undefined
}

export const encodeHTTPRequest: FilterDefinition = {
  name: 'encodeHTTPRequest',
  aliases: ['encodeHttpRequest'],
  signature: '([options])',
  summary: 'Frames an HTTP request message',
  doc: "Turns messages into HTTP/1.1 requests. The length of the body is found from the head, or by waiting for its end within the turn; else it is sent in chunks. A head given in place of options takes the place of each message's own, as in older Pipy.",
  accepts: 'messages',
  emits: 'bytes',
  options,
  example: "$.encodeHTTPRequest().connect('127.0.0.1:8080').decodeHTTPResponse()",
  build: call => {
    const override = takeOverride(call)
    const settings = call.options(options)
    return { name: 'encodeHTTPRequest', create: () => new EncodeHTTPRequest(true, settings, override) }
  },
}

export const encodeHTTPResponse: FilterDefinition = {
  name: 'encodeHTTPResponse',
  aliases: ['encodeHttpResponse'],
  signature: '([options])',
  summary: 'Frames an HTTP response message',
  doc: "Turns messages into HTTP/1.1 responses to the requests that decodeHTTPRequest in the same pipeline has read: without a body for HEAD, 204 and 304, and with a StreamEnd behind it when the client wants the connection closed. A head given in place of options takes the place of each message's own, as in older Pipy.",
  accepts: 'messages',
  emits: 'bytes',
  options: responseOptions,
  example:
    "listen(6080).decodeHTTPRequest().replaceMessage(new Message('Hi, there!\\n')).encodeHTTPResponse()",
  build: call => {
    const override = takeOverride(call)
    const settings = call.options(responseOptions)
    const bodiless = conditionOf(call, settings.bodiless)
    const final = conditionOf(call, settings.final)
    return {
      name: 'encodeHTTPResponse',
      create: () => new EncodeHTTPResponse(settings, override, bodiless, final),
    }
  },
}
