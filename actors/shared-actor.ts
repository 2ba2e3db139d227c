import { after, Deadline } from '../runtime/clock.ts'
import type { TrafficError } from '../runtime/errors.ts'
import { type Event, Kind, type Message, StreamEnd } from '../runtime/event.ts'
import { type Source, turn } from '../runtime/turn.ts'
import type { EventPort, Latin1 } from './filter.ts'
import { emitMessage } from './filters/replacement.ts'
import { Backoff } from './kernel/backoff.ts'
import type { PipelineLayout } from './pipeline.ts'
import type { Program } from './program.ts'
import type { SharedPipeline } from './script/assemble.ts'
import { Session } from './session.ts'

/** What came of a message: called once, when the actor has processed it or never will. */
export type Outcome = (isDelivered: boolean) => void

/** The session of a shared pipeline: it outlives the sessions that send to it. */
class SharedSession extends Session {
  private readonly label: string
  private readonly onEnded: (hasFailed: boolean) => void
  private hasFailed = false

  constructor(
    program: Program,
    layout: PipelineLayout,
    label: string,
    onEnded: (hasFailed: boolean) => void,
  ) {
    super(program, layout, program.newContext(undefined))
    this.label = label
    this.onEnded = onEnded
  }

  override get name(): string {
    return this.label
  }

  override process(event: Event | Latin1): void {
    if (event.kind !== Kind.streamEnd) return
    this.hasFailed = event.error !== ''
    this.stop()
  }

  protected override failed(fault: TrafficError, message: unknown): void {
    super.failed(fault, message)
    this.hasFailed = true
  }

  protected override stopped(): void {
    super.stopped()
    this.onEnded(this.hasFailed)
  }
}

/** How long an idle actor may take to end its stream before it is stopped, since messages may wait for the next one. */
const closeMs = 10_000

/**
 * The pipeline of one key that others share: one on this node, on one of its threads.
 *
 *     running ──throws, or ends with an error──► resting ──back-off──► running, a new incarnation
 *        │──── idle for long ──► closing ──┐
 *        └──────── ends in order ──────────┴──► gone, until the next message
 *
 * Messages wait while it rests or closes, and while something in it has too much to send: in that time it stands in for
 * the source of the turn, so that it is paused and not the traffic. Who waits has no credit back, which bounds the queue.
 */
export class SharedActor implements Source, EventPort {
  readonly takesText = false
  private readonly program: Program
  private readonly layout: PipelineLayout
  private readonly idle: Deadline | null
  private readonly label: string
  /** It has ended in order and nothing waits: it can be forgotten. */
  private readonly onGone: () => void
  private readonly backoff = new Backoff()
  private waiting: { readonly message: Message; readonly outcome: Outcome }[] = []
  private session: SharedSession | null = null
  private pauses = 0
  /** A message is being given: what comes meanwhile waits until all its events have been. */
  private isGiving = false
  private cancelRest: (() => void) | null = null
  private cancelClosing: (() => void) | null = null
  private isEnding = false
  private hasFinished = false
  private whenEnded: (() => void) | null = null

  constructor(program: Program, shared: SharedPipeline, label: string, onGone: () => void) {
    this.program = program
    this.layout = shared.layout
    this.idle = shared.maxIdleMs > 0 ? new Deadline(shared.maxIdleMs, () => this.passivate()) : null
    this.label = label
    this.onGone = onGone
  }

  take(message: Message, outcome: Outcome): void {
    if (this.isEnding) outcome(false)
    else {
      this.waiting.push({ message, outcome })
      this.goOn()
    }
  }

  private goOn(): void {
    while (!this.isGiving && this.pauses === 0 && this.cancelRest === null && this.cancelClosing === null) {
      const next = this.waiting.shift()
      if (next === undefined) {
        if (this.isEnding) this.finish()
        return
      }
      this.give(next.message, next.outcome)
    }
  }

  private give(message: Message, outcome: Outcome): void {
    this.session ??= new SharedSession(this.program, this.layout, this.label, hasFailed =>
      this.ended(hasFailed),
    )
    this.idle?.touch()
    const { source } = turn
    turn.source = this
    this.isGiving = true
    emitMessage(message, this)
    this.isGiving = false
    turn.source = source
    outcome(true)
  }

  /** An event of the message at hand. The rest of one on which the session ended has nobody to go to. */
  process(event: Event): void {
    this.session?.enter(event, null)
  }

  pause(): void {
    this.pauses++
  }

  resume(): void {
    this.pauses--
    this.goOn()
  }

  /** Nobody has sent for long: it writes what it has gathered, and goes. */
  private passivate(): void {
    const { session } = this
    if (session === null || this.pauses > 0 || this.waiting.length > 0) {
      this.idle?.touch()
      return
    }
    this.cancelClosing = after(closeMs, () => session.stop())
    this.deliverEnd(session)
  }

  private deliverEnd(session: SharedSession): void {
    turn.begin(null)
    session.enter(new StreamEnd(), null)
    turn.end()
  }

  private ended(hasFailed: boolean): void {
    this.session = null
    this.idle?.clear()
    this.cancelClosing?.()
    this.cancelClosing = null
    if (this.waiting.length === 0 || (this.isEnding && (hasFailed || this.hasFinished))) {
      if (this.isEnding) this.over()
      else if (hasFailed) this.rest()
      else this.onGone()
    } else if (hasFailed) this.rest()
    else this.goOn()
  }

  private rest(): void {
    this.cancelRest = after(this.backoff.next(), () => {
      this.cancelRest = null
      turn.begin(null)
      this.goOn()
      turn.end()
    })
  }

  /** Takes no more, finishes what waits, and ends the stream of its pipeline. Resolves when that has ended. */
  end(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.whenEnded = resolve
    this.isEnding = true
    if (this.cancelRest !== null) this.over()
    else this.goOn()
    return promise
  }

  private finish(): void {
    if (this.hasFinished) return
    this.hasFinished = true
    if (this.session === null) this.over()
    else this.deliverEnd(this.session)
  }

  /** Ends it now: what waits is given up. */
  stop(): void {
    this.isEnding = true
    this.hasFinished = true
    if (this.session === null) this.over()
    else this.session.stop()
  }

  private over(): void {
    this.cancelRest?.()
    this.cancelRest = null
    const { waiting } = this
    this.waiting = []
    for (const { outcome } of waiting) outcome(false)
    this.whenEnded?.()
  }
}
