// Hot path: what demuxHTTP and serveHTTP have in common. One exchange at a time, all state in fields.

import type { Buffer } from 'node:buffer'
import { Deadline } from '../../../runtime/clock.ts'
import {
  continueResponse,
  encodeResponseHead,
  Framing,
  type Headers,
  RequestDecoder,
  type RequestHead,
  type RequestSink,
  type ResponseLike,
  type Violation,
} from '../../../runtime/codec/http1/index.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import { Data, type Event, type Message, MessageEnd, messageEnd, StreamEnd } from '../../../runtime/event.ts'
import { type Flushable, type Source, turn } from '../../../runtime/turn.ts'
import type { Context } from '../../context.ts'
import { Filter, Latin1 } from '../../filter.ts'
import type { Drainable, Relievable } from '../../session.ts'
import { faultReply, replyToStreamEnd } from './fault-reply.ts'
import { MessageWriter, type WriteMode, type WriterOwner } from './message-writer.ts'
import { limitsOf, type ServerSettings } from './server-options.ts'
import { ServerRecord } from './server-record.ts'

/** Bytes of a request that are read and thrown away after an early response, so that the connection can go on. */
const maxDiscardedBytes = 1024 * 1024

const Reply = { none: 0, interim: 1, started: 2, done: 3 } as const

/**
 * The server's side of an HTTP/1.1 connection: requests in, responses out, strictly one exchange after the other.
 *
 * The next pipelined request is not looked at before the response to the one before has been sent, and not as long
 * as the client leaves responses unread: the bytes wait, and their socket is paused. That keeps order and bounds
 * memory; nginx does the same.
 *
 *     idle ──head──► request (body) ──► request done ─┐
 *                      └─ reply starts … reply done ──┴─► idle, or close, or tunnel
 */
export abstract class HTTPServer
  extends Filter
  implements RequestSink, Drainable, Relievable, Flushable, WriterOwner
{
  protected readonly settings: ServerSettings
  protected request: RequestHead | null = null
  protected readonly record = new ServerRecord()
  private readonly decoder: RequestDecoder
  private readonly writer: MessageWriter
  private readonly mode: WriteMode = {
    connection: '',
    canChunk: true,
    isBodiless: false,
    omitted: Framing.none,
    trace: '',
  }
  private reply: number = Reply.none
  private isRequestDone = true
  /** The client asked whether to send the body, and has no answer yet. */
  private awaitsContinue = false
  /** The connection goes on after this exchange. */
  private isPersistent = true
  private isTunnel = false
  private isClosing = false
  private isDraining = false
  private hasDrainHook = false
  private inputEnded = false
  private isDiscarding = false
  private discardedBytes = 0
  private served = 0
  /** Bytes behind the current request, and the socket that was paused for them. */
  private leftover: Data | null = null
  private paused: Source | null = null
  private headDeadline: Deadline | null = null

  constructor(settings: ServerSettings) {
    super()
    this.settings = settings
    this.decoder = new RequestDecoder(this, limitsOf(settings))
    this.writer = new MessageWriter(this, false, settings.bufferSize)
  }

  /** A request has begun. */
  protected abstract requestStarted(head: RequestHead): void
  protected abstract requestData(data: Data): void
  protected abstract requestEnded(trailers: Headers | undefined): void
  /** The client (or a rule that it broke) has ended the request, or the tunnel, for good. */
  protected abstract requestStreamEnded(end: StreamEnd): void
  /** Bytes came that are no request. */
  protected requestRefused(_status: number, _reason: string): void {}
  /** The variables of what serves the request. */
  protected get contextOfExchange(): Context {
    return this.pipeline.context
  }
  /** The exchange is over: let go of what served it. */
  protected abstract exchangeEnded(): void

  process(event: Event): void {
    if (this.isClosing) return
    if (event.kind === 0) {
      if (event.end === event.start) {
        if (!this.hasDrainHook) this.hookDrain()
        return
      }
      if (this.leftover !== null || this.mustWait) this.setAside(event)
      else this.decode(event)
    } else if (event.kind === 3) {
      this.endInput(event)
    }
  }

  /** What comes is behind a whole request that has no response yet, or behind responses that the client has to take first. */
  private get mustWait(): boolean {
    if (this.request === null) return this.pipeline.session.isCongested
    return this.isRequestDone && !(this.isTunnel && this.reply === Reply.done)
  }

  private hookDrain(): void {
    this.hasDrainHook = true
    if (this.isSessions) this.pipeline.session.onDrain = this
  }

  /** Whether what we put out goes to the peer of the session, at once or through other pipelines. */
  private get isSessions(): boolean {
    const { root, session } = this.pipeline
    return root === (session as unknown)
  }

  private decode(data: Data): void {
    const { buffer, end } = data
    const reached = this.decoder.decode(buffer, data.start, end)
    if (reached < end && !this.decoder.isStopped) this.setAside(Data.borrow(buffer, reached, end))
    else if (this.request === null && !this.isClosing && !this.decoder.isIdle) this.watchHead()
  }

  /** A head came in part: the rest must come in time. */
  private watchHead(): void {
    if (this.headDeadline !== null || this.settings.headTimeout === 0) return
    this.headDeadline = new Deadline(this.settings.headTimeout, () => {
      turn.begin(null)
      this.pipeline.run(() => {
        if (this.request === null && !this.isClosing)
          this.refuse(408, 'The request head did not arrive in time')
      })
      turn.end()
    })
    this.headDeadline.touch()
  }

  private unwatchHead(): void {
    if (this.headDeadline === null) return
    this.headDeadline.clear()
    this.headDeadline = null
  }

  /** Pipelined bytes wait until the exchange before them is over, and no more of them is read. */
  private setAside(data: Data): void {
    if (this.leftover !== null) this.leftover.push(data)
    else {
      this.leftover = data.keep()
      this.record.setAside()
      if (this.request === null) this.pipeline.session.awaitRelief(this)
    }
    if (this.paused === null && turn.source !== null) {
      this.paused = turn.source
      this.paused.pause()
    }
  }

  relieved(): void {
    this.pipeline.run(() => {
      if (this.request === null && !this.isClosing) this.takeUp()
    })
  }

  private takeUp(): void {
    const { leftover, paused } = this
    if (this.mustWait) {
      this.pipeline.session.awaitRelief(this)
      return
    }
    this.leftover = null
    if (leftover !== null) {
      // Whatever has no room for these bytes is to pause the socket that they came from.
      const { source } = turn
      turn.source = paused
      this.decode(leftover)
      turn.source = source
    }
    if (this.leftover !== null) return
    if (paused !== null) {
      this.paused = null
      paused.resume()
    }
    if (this.inputEnded && !this.isClosing) this.endRequests()
  }

  private endInput(end: StreamEnd): void {
    this.inputEnded = true
    if (end.error !== '') {
      this.isClosing = true
      if (this.request !== null) this.requestStreamEnded(end)
      this.next.process(end)
      return
    }
    if (this.isTunnel) this.requestStreamEnded(end)
    else if (this.leftover === null) this.endRequests()
  }

  /** The client has finished sending. When it has sent whole requests, it gets its responses; then the connection closes. */
  private endRequests(): void {
    if (this.request === null) {
      this.decoder.finish()
      if (!this.isClosing) this.close()
    } else if (!this.isRequestDone) {
      this.decoder.finish()
    }
  }

  // Sink of the decoder

  head(head: RequestHead): void {
    this.unwatchHead()
    this.request = head
    this.isRequestDone = false
    this.reply = Reply.none
    this.served++
    this.isPersistent = head.keepAlive && !this.isDraining && this.served !== this.settings.maxMessages
    this.awaitsContinue =
      head.expectsContinue && !head.isHTTP10 && head.framing !== Framing.none && head.framing !== 0
    this.record.begin(head, this.pipeline)
    this.requestStarted(head)
    if (this.awaitsContinue) turn.defer(this)
  }

  /** Nobody has refused the body in this turn, or taken the question upstream (muxHTTP clears the flag): we want it. */
  flush(): void {
    this.pipeline.run(() => {
      const { request } = this
      if (!this.awaitsContinue || this.isRequestDone || this.reply !== Reply.none) return
      if (request === null || !request.expectsContinue) return
      this.awaitsContinue = false
      this.text(continueResponse)
    })
  }

  body(buffer: Buffer, start: number, end: number): void {
    if (this.isDiscarding) this.discard(end - start)
    else this.requestData(Data.borrow(buffer, start, end))
  }

  end(trailers: Headers | undefined): void {
    this.isRequestDone = true
    if (this.isDiscarding) this.finishExchange()
    else this.requestEnded(trailers)
    // What follows waits for the response, unless that was the switch to a tunnel, which begins here.
    if (this.isTunnel && this.reply === Reply.done) return
    if (this.request !== null || this.pipeline.session.isCongested) this.decoder.suspend()
  }

  violation(violation: Violation): void {
    if (this.request === null) {
      // A connection that closes without having said anything is no news.
      this.refuse(violation.status, violation.reason)
      return
    }
    this.record.fault = 'ProtocolError'
    this.requestStreamEnded(new StreamEnd(new TrafficError('ProtocolError', violation.reason)))
    if (this.reply < Reply.started) this.refuse(violation.status, violation.reason)
    else this.abort()
  }

  /** Takes the events of the response, from whoever answers. */
  protected respond(event: Event): void {
    if (this.isClosing || this.request === null) return
    switch (event.kind) {
      case 0:
        if (this.isTunnel) this.next.process(event)
        else if (this.reply === Reply.started) this.writeBody(event)
        return
      case 1:
        this.startReply(event.head as ResponseLike)
        return
      case 2:
        this.endReply(event)
        return
      case 3:
        this.endReplies(event)
        return
      default:
        event satisfies never
    }
  }

  /** Answers with a message of our own. */
  protected respondWith(message: Message): void {
    // Before the head goes out, since HEAD is answered with nothing else.
    this.mode.omitted =
      message.body !== undefined && this.request?.method === 'HEAD' ? message.body.size : Framing.none
    this.startReply(message.head as ResponseLike)
    this.mode.omitted = Framing.none
    if (this.isClosing) return
    if (message.body !== undefined) this.writeBody(message.body.clone())
    if (!this.isClosing) this.endReply(new MessageEnd(message.tail))
  }

  private startReply(head: ResponseLike): void {
    if (this.reply >= Reply.started) return
    const request = this.request as RequestHead
    const status = head.status ?? 200
    if (status < 200 && status !== 101) {
      this.reply = Reply.interim
      this.awaitsContinue = false
      // HTTP/1.0 knows no interim responses (RFC 9110 §15.2).
      if (!request.isHTTP10) this.writeInterim(head)
      return
    }
    this.reply = Reply.started
    this.record.status = status
    this.nameRoute()
    if (!this.isRequestDone && !this.mayDiscard(request)) this.isPersistent = false
    if (status === 101 && request.upgrade === undefined) {
      this.reply = Reply.none
      this.failReply(new TrafficError('RuntimeError', '101 answers a request that asked for no upgrade'))
      return
    }
    this.isTunnel = status === 101 || (request.method === 'CONNECT' && status >= 200 && status < 300)
    const { mode } = this
    mode.isBodiless = this.isTunnel || status === 204 || status === 304 || request.method === 'HEAD'
    mode.canChunk = !request.isHTTP10
    mode.connection =
      status === 101
        ? 'upgrade'
        : this.isTunnel
          ? ''
          : !this.isPersistent
            ? 'close'
            : request.isHTTP10
              ? 'keep-alive'
              : ''
    try {
      this.writer.start(head, mode, this.next)
    } catch (thrown) {
      this.failReply(thrown)
    }
  }

  private writeInterim(head: ResponseLike): void {
    try {
      this.text(encodeResponseHead(head, Framing.none))
    } catch (thrown) {
      this.failReply(thrown)
    }
  }

  private writeBody(data: Data): void {
    try {
      this.writer.data(data)
    } catch (thrown) {
      this.failReply(thrown)
    }
  }

  heldToTheEnd(): void {
    this.pipeline.run(() => {
      if (this.isClosing || this.reply !== Reply.started) return
      try {
        this.writer.release()
      } catch (thrown) {
        this.failReply(thrown)
      }
    })
  }

  /** A script has put into the response what cannot be sent. */
  private failReply(thrown: unknown): void {
    const fault = TrafficError.from(thrown)
    this.record.fault = fault.code
    this.pipeline.session.pipelineFailed(this.pipeline, fault)
    if (this.reply === Reply.started && this.writer.isHeadOut) {
      this.abort()
      return
    }
    this.isPersistent = false
    this.reply = Reply.none
    this.respondWith(replyToStreamEnd(new StreamEnd(fault)))
  }

  private endReply(event: MessageEnd): void {
    if (this.reply === Reply.interim) {
      this.reply = Reply.none
      return
    }
    if (this.reply !== Reply.started) return
    if (this.isTunnel) {
      this.writer.end(undefined)
      this.reply = Reply.done
      this.decoder.tunnel()
      this.takeUp()
      return
    }
    try {
      if (!this.writer.end(event.tail)) {
        this.abort()
        return
      }
    } catch (thrown) {
      this.failReply(thrown)
      return
    }
    this.reply = Reply.done
    if (this.writer.endsWithConnection) this.isPersistent = false
    if (this.isRequestDone) this.finishExchange()
    else this.discardRequest()
  }

  /** The stream that answers has ended: an answer that is missing is made up, one that is cut cannot be mended. */
  private endReplies(end: StreamEnd): void {
    if (this.isTunnel) {
      this.next.process(end)
      return
    }
    if (this.reply === Reply.done) return
    this.record.fault = end.error
    if (this.reply === Reply.started) {
      if (end.error === '') this.endReply(messageEnd)
      else this.abort()
      return
    }
    if (end.error === 'RuntimeError') this.isPersistent = false
    this.reply = Reply.none
    this.respondWith(replyToStreamEnd(end))
  }

  /** Whether the rest of the body can be read and thrown away: not when it is large, or may never come. */
  private mayDiscard(request: RequestHead): boolean {
    return !this.awaitsContinue && request.framing <= maxDiscardedBytes
  }

  /** The response came before the request was over: the rest of it is read and thrown away, within a limit. */
  private discardRequest(): void {
    this.record.end(this.request, this.reply === Reply.done)
    this.leaveExchange()
    if (!this.isPersistent) {
      this.close()
      return
    }
    this.isDiscarding = true
    this.discardedBytes = 0
  }

  private discard(bytes: number): void {
    this.discardedBytes += bytes
    if (this.discardedBytes > maxDiscardedBytes) this.close()
  }

  private finishExchange(): void {
    this.record.end(this.request, this.reply === Reply.done)
    if (!this.isDiscarding) this.leaveExchange()
    this.isDiscarding = false
    this.request = null
    if (!this.isPersistent || this.isDraining) this.close()
    else if (this.leftover !== null) this.takeUp()
    else if (this.inputEnded) this.close()
  }

  private leaveExchange(): void {
    this.nameRoute()
    this.exchangeEnded()
  }

  /** Asks the script for the route, once: it is told of what was served, and cannot spoil it. */
  private nameRoute(): void {
    const { route } = this.settings
    const { request, record } = this
    if (route === undefined || request === null || record.isRouteKnown) return
    record.isRouteKnown = true
    try {
      const name: unknown = route(request, this.contextOfExchange)
      if (typeof name === 'string') record.route = name
    } catch (thrown) {
      this.pipeline.session.pipelineFailed(this.pipeline, TrafficError.from(thrown))
    }
  }

  /** Answers bytes that are no request, and takes nothing more. */
  private refuse(status: number, reason: string): void {
    if (this.request === null) {
      this.record.refused(this.pipeline, status)
      this.requestRefused(status, reason)
    }
    this.record.status = status
    this.leaveExchange()
    this.decoder.stop()
    const reply = faultReply(status, 'ProtocolError', reason)
    const mode: WriteMode = {
      connection: 'close',
      canChunk: true,
      isBodiless: false,
      omitted: Framing.none,
      trace: '',
    }
    this.writer.start(reply.head, mode, this.next)
    this.writer.data(reply.body as Data)
    this.writer.end(undefined)
    this.close()
  }

  /**
   * The response cannot be completed, and only a broken connection tells the client so: with a reset, where its end is
   * how the response ends.
   */
  private abort(): void {
    if (this.isClosing) return
    this.leaveExchange()
    if (!this.writer.endsWithConnection) {
      this.close()
      return
    }
    this.release()
    this.next.process(new StreamEnd('ConnectionAborted'))
  }

  private close(): void {
    if (this.isClosing) return
    if (this.request !== null && this.reply !== Reply.done) this.leaveExchange()
    this.finish(false)
  }

  private finish(isIdle: boolean): void {
    this.release()
    if (this.isSessions) this.pipeline.session.closeAfterOutput(isIdle)
    this.next.process(new StreamEnd())
  }

  private release(): void {
    this.isClosing = true
    this.record.end(this.request, this.reply === Reply.done)
    // RFC 9112 §9.6: requests behind the last one are not processed, even those that are in the bytes being read.
    this.decoder.stop()
    this.request = null
    this.leftover = null
    this.unwatchHead()
    this.paused?.resume()
    this.paused = null
  }

  private text(text: string): void {
    if (this.next.takesText) this.next.process(new Latin1(text))
    else this.next.process(new Data(text, 'latin1'))
  }

  drain(closesIdle: boolean): void {
    this.isDraining = true
    this.isPersistent = false
    if (closesIdle && this.request === null && this.decoder.isIdle && !this.isClosing)
      this.pipeline.run(() => this.finish(true))
  }

  override stop(): void {
    if (!this.isClosing && this.request !== null) this.leaveExchange()
    this.release()
  }
}
