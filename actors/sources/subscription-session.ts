import { type Event, Kind, MessageStart, messageEnd, StreamEnd } from '../../runtime/event.ts'
import { type Source, turn } from '../../runtime/turn.ts'
import type { Latin1 } from '../filter.ts'
import type { Edge } from '../kernel/ledger.ts'
import type { PipelineLayout } from '../pipeline.ts'
import type { Program } from '../program.ts'
import { Session } from '../session.ts'
import type { SubjectMessage } from '../subjects.ts'
import { bodyOf, headOf } from './subject-message.ts'
import { traceArrival } from './subject-span.ts'

/** What a message weighs in the window beside its bytes. */
const flatBytes = 256

/**
 * The session of a subscription: each message is one of its stream, and what comes out is discarded. It ends when its
 * pipeline ends it, or throws; the next message then begins another.
 *
 * Whoever publishes cannot be paused: while the session is, messages wait in its window, and what finds no room there is
 * dropped and counted.
 */
export class SubscriptionSession extends Session {
  private readonly edge: Edge
  private readonly windowBytes: number
  private readonly onEnded: () => void
  private readonly publishers: Publishers
  private waiting: SubjectMessage[] = []
  private waitingBytes = 0
  private isGiving = false
  private isDraining = false
  private hasEndedInput = false

  constructor(
    program: Program,
    layout: PipelineLayout,
    edge: Edge,
    windowBytes: number,
    onEnded: () => void,
  ) {
    super(program, layout, program.newContext(undefined))
    program.sessionStarted(this)
    this.edge = edge
    this.windowBytes = windowBytes
    this.onEnded = onEnded
    this.publishers = new Publishers(() => this.goOn())
  }

  /** A message that the edge has accepted. */
  take(message: SubjectMessage): void {
    const bytes = flatBytes + message.payload.length
    if (this.isDraining) this.edge.drop('draining')
    else if (this.waitingBytes > 0 && this.waitingBytes + bytes > this.windowBytes) this.edge.drop('window')
    else {
      this.waiting.push(message)
      this.waitingBytes += bytes
      this.edge.inFlight++
      this.goOn()
    }
  }

  private goOn(): void {
    if (this.isGiving) return
    this.isGiving = true
    while (!this.publishers.isPaused && !this.isStopped) {
      const message = this.waiting.shift()
      if (message === undefined) break
      this.waitingBytes -= flatBytes + message.payload.length
      this.edge.inFlight--
      this.edge.delivered++
      this.give(message)
    }
    this.isGiving = false
    if (this.isDraining && this.waiting.length === 0 && !this.publishers.isPaused) this.endInput()
  }

  private give(message: SubjectMessage): void {
    turn.begin(this.publishers)
    const span = traceArrival(message, this, this.edge.from)
    this.enter(new MessageStart(headOf(message)), null)
    const body = bodyOf(message)
    if (body !== undefined && !this.isStopped) this.enter(body, null)
    if (!this.isStopped) this.enter(messageEnd, null)
    span?.end('')
    turn.end()
  }

  override process(event: Event | Latin1): void {
    if (event.kind === Kind.streamEnd) this.stop()
  }

  /** The subscription says when nothing more comes. */
  override drain(): void {}

  /** What waits is given yet; then the stream ends at its input, and when that comes out, the session is over. */
  finish(): void {
    if (this.isDraining) return
    this.isDraining = true
    this.goOn()
  }

  private endInput(): void {
    if (this.hasEndedInput) return
    this.hasEndedInput = true
    turn.begin(null)
    if (!this.isStopped) this.enter(new StreamEnd(), null)
    turn.end()
  }

  protected override stopped(): void {
    super.stopped()
    this.edge.inFlight -= this.waiting.length
    if (this.waiting.length > 0) this.edge.drop('session-ended', this.waiting.length)
    this.waiting = []
    this.program.sessionEnded(this)
    this.onEnded()
  }
}

/** What is paused in the place of those who publish, who cannot be. */
class Publishers implements Source {
  private pauses = 0
  private readonly goOn: () => void

  constructor(goOn: () => void) {
    this.goOn = goOn
  }

  get isPaused(): boolean {
    return this.pauses > 0
  }

  pause(): void {
    this.pauses++
  }

  resume(): void {
    if (--this.pauses === 0) this.goOn()
  }
}
