import type { Buffer } from 'node:buffer'
import {
  type Headers,
  RequestDecoder,
  type RequestHead,
  type RequestSink,
  ResponseDecoder,
  type ResponseHead,
  type ResponseSink,
  type Violation,
} from '../../../runtime/codec/http1/index.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import { Data, type Event, MessageEnd, MessageStart, messageEnd, StreamEnd } from '../../../runtime/event.ts'
import type { Context } from '../../context.ts'
import { Filter } from '../../filter.ts'
import type { FilterDefinition } from '../definition.ts'
import { emitMessage } from '../replacement.ts'
import { condition, conditionOf } from './condition.ts'
import { replyToStreamEnd } from './fault-reply.ts'
import { requestsOf } from './pipeline-requests.ts'

class DecodeHTTPRequest extends Filter implements RequestSink {
  private readonly decoder = new RequestDecoder(this)
  /** It has put out the end of the stream. */
  private hasEnded = false

  process(event: Event): void {
    if (this.hasEnded) return
    if (event.kind === 0) {
      if (event.size > 0) this.decoder.decode(event.buffer, event.start, event.end)
    } else if (event.kind === 3) {
      if (event.error === '') this.decoder.finish()
      if (!this.hasEnded) this.next.process(event)
    }
  }

  head(head: RequestHead): void {
    requestsOf(this.pipeline).push(head)
    this.next.process(new MessageStart(head))
  }

  body(buffer: Buffer, start: number, end: number): void {
    this.next.process(Data.borrow(buffer, start, end))
  }

  end(trailers: Headers | undefined): void {
    this.next.process(trailers === undefined ? messageEnd : new MessageEnd({ headers: trailers }))
  }

  violation(violation: Violation): void {
    this.hasEnded = true
    this.next.process(new StreamEnd(new TrafficError('ProtocolError', violation.reason)))
  }
}

const responseOptions = {
  bodiless: condition(
    'Whether responses have no body, as those to HEAD. By default that is known from the requests that encodeHTTPRequest in the same pipeline has sent; where they are sent elsewhere, this says so. Asked as a response begins.',
  ),
} as const

class DecodeHTTPResponse extends Filter implements ResponseSink {
  private readonly decoder = new ResponseDecoder(this)
  private readonly bodiless: ((ctx: Context) => boolean) | undefined
  private isUnderWay = false
  /** It has put out the end of the stream. */
  private hasEnded = false

  constructor(bodiless: ((ctx: Context) => boolean) | undefined) {
    super()
    this.bodiless = bodiless
  }

  process(event: Event): void {
    if (this.hasEnded) return
    if (event.kind === 0) {
      this.decode(event.buffer, event.start, event.end)
    } else if (event.kind === 3) {
      this.endStream(event)
    }
  }

  /** One response at a time: what is expected of the next is asked when it begins. */
  private decode(buffer: Buffer, start: number, end: number): void {
    const { decoder } = this
    let at = start
    while (at < end && !this.hasEnded) {
      if (decoder.isIdle && decoder.expectations === 0)
        decoder.expect(this.methodAsked(this.nextMethod() ?? 'GET'))
      at = decoder.decode(buffer, at, end)
    }
  }

  private methodAsked(method: string): string {
    return this.bodiless === undefined ? method : this.bodiless(this.pipeline.context) ? 'HEAD' : 'GET'
  }

  private nextMethod(): string | undefined {
    return requestsOf(this.pipeline).shift()?.method
  }

  private endStream(end: StreamEnd): void {
    // A body without a length may end so; one that is cut off ends with what cut it.
    if (end.error === '') this.decoder.finish()
    if (this.hasEnded) return
    if (this.isUnderWay || end.error === '') {
      this.next.process(end)
      return
    }
    emitMessage(replyToStreamEnd(end), this.next)
    this.next.process(new StreamEnd())
  }

  head(head: ResponseHead): void {
    this.isUnderWay = true
    this.next.process(new MessageStart(head))
  }

  body(buffer: Buffer, start: number, end: number): void {
    this.next.process(Data.borrow(buffer, start, end))
  }

  end(trailers: Headers | undefined): void {
    this.isUnderWay = false
    this.decoder.suspend()
    this.next.process(trailers === undefined ? messageEnd : new MessageEnd({ headers: trailers }))
  }

  violation(violation: Violation): void {
    this.hasEnded = true
    this.next.process(new StreamEnd(new TrafficError('UpstreamProtocolError', violation.reason)))
  }
}

export const decodeHTTPRequest: FilterDefinition = {
  name: 'decodeHTTPRequest',
  aliases: ['decodeHttpRequest'],
  signature: '()',
  summary: 'Deframes an HTTP request message',
  doc: 'Turns bytes into requests, one after the other: heads { method, path, headers, … } as MessageStart, bodies as Data, trailers in the MessageEnd. Bytes that break RFC 9112 end the stream with ProtocolError, which encodeHTTPResponse behind it answers with 400.',
  accepts: 'bytes',
  emits: 'messages',
  options: {},
  example:
    "listen(6080).decodeHTTPRequest().replaceMessage(new Message('Hi, there!\\n')).encodeHTTPResponse()",
  build: call => {
    call.end()
    return { name: 'decodeHTTPRequest', create: () => new DecodeHTTPRequest() }
  },
}

export const decodeHTTPResponse: FilterDefinition = {
  name: 'decodeHTTPResponse',
  aliases: ['decodeHttpResponse'],
  signature: '([options])',
  summary: 'Deframes an HTTP response message',
  doc: 'Turns bytes into responses: heads { status, statusText, headers, … } as MessageStart, bodies as Data, trailers in the MessageEnd. A stream that ends with an error before a response gives one that says so: 502, 504, 401 or 500.',
  accepts: 'bytes',
  emits: 'messages',
  options: responseOptions,
  example: "$.encodeHTTPRequest().connect('127.0.0.1:8080').decodeHTTPResponse()",
  build: call => {
    const bodiless = conditionOf(call, call.options(responseOptions).bodiless)
    return { name: 'decodeHTTPResponse', create: () => new DecodeHTTPResponse(bodiless) }
  },
}
