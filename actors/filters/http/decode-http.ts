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
import { Filter } from '../../filter.ts'
import type { FilterDefinition } from '../definition.ts'
import { emitMessage } from '../replacement.ts'
import { replyToStreamEnd } from './fault-reply.ts'
import { requestsOf } from './pipeline-requests.ts'

class DecodeHTTPRequest extends Filter implements RequestSink {
  private readonly decoder = new RequestDecoder(this)

  process(event: Event): void {
    if (event.kind === 0) {
      if (event.size > 0) this.decoder.decode(event.buffer, event.start, event.end)
    } else if (event.kind === 3) {
      this.decoder.finish()
      this.next.process(event)
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
    this.next.process(new StreamEnd(new TrafficError('ProtocolError', violation.reason)))
  }
}

class DecodeHTTPResponse extends Filter implements ResponseSink {
  private readonly decoder = new ResponseDecoder(this)
  private isUnderWay = false

  process(event: Event): void {
    if (event.kind === 0) {
      if (event.size === 0) return
      if (this.decoder.isIdle && this.decoder.expectations === 0)
        this.decoder.expect(this.nextMethod() ?? 'GET')
      this.decoder.decode(event.buffer, event.start, event.end)
    } else if (event.kind === 3) {
      this.endStream(event)
    }
  }

  private nextMethod(): string | undefined {
    return requestsOf(this.pipeline).shift()?.method
  }

  private endStream(end: StreamEnd): void {
    this.decoder.finish()
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
    const method = this.nextMethod()
    if (method !== undefined) this.decoder.expect(method)
    this.next.process(trailers === undefined ? messageEnd : new MessageEnd({ headers: trailers }))
  }

  violation(violation: Violation): void {
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
  signature: '()',
  summary: 'Deframes an HTTP response message',
  doc: 'Turns bytes into responses: heads { status, statusText, headers, … } as MessageStart, bodies as Data, trailers in the MessageEnd. A stream that ends with an error before a response gives one that says so: 502, 504, 401 or 500.',
  accepts: 'bytes',
  emits: 'messages',
  options: {},
  example: "$.encodeHTTPRequest().connect('127.0.0.1:8080').decodeHTTPResponse()",
  build: call => {
    call.end()
    return { name: 'decodeHTTPResponse', create: () => new DecodeHTTPResponse() }
  },
}
