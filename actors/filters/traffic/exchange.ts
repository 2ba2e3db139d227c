// Hot path: one object per logged exchange, and a few stores per event of it.

import type { Buffer } from 'node:buffer'
import { monotonicMs, wallMs } from '../../../runtime/clock.ts'
import type { RequestHead, ResponseLike } from '../../../runtime/codec/http1/index.ts'
import { type FaultCode, type FaultSource, faults, TrafficError } from '../../../runtime/errors.ts'
import type { Data, StreamEnd } from '../../../runtime/event.ts'
import type { TraceContext } from '../../../runtime/trace/trace-context.ts'
import { type Flushable, turn } from '../../../runtime/turn.ts'
import { tracedPlace } from '../../message-spans.ts'
import type { Pipeline, Upstream } from '../../pipeline.ts'
import { BodyCapture } from './body-capture.ts'
import { type BodySettings, isWanted } from './body-content.ts'
import { endsOf, tunnelEnds } from './connection-ends.ts'
import type { ExchangeRecord, MadeHead, MessageRecord } from './exchange-record.ts'
import { type CopiedHead, copyOf, type Fields, type HeadSnapshot, rawOf } from './head-snapshot.ts'
import { mediaTypeOf } from './media-type.ts'

/** Stands for the head of a request that could not be read. */
const unread = { method: '', path: '' }

/** Who takes an exchange when it is over. */
export interface ExchangeLog {
  write(exchange: Exchange): void
}

/** One side's message, as it passes by. */
export class LoggedMessage implements HeadSnapshot, MessageRecord {
  readonly head: object
  readonly raw: string
  readonly copy: CopiedHead | null
  /** Bytes of the body so far. */
  bytes = 0
  packing = ''
  body: BodyCapture | null = null
  isDone = false
  /** Null when nothing of the body is recorded. */
  private readonly bodies: BodySettings | null
  private json: MadeHead | null = null

  constructor(head: object, bodies: BodySettings | null) {
    const copy = copyOf(head)
    this.head = head
    this.raw = rawOf(head, copy)
    this.copy = copy
    this.bodies = bodies
  }

  get lineEnd(): number {
    return this.copy === null ? (this.head as RequestHead).lineEnd : 0
  }

  get firstEnd(): number {
    return this.copy === null ? ((this.head as RequestHead).firstEnd ?? 0) : 0
  }

  get secondEnd(): number {
    return this.copy === null ? (this.head as RequestHead).secondEnd : 0
  }

  get isHTTP10(): boolean {
    return this.copy === null && (this.head as RequestHead).httpMinor === 0
  }

  get made(): MadeHead | null {
    if (this.copy !== null) this.json ??= madeOf(this.copy)
    return this.json
  }

  get showsBody(): boolean {
    return this.bodies !== null
  }

  add(data: Data): void {
    const { bodies } = this
    if (bodies !== null && this.bytes === 0 && data.end > data.start) this.begin(bodies)
    this.bytes += data.end - data.start
    if (this.body !== null) this.body.add(data, (bodies as BodySettings).limit)
  }

  private begin({ types, decompress }: BodySettings): void {
    if (!types.includes('*') && !isWanted(mediaTypeOf(this.field('content-type') ?? ''), types)) return
    this.body = BodyCapture.take()
    if (decompress) this.packing = this.field('content-encoding') ?? ''
  }

  /** One field of the head. */
  private field(name: string): string | undefined {
    const { head, copy } = this
    if (copy === null) return (head as RequestHead).header(name)
    const value = copy.headers[name]
    return value === undefined ? undefined : String(value)
  }

  /** What was captured is not needed any more. */
  release(): void {
    this.body?.release()
    this.body = null
  }
}

function madeOf({ method, path, headers }: CopiedHead): MadeHead {
  return { method: String(method ?? 'GET'), target: String(path ?? '/'), headers: textsOf(headers) }
}

/** Fields as scripts write them, as text. */
function textsOf(fields: Fields): Readonly<Record<string, string>> {
  const texts: [string, string][] = []
  for (const name of Object.keys(fields)) {
    const value = fields[name]
    if (value === undefined || value === null) continue
    texts.push([name, Array.isArray(value) ? value.join(', ') : String(value)])
  }
  return Object.fromEntries(texts)
}

/**
 * A request and what became of it, from its head to the last byte of its response.
 *
 *     request head ──► … ──► response head ──► … ──► both done, or the tunnel or the pipeline ends ──► logged
 *                               └── or an error, of either side
 */
export class Exchange implements Flushable, ExchangeRecord {
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
  // Beside what is noted as it passes by; see `complete`.
  upstream: Upstream | null = null
  ends: Buffer | null = null
  isSecure = false
  traceparent = ''
  place: string | undefined = undefined
  fields = ''
  private readonly startedAt = monotonicMs()
  private readonly log: ExchangeLog
  private readonly bodies: BodySettings | null
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
    this.bodies = bodies
    this.request = new LoggedMessage(head, bodies?.request ? bodies : null)
  }

  /** What came was no request: all that is known is what the client was told. */
  static refused(log: ExchangeLog, pipeline: Pipeline, status: number, reason: string): void {
    const exchange = new Exchange(log, pipeline, unread, null, true)
    exchange.fail('ProtocolError', reason, status)
    exchange.finish()
  }

  requestData(data: Data): void {
    if (this.isOver) return
    if (this.isTunnel) this.receivedBytes += data.end - data.start
    else this.request.add(data)
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
    this.response = new LoggedMessage(head, this.bodies?.response ? this.bodies : null)
    this.isTunnel = status === 101 || (this.isConnect && status < 300)
  }

  private get isConnect(): boolean {
    const { raw, copy } = this.request
    return copy === null ? raw.startsWith('CONNECT ') : copy.method === 'CONNECT'
  }

  responseData(data: Data): void {
    const { response } = this
    if (response === null || this.isOver) return
    if (this.isTunnel && response.isDone) this.sentBytes += data.end - data.start
    else response.add(data)
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

  /** Once it is over and is to be written: from here on it is a record. */
  complete(fields: string): void {
    const { pipeline, trace } = this
    const { sentOver } = pipeline
    // None for requests that a script made.
    const inbound = pipeline.context.__inbound
    this.upstream = sentOver === null ? pipeline.upstream : sentOver.upstream
    this.ends = inbound === undefined ? null : this.isTunnel ? tunnelEnds(inbound, this) : endsOf(inbound)
    this.isSecure = inbound?.tls !== undefined
    this.traceparent = trace === null ? '' : trace.traceparent
    this.place = tracedPlace(pipeline)
    this.fields = fields
  }

  /** What was captured is not needed any more. */
  release(): void {
    this.request.release()
    this.response?.release()
  }
}
