// Hot path: every request to and every response from an upstream passes here.

import type { Buffer } from 'node:buffer'
import {
  Framing,
  type Headers,
  type RequestHead,
  ResponseDecoder,
  type ResponseHead,
  type ResponseSink,
  type Violation,
} from '../../../runtime/codec/http1/index.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import { Data, type Event, MessageEnd, MessageStart, messageEnd, StreamEnd } from '../../../runtime/event.ts'
import { withBaggage } from '../../../runtime/trace/baggage.ts'
import type { Span } from '../../../runtime/trace/span.ts'
import type { TraceContext } from '../../../runtime/trace/trace-context.ts'
import { tracing } from '../../../runtime/trace/tracing.ts'
import { type Flushable, type Source, turn } from '../../../runtime/turn.ts'
import { cloneContext } from '../../context.ts'
import type { EventPort } from '../../filter.ts'
import type { Edge } from '../../kernel/ledger.ts'
import type { Pipeline, PipelineLayout } from '../../pipeline.ts'
import { giveArguments } from '../../start-arguments.ts'
import type { PooledSession, SessionPool } from '../compose/session-pool.ts'
import { upstreamMetrics } from '../connect/upstream-metrics.ts'
import { activeClientRequests, clientDurations, type ExchangeDurations } from './http-metrics.ts'
import { beginClientSpan, endClientSpan } from './http-spans.ts'
import { MessageWriter, type WriteMode, type WriterOwner } from './message-writer.ts'

/** Who sends requests over a session and waits for the responses. */
export interface Requester {
  respond(event: Event): void
  /** The exchange is complete but for the last event of the response, which follows; the session is not ours any more. */
  detached(): void
  /** The last event has been given: a next exchange may begin. */
  finished(): void
  /** @param wasLost no byte of a response came, and none will: the connection ended */
  failed(end: StreamEnd, wasLost: boolean): void
}

export interface ClientSettings {
  readonly bufferSize: number
  readonly maxMessages: number
}

/**
 * The client's side of an HTTP/1.1 connection: a shared pipeline (usually just `connect`) with the codec around it.
 * It carries one exchange at a time, so that requests of different clients never wait for each other.
 *
 *     idle ──begin──► busy ──response complete, request complete──► idle (back to the pool)
 *                      │        └── its end waits for a slow client ──► withheld ──► idle
 *                      └── either side closes, or a rule is broken ──► ended
 *
 * What is sent in runs inside the pipeline's actor, and so does the decoder.
 */
export class HTTPClientSession implements PooledSession, ResponseSink, EventPort, Flushable, WriterOwner {
  readonly takesText = false
  isTunnel = false
  readonly pipeline: Pipeline
  private readonly pool: SessionPool<HTTPClientSession>
  private readonly decoder = new ResponseDecoder(this)
  private readonly writer: MessageWriter
  private readonly mode: WriteMode = {
    connection: '',
    canChunk: true,
    isBodiless: false,
    omitted: Framing.none,
    trace: '',
  }
  private readonly replies: ReplyPort
  private readonly maxMessages: number
  private requester: Requester | null = null
  private served = 0
  private method = ''
  private isRequestDone = true
  private isResponseDone = true
  private isInterim = false
  private isPersistent = true
  private hasEnded = false
  /** Not in the pool although nobody uses it: it may not read yet. */
  private isWithheld = false
  /** When the exchange began (0: none is under way), the status of its response, and its span, if it is recorded. */
  private startMs = 0
  private status = 0
  private span: Span | null = null
  private durations: ExchangeDurations | null = null

  constructor(
    layout: PipelineLayout,
    opener: Pipeline,
    pool: SessionPool<HTTPClientSession>,
    settings: ClientSettings,
  ) {
    this.pool = pool
    this.maxMessages = settings.maxMessages
    this.writer = new MessageWriter(this, true, settings.bufferSize)
    this.replies = new ReplyPort(this)
    this.pipeline = layout.spawn(cloneContext(opener.context), opener.session, null, this.replies)
    this.pipeline.chain = opener.chain
    giveArguments(this.pipeline, [pool.key])
    pool.added()
  }

  /** Whether it has carried an exchange before: then the other side may be about to close it. */
  get isReused(): boolean {
    return this.served > 0
  }

  /**
   * Begins an exchange.
   *
   * @param trace where in a trace it stands; null when tracing is off
   * @param sinceMs when it was wanted, if it had to wait for this session
   * @param resends how often it was sent already
   */
  begin(
    requester: Requester,
    start: MessageStart,
    edge: Edge,
    trace: TraceContext | null,
    sinceMs = 0,
    resends = 0,
  ): void {
    this.requester = requester
    this.startMs = turn.nowMs()
    this.status = 0
    activeClientRequests.value++
    if (tracing.tracer !== null) this.beginTrace(trace, start, sinceMs, resends)
    this.isRequestDone = false
    this.isResponseDone = false
    this.served++
    if (this.served === this.maxMessages) this.isPersistent = false
    this.send(start, edge)
  }

  private beginTrace(
    trace: TraceContext | null,
    start: MessageStart,
    sinceMs: number,
    resends: number,
  ): void {
    const { tracer } = tracing
    if (trace === null || tracer === null) {
      this.mode.trace = ''
      return
    }
    this.span = trace.isRecorded ? beginClientSpan(trace as Span, start.head, sinceMs, resends) : null
    const own = this.span ?? trace
    this.pipeline.ownTrace = own
    this.mode.trace = withBaggage(tracer.linesOf(own), own, start.head)
  }

  /** The exchange is over, or will never be. */
  private endMeasuring(fault: string): void {
    const { span, pipeline, status, startMs } = this
    if (startMs === 0) return
    this.startMs = 0
    activeClientRequests.value--
    if (this.durations === null) {
      const { upstream } = pipeline
      const durations = clientDurations(
        upstream === null ? null : upstreamMetrics(upstream.host, upstream.port),
      )
      if (upstream !== null) this.durations = durations
      durations.ended(this.method, status, fault, turn.elapsedMs(startMs), span)
    } else this.durations.ended(this.method, status, fault, turn.elapsedMs(startMs), span)
    if (span === null) return
    pipeline.ownTrace = null
    this.span = null
    endClientSpan(span, pipeline.upstream, status, fault)
  }

  /** Takes an event of the request. */
  send(event: Event, edge: Edge): void {
    edge.accepted++
    this.pipeline.deliver(this, event, edge)
  }

  /** An event of the request, inside the pipeline's actor. */
  process(event: Event): void {
    if (this.hasEnded) return
    const { pipeline } = this
    switch (event.kind) {
      case 0:
        // An upstream may switch before it has read the whole request, which is still to be framed then.
        if (this.isTunnel && this.isRequestDone) pipeline.first.process(event)
        else this.writer.data(event)
        return
      case 1:
        this.startRequest(event)
        return
      case 2:
        if (!this.writer.end(event.tail)) {
          this.close(
            new StreamEnd(
              new TrafficError('ProtocolError', 'the request body is shorter than its Content-Length'),
            ),
            false,
          )
          return
        }
        this.isRequestDone = true
        if (this.isResponseDone) {
          const { requester } = this
          this.recycle()
          requester?.finished()
        }
        return
      case 3:
        pipeline.first.process(event)
        return
      default:
        event satisfies never
    }
  }

  private startRequest(start: MessageStart): void {
    const head = start.head as RequestHead & { expectsContinue?: boolean }
    const { mode } = this
    mode.connection =
      head.upgrade === undefined || head.upgrade.toLowerCase() === 'h2c'
        ? this.isPersistent
          ? ''
          : 'close'
        : 'upgrade'
    this.method = head.method ?? 'GET'
    this.decoder.expect(this.method)
    // The client's question goes with the head, and the answer will come from the other side.
    if (head.expectsContinue) (head as { expectsContinue: boolean }).expectsContinue = false
    this.writer.start(head, mode, this.pipeline.first)
  }

  heldToTheEnd(): void {
    this.pipeline.run(() => {
      if (!this.hasEnded) this.writer.release()
    })
  }

  /** The other side sent something, inside the pipeline's actor. */
  received(event: Event): void {
    if (event.kind === 0) {
      if (this.hasEnded || event.end === event.start) return
      this.decoder.decode(event.buffer, event.start, event.end)
    } else if (event.kind === 3 && !this.hasEnded) {
      this.endReceiving(event)
    }
  }

  private endReceiving(end: StreamEnd): void {
    if (this.isTunnel) {
      const { requester } = this
      // The tunnel is half-closed: the client may go on sending.
      requester?.respond(end)
      return
    }
    const wasLost = this.decoder.isIdle && losses.has(end.error)
    // A body that lasts until the connection closes ends here; anything else under way is cut.
    if (end.error === '' && this.requester !== null && !this.decoder.isIdle) this.decoder.finish()
    if (this.hasEnded) return
    this.close(
      end.error === ''
        ? new StreamEnd(
            new TrafficError('ConnectionReset', 'the upstream closed the connection before it answered'),
          )
        : end,
      wasLost,
    )
  }

  // Sink of the decoder

  head(head: ResponseHead): void {
    const { status } = head
    if (status === 101 && this.mode.connection !== 'upgrade') {
      this.decoder.stop()
      this.close(
        new StreamEnd(new TrafficError('UpstreamProtocolError', 'a protocol switch that nobody asked for')),
        false,
      )
      return
    }
    this.isInterim = status < 200 && status !== 101
    this.status = status
    if (!this.isInterim && !head.keepAlive) this.isPersistent = false
    this.isTunnel = status === 101 || (this.method === 'CONNECT' && status >= 200 && status < 300)
    this.requester?.respond(new MessageStart(head))
  }

  body(buffer: Buffer, start: number, end: number): void {
    this.requester?.respond(Data.borrow(buffer, start, end))
  }

  end(trailers: Headers | undefined): void {
    const { requester } = this
    const event = trailers === undefined ? messageEnd : new MessageEnd({ headers: trailers })
    if (this.isInterim) {
      this.isInterim = false
      requester?.respond(event)
      return
    }
    if (this.isTunnel) {
      requester?.respond(event)
      return
    }
    this.isResponseDone = true
    if (!this.isRequestDone) {
      requester?.respond(event)
      return
    }
    // Back to the pool first: whoever gets the end of the response may stop the requester at once.
    this.recycle()
    requester?.respond(event)
    requester?.finished()
  }

  violation(violation: Violation): void {
    this.close(new StreamEnd(new TrafficError('UpstreamProtocolError', violation.reason)), false)
  }

  /** Both directions of the exchange are done. */
  private recycle(): void {
    const { requester } = this
    this.requester = null
    this.endMeasuring('')
    requester?.detached()
    if (!this.isPersistent) this.dispose()
    else if (this.replies.isPaused) this.isWithheld = true
    // The one who waits would wait for the client of this exchange, too, if that turns out to be slow as the turn ends.
    else if (this.pool.isAwaited) {
      this.isWithheld = true
      turn.defer(this)
    } else this.pool.release(this)
  }

  /** A client that does not take the response has us paused: nobody else is to wait for that client. */
  paused(): void {
    if (this.requester !== null || this.isWithheld || this.hasEnded) return
    this.isWithheld = true
    this.pool.withdraw(this)
  }

  /** The client has taken it, or the turn is over and nobody has to. */
  flush(): void {
    if (!this.isWithheld || this.replies.isPaused || this.hasEnded) return
    this.isWithheld = false
    this.pool.release(this)
  }

  /** The session ends, and with it what is under way. */
  private close(end: StreamEnd, wasLost: boolean): void {
    const { requester } = this
    this.requester = null
    if (this.hasEnded) return
    this.hasEnded = true
    this.endMeasuring(end.error === '' ? 'ConnectionReset' : end.error)
    // Told before we leave the pool: who tries again has our place, in front of those who wait for one.
    requester?.failed(end, wasLost)
    this.leave()
  }

  /** The requester has lost interest: what is under way cannot be told from the next exchange, so the session ends. */
  abandon(): void {
    this.requester = null
    this.dispose()
  }

  dispose(): void {
    if (this.hasEnded) return
    this.hasEnded = true
    // A tunnel ends so in the best of cases; of all else, whoever asked has lost interest.
    this.endMeasuring(this.isTunnel ? '' : 'ConnectionAborted')
    this.leave()
  }

  private leave(): void {
    // It may be in the middle of what it reads, and must not come to the end of a response: we are of no use to the pool.
    this.decoder.stop()
    this.pool.removed(this)
    this.pipeline.stop()
  }
}

/** How a stream ends when its connection has gone, as opposed to one that was too slow or broke a rule. */
const losses: ReadonlySet<string> = new Set(['', 'ConnectionReset', 'ReadError', 'WriteError'])

/**
 * Where what comes out of the shared pipeline goes. It stands in for the connection that it came on as the source of
 * the turn, so that the session knows for whom it is paused.
 */
class ReplyPort implements EventPort, Source {
  readonly takesText = false
  private readonly session: HTTPClientSession
  private connection: Source | null = null
  private held: Source | null = null
  private pauses = 0

  constructor(session: HTTPClientSession) {
    this.session = session
  }

  get isPaused(): boolean {
    return this.pauses > 0
  }

  process(event: Event): void {
    const { source } = turn
    if (source !== null && source !== this) {
      this.connection = source
      turn.source = this
    }
    this.session.received(event)
  }

  pause(): void {
    if (this.pauses++ > 0) return
    this.held = this.connection
    this.held?.pause()
    this.session.paused()
  }

  resume(): void {
    if (this.pauses === 0 || --this.pauses > 0) return
    this.held?.resume()
    this.held = null
    this.session.flush()
  }
}
