import type { Buffer } from 'node:buffer'
import { TrafficError } from '../../../runtime/errors.ts'
import { show } from '../../../runtime/options.ts'
import { turn } from '../../../runtime/turn.ts'
import { tracedPlace } from '../../message-spans.ts'
import type { HTTPRequestHead, HTTPResponseHead } from '../../script/types.ts'
import { methodOf } from '../compression/methods.ts'
import { isThenable } from '../promise.ts'
import { type BodyContent, base64, bodyContent, omit } from './body-content.ts'
import { decompress } from './decompressed.ts'
import { type Contents, DocumentWriter } from './document.ts'
import { nextEventId } from './event-id.ts'
import type { Exchange, ExchangeLog, LoggedMessage } from './exchange.ts'
import { requestView, responseView } from './head-snapshot.ts'
import type { LogSettings } from './log-options.ts'
import type { MediaType } from './media-type.ts'
import { mergeFields } from './merge-fields.ts'
import type { Outlet } from './outlet.ts'
import { Redaction } from './redaction.ts'

/** An exchange as callbacks of a script see it, when it is over. */
export interface LoggedExchange {
  readonly request: HTTPRequestHead
  readonly response: HTTPResponseHead | undefined
  /** Status that the client got; undefined when it got none. */
  readonly status: number | undefined
  readonly durationMs: number
  /** A code of the reference when it failed, else ''. */
  readonly error: string
  readonly requestBytes: number
  readonly responseBytes: number
}

type Decide = (exchange: LoggedExchange, ctx: unknown) => unknown

/** What all logTraffic filters of one place in the script share: it decides, writes and hands on. */
export class TrafficLog implements ExchangeLog, Contents {
  readonly settings: LogSettings
  private readonly outlet: Outlet
  private readonly redaction: Redaction
  private readonly writer: DocumentWriter
  private readonly name: string

  constructor(settings: LogSettings, outlet: Outlet, name: string, thread: number) {
    const { dataset = 'sluice.traffic', namespace = 'default', service = '', headers } = settings
    this.settings = settings
    this.outlet = outlet
    this.name = name
    this.redaction = new Redaction(settings.redact, settings.reveal)
    this.writer = new DocumentWriter({ dataset, namespace, service, headers }, this.redaction, thread)
  }

  /** Whether an exchange that was not chosen may be logged all the same. */
  get mayKeep(): boolean {
    const { keep } = this.settings
    return keep.errors || keep.slowerThan > 0
  }

  write(exchange: Exchange): void {
    const { edge } = this.outlet
    if (!this.wants(exchange)) {
      edge.accepted++
      edge.drop('not-sampled')
      exchange.release()
      return
    }
    const { request, response } = exchange
    if (this.isPacked(request) || (response !== null && this.isPacked(response))) this.writeLater(exchange)
    else this.hand(exchange, this)
  }

  private wants(exchange: Exchange): boolean {
    const { keep, when } = this.settings
    const isWanted =
      exchange.isChosen ||
      (keep.errors && (exchange.error !== '' || exchange.status >= 500)) ||
      (keep.slowerThan > 0 && exchange.durationMs >= keep.slowerThan)
    if (!isWanted || when === undefined) return isWanted
    // One that cannot be decided is logged.
    return Boolean(this.ask(when as Decide, exchange, true))
  }

  private ask<T>(callback: Decide, exchange: Exchange, otherwise: T): unknown {
    try {
      const answer = callback(viewOf(exchange), exchange.pipeline.context)
      if (!isThenable(answer)) return answer
      throw new TrafficError(
        'RuntimeError',
        `a callback of ${this.name} must answer at once, and gave a promise`,
      )
    } catch (thrown) {
      exchange.pipeline.session.program.reportFault(this.name, TrafficError.from(thrown))
      return otherwise
    }
  }

  private hand(exchange: Exchange, contents: Contents): void {
    const id = nextEventId()
    const { json, traceId, spanId } = this.writer.write(exchange, id, contents)
    exchange.release()
    this.outlet.write(
      {
        id,
        timeMs: exchange.startMs,
        json: this.withFields(exchange, json),
        traceId,
        spanId,
        trace: tracedPlace(exchange.pipeline),
      },
      exchange.pipeline,
    )
  }

  private withFields(exchange: Exchange, json: string): string {
    const { fields } = this.settings
    if (fields === undefined) return json
    const more = this.ask(fields as Decide, exchange, undefined)
    if (more === undefined || more === null) return json
    if (typeof more === 'object' && !Array.isArray(more)) return mergeFields(json, more)
    const fault = new TrafficError(
      'RuntimeError',
      `fields of ${this.name} must give an object, and gave ${show(more)}`,
    )
    exchange.pipeline.session.program.reportFault(this.name, fault)
    return json
  }

  /** Whether what was captured of a body must be decompressed before it can be written. */
  private isPacked(message: LoggedMessage): boolean {
    return (
      message.capture !== null &&
      this.settings.bodies?.decompress === true &&
      methodOf(message.field('content-encoding')) !== undefined
    )
  }

  of(message: LoggedMessage, encoding: string): BodyContent | null {
    const { capture } = message
    const { bodies } = this.settings
    if (bodies === null || message.bytes === 0 || message.type === null) return null
    if (capture === null) return omit('type')
    const { buffer, length, isCut } = capture
    if (encoding === '' || encoding === 'identity') return this.read(buffer, length, isCut, message.type)
    if (bodies.binary === 'omit') return omit('encoding')
    return this.redaction.concernsJSON ? omit('redaction') : base64(buffer, length, isCut)
  }

  private read(bytes: Buffer, length: number, isCut: boolean, type: MediaType): BodyContent {
    return bodyContent(bytes, length, isCut, type, this.redaction, this.settings.bodies as never)
  }

  private writeLater(exchange: Exchange): void {
    const { request, response, pipeline } = exchange
    const { program } = pipeline.session
    const { edge } = this.outlet
    // Draining waits for it.
    program.entered(exchange)
    edge.accepted++
    edge.inFlight++
    const contents = Promise.all([this.unpack(request), response === null ? null : this.unpack(response)])
    void contents.then(([asked, answered]) => {
      edge.accepted--
      edge.inFlight--
      turn.begin(null)
      try {
        this.hand(exchange, { of: message => (message === request ? asked : answered) })
      } finally {
        turn.end()
        program.left(exchange)
      }
    })
  }

  private async unpack(message: LoggedMessage): Promise<BodyContent | null> {
    const { capture, type } = message
    const encoding = message.field('content-encoding') ?? ''
    const method = methodOf(encoding)
    if (capture === null || type === null || method === undefined) return this.of(message, encoding)
    const { bodies } = this.settings
    const packed = capture.buffer.subarray(0, capture.length)
    const { bytes, isCut } = await decompress(packed, method, bodies?.limit ?? 0)
    return this.read(bytes, bytes.length, isCut || capture.isCut, type)
  }
}

function viewOf({ request, response, status, durationMs, error }: Exchange): LoggedExchange {
  return {
    request: requestView(request.snapshot),
    response: response === null ? undefined : responseView(response.snapshot),
    status: status === 0 ? undefined : status,
    durationMs,
    error,
    requestBytes: request.bytes,
    responseBytes: response?.bytes ?? 0,
  }
}
