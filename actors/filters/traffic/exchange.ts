// Hot path: one object per logged exchange, and a few stores per event of it.

import { monotonicMs, wallMs } from '../../../runtime/clock.ts'
import type { RequestHead, ResponseLike } from '../../../runtime/codec/http1/index.ts'
import { type FaultCode, type FaultSource, faults, TrafficError } from '../../../runtime/errors.ts'
import type { Data, StreamEnd } from '../../../runtime/event.ts'
import type { TraceContext } from '../../../runtime/trace/trace-context.ts'
import { type Flushable, turn } from '../../../runtime/turn.ts'
import type { Inbound } from '../../inbound.ts'
import type { Pipeline, Upstream } from '../../pipeline.ts'
import { BodyCapture } from './body-capture.ts'
import { type BodySettings, isWanted } from './body-content.ts'
import { type HeadSnapshot, snapshotOf } from './head-snapshot.ts'
import { type MediaType, mediaTypeOf } from './media-type.ts'

/** Stands for the head of a request that could not be read. */
const unread = { method: '', path: '' }

/** Who takes an exchange when it is over. */
export interface ExchangeLog {
  write(exchange: Exchange): void
}

/** One side's message, as it passes by. */
export class LoggedMessage {
  readonly snapshot: HeadSnapshot
  /** Bytes of the body so far. */
  bytes = 0
  /** Of a body that may be recorded, as its head says. */
  contentType = ''
  type: MediaType | null = null
  capture: BodyCapture | null = null
  isDone = false

  constructor(head: object) {
    this.snapshot = snapshotOf(head)
  }

  /** @param bodies null when nothing of the body is recorded */
  add(data: Data, bodies: BodySettings | null): void {
    if (this.bytes === 0 && bodies !== null && data.end > data.start) this.begin(bodies)
    this.bytes += data.end - data.start
    if (this.capture !== null) this.capture.add(data, (bodies as BodySettings).limit)
  }

  private begin(bodies: BodySettings): void {
    this.contentType = this.field('content-type') ?? ''
    this.type = mediaTypeOf(this.contentType)
    if (isWanted(this.type, bodies.types)) this.capture = BodyCapture.take()
  }

  /** One field of the head. */
  field(name: string): string | undefined {
    const { head, copy } = this.snapshot
    if (copy === null) return (head as RequestHead).header(name)
    const value = copy.headers[name]
    return value === undefined ? undefined : String(value)
  }
}

/**
 * A request and what became of it, from its head to the last byte of its response.
 *
 *     request head ──► … ──► response head ──► … ──► both done, or the tunnel or the pipeline ends ──► logged
 *                               └── or an error, of either side
 */
export class Exchange implements Flushable {
  readonly pipeline: Pipeline
  readonly request: LoggedMessage
  response: LoggedMessage | null = null
  /** Status that the client got; 0 when it got none. */
  status = 0
  readonly isChosen: boolean
  /** Where in a trace it stands, when it is traced. */
  readonly trace: TraceContext | null
  readonly startMs = wallMs()
  durationMs = 0
  error: FaultCode | '' = ''
  reason = ''
  blame: FaultSource | '' = ''
  /** Bytes both ways behind the switch to another protocol. */
  sentBytes = 0
  receivedBytes = 0
  isTunnel = false
  isOver = false
  private readonly startedAt = monotonicMs()
  private readonly log: ExchangeLog
  private readonly requestBodies: BodySettings | null
  private readonly responseBodies: BodySettings | null
  private isInterim = false

  /**
   * @param bodies null when nothing of them is recorded
   * @param isChosen whether it is among those that are logged whatever becomes of them
   */
  constructor(
    log: ExchangeLog,
    pipeline: Pipeline,
    head: object,
    bodies: BodySettings | null,
    isChosen: boolean,
  ) {
    this.isChosen = isChosen
    this.log = log
    this.pipeline = pipeline
    this.trace = pipeline.trace
    this.request = new LoggedMessage(head)
    this.requestBodies = bodies?.request ? bodies : null
    this.responseBodies = bodies?.response ? bodies : null
  }

  /** What came was no request: all that is known is what the client was told. */
  static refused(log: ExchangeLog, pipeline: Pipeline, status: number, reason: string): void {
    const exchange = new Exchange(log, pipeline, unread, null, true)
    exchange.fail('ProtocolError', reason, status)
    exchange.finish()
  }

  /** The connection that it came over; undefined for requests that a script made. */
  get inbound(): Inbound | undefined {
    return this.pipeline.context.__inbound
  }

  /** Where the request was sent, if it was. */
  get upstream(): Upstream | null {
    const { sentOver, upstream } = this.pipeline
    return sentOver === null ? upstream : sentOver.upstream
  }

  requestData(data: Data): void {
    if (this.isOver) return
    if (this.isTunnel) this.receivedBytes += data.end - data.start
    else this.request.add(data, this.requestBodies)
  }

  requestEnded(): void {
    if (this.isOver) return
    this.request.isDone = true
    if (this.response?.isDone && !this.isTunnel) this.finish()
  }

  /** The client's side has ended; with an error, it is the client that is to blame for what follows. */
  requestStreamEnded(end: StreamEnd): void {
    if (end.error === '' || this.isOver || this.error !== '') return
    this.error = end.error
    this.reason = end.reason
    this.blame = 'downstream'
    if (end.error === 'ProtocolError' && this.status === 0) this.status = faults.ProtocolError.status
  }

  responseStarted(head: object): void {
    if (this.isOver) return
    const status = (head as ResponseLike).status ?? 200
    this.isInterim = status < 200 && status !== 101
    if (this.isInterim || this.response !== null) return
    this.status = status
    this.response = new LoggedMessage(head)
    this.isTunnel = status === 101 || (this.isConnect && status < 300)
  }

  private get isConnect(): boolean {
    const { raw, copy } = this.request.snapshot
    return copy === null ? raw.startsWith('CONNECT ') : copy.method === 'CONNECT'
  }

  responseData(data: Data): void {
    const { response } = this
    if (response === null || this.isOver) return
    if (this.isTunnel && response.isDone) this.sentBytes += data.end - data.start
    else response.add(data, this.responseBodies)
  }

  responseEnded(): void {
    if (this.isInterim) {
      this.isInterim = false
      return
    }
    if (this.response === null || this.isOver) return
    this.response.isDone = true
    if (!this.isTunnel && this.request.isDone) this.finish()
  }

  /** Whoever answers has ended, in the middle of a response or instead of one. */
  responseStreamEnded(end: StreamEnd): void {
    if (this.isOver) return
    if (this.isTunnel) {
      if (end.error !== '') this.fail(end.error, end.reason, undefined)
      return
    }
    if (this.response !== null && end.error === '') this.response.isDone = true
    else if (end.error === '') this.fail('UnknownError', 'The connection ended without a response', 502)
    else this.fail(end.error, end.reason, undefined)
    this.finish()
  }

  private fail(code: FaultCode, reason: string, status: number | undefined): void {
    // What the client broke is told as such, whoever noticed it next.
    if (this.error !== '') return
    this.error = code
    this.reason = reason
    this.blame = faults[code].source
    // A response of the proxy itself takes the place of one that is missing.
    if (this.status === 0) this.status = status ?? faults[code].status
  }

  /** The pipeline has stopped: whatever has not come by now will not. */
  abandon(): void {
    if (this.isOver) return
    const { fault } = this.pipeline
    if (fault !== undefined) this.fail(fault.code, fault.message, undefined)
    else if (!this.isTunnel && this.error === '' && !this.response?.isDone) {
      this.error = 'ConnectionAborted'
      this.reason = 'The client left before it had the response'
      this.blame = 'downstream'
    }
    this.finish()
  }

  private finish(): void {
    if (this.isOver) return
    this.isOver = true
    this.durationMs = monotonicMs() - this.startedAt
    // Behind the writes of this turn: the client has its response before it is written about.
    turn.defer(this)
  }

  flush(): void {
    try {
      this.log.write(this)
    } catch (thrown) {
      this.pipeline.session.pipelineFailed(this.pipeline, TrafficError.from(thrown))
    }
  }

  /** What was captured is not needed any more. */
  release(): void {
    this.request.capture?.release()
    this.response?.capture?.release()
    this.request.capture = null
    if (this.response !== null) this.response.capture = null
  }
}
