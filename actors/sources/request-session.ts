import { Buffer } from 'node:buffer'
import { Deadline } from '../../runtime/clock.ts'
import { type FaultCode, TrafficError } from '../../runtime/errors.ts'
import { type Event, Kind, MessageStart, messageEnd, StreamEnd } from '../../runtime/event.ts'
import type { Span } from '../../runtime/trace/span.ts'
import { turn } from '../../runtime/turn.ts'
import type { Latin1 } from '../filter.ts'
import { Collected, MessageCollector } from '../filters/message-collector.ts'
import type { PipelineLayout } from '../pipeline.ts'
import type { Program } from '../program.ts'
import { Session } from '../session.ts'
import { headerBytes, headersToSend } from '../subject-headers.ts'
import type { SubjectMessage } from '../subjects.ts'
import { bodyOf, headOf } from './subject-message.ts'
import { traceArrival } from './subject-span.ts'

export interface RequestOutcome {
  /** Told once for each request. */
  reply(payload: Uint8Array, headers: Readonly<Record<string, string>> | undefined): void
  ended(): void
}

const nothing = Buffer.alloc(0)

/**
 * The session of one request: it gets the message and the end of the stream, and the first message that comes out is
 * the reply. What fails instead is told as NATS's services do (ADR-32): by the headers `Nats-Service-Error` and
 * `Nats-Service-Error-Code`, which is the HTTP status of the fault.
 */
export class RequestSession extends Session {
  private readonly outcome: RequestOutcome
  private readonly maxBytes: number
  private readonly collector: MessageCollector
  private readonly deadline: Deadline | undefined
  private work: Span | null = null
  private hasReplied = false

  constructor(
    program: Program,
    layout: PipelineLayout,
    timeoutMs: number,
    maxBytes: number,
    outcome: RequestOutcome,
  ) {
    super(program, layout, program.newContext(undefined))
    program.sessionStarted(this)
    this.outcome = outcome
    this.maxBytes = maxBytes
    this.collector = new MessageCollector(maxBytes)
    const seconds = timeoutMs / 1000
    if (timeoutMs > 0)
      this.deadline = new Deadline(timeoutMs, () =>
        this.refuse(new TrafficError('AskTimeout', `no reply within ${seconds} s`)),
      )
  }

  /** @param pattern what was subscribed to */
  start(message: SubjectMessage, pattern: string): void {
    this.deadline?.touch()
    this.work = traceArrival(message, this, pattern)
    turn.begin(null)
    this.enter(new MessageStart(headOf(message)), null)
    const body = bodyOf(message)
    if (body !== undefined && !this.isStopped) this.enter(body, null)
    if (!this.isStopped) this.enter(messageEnd, null)
    if (!this.isStopped) this.enter(new StreamEnd(), null)
    turn.end()
  }

  override process(event: Event | Latin1): void {
    if (this.hasReplied || event.kind === 4) return
    if (this.collector.add(event) === Collected.whole || this.collector.isEndedBy(event)) this.reply()
    else if (event.kind === Kind.streamEnd) this.refuse(faultOf(event))
  }

  private reply(): void {
    const { head, body } = this.collector.take()
    const headers = headersToSend(head, undefined)
    const payload = body?.bytes() ?? nothing
    if (this.collector.overflowBytes > 0 || payload.length + headerBytes(headers) > this.maxBytes)
      this.refuse(
        new TrafficError('BufferOverflow', `a reply may have ${this.maxBytes} bytes, its headers included`),
      )
    else this.settle(payload, headers)
  }

  /** Answers with an error. */
  refuse(fault: TrafficError): void {
    const headers = {
      'Nats-Service-Error': fault.message.replace(/[\r\n]+/g, ' '),
      'Nats-Service-Error-Code': String(fault.status),
    }
    this.settle(nothing, headers, fault.code)
  }

  private settle(
    payload: Uint8Array,
    headers: Readonly<Record<string, string>> | undefined,
    error: FaultCode | '' = '',
  ): void {
    if (!this.hasReplied) {
      this.work?.end(error)
      this.hasReplied = true
      this.outcome.reply(payload, headers)
    }
    this.stop()
  }

  protected override stopped(): void {
    super.stopped()
    this.deadline?.clear()
    if (!this.hasReplied) this.refuse(new TrafficError('DeadLetter', 'the session was cut'))
    this.program.sessionEnded(this)
    this.outcome.ended()
  }
}

/** Causes and addresses are for the log, not for strangers. */
const faultOf = ({ error }: StreamEnd): TrafficError =>
  error === ''
    ? new TrafficError('UnknownError', 'the pipeline ended without a reply')
    : new TrafficError(error)
