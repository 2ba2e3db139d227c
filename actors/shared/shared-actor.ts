import { statsRegistry } from '../../runtime/api/stats/registry.ts'
import { after, Deadline, monotonicMs } from '../../runtime/clock.ts'
import { TrafficError } from '../../runtime/errors.ts'
import { type Event, Kind, type Message, StreamEnd } from '../../runtime/event.ts'
import { tracing } from '../../runtime/trace/tracing.ts'
import { type Source, turn } from '../../runtime/turn.ts'
import type { EventPort, Latin1 } from '../filter.ts'
import { emitMessage } from '../filters/replacement.ts'
import type { ActorRow } from '../host.ts'
import { Backoff } from '../kernel/backoff.ts'
import { traceReceive } from '../message-spans.ts'
import type { PipelineLayout } from '../pipeline.ts'
import type { Program } from '../program.ts'
import { Session } from '../session.ts'
import type { SharedPipeline } from './shared-pipelines.ts'
import { Units } from './units.ts'
import { type Failure, failureOf, failureOfEnd, type Work } from './work.ts'

const restarts = statsRegistry.define('sluice_actor_restarts_total', 'counter', ['pipeline'])

/** Who a shared session tells of what comes out of it. */
interface Listener {
  /** A message has come out. */
  answered(failure: Failure | undefined): void
  /** @param failure undefined when it has ended in order */
  ended(failure: Failure | undefined): void
}

/** The session of a shared pipeline: it outlives the sessions that send to it. */
class SharedSession extends Session {
  private readonly unanswered = new Units()
  private readonly label: string
  private readonly listener: Listener
  private failure: Failure | undefined
  private head: object | undefined

  constructor(program: Program, layout: PipelineLayout, label: string, listener: Listener) {
    super(program, layout, program.newContext(undefined))
    this.label = label
    this.listener = listener
  }

  override get name(): string {
    return this.label
  }

  override get awaited(): Units {
    return this.unanswered
  }

  override process(event: Event | Latin1): void {
    switch (event.kind) {
      case Kind.messageStart:
        this.head = event.head
        break
      case Kind.messageEnd:
        if (this.head === undefined) break
        this.listener.answered(failureOf(this.head))
        this.head = undefined
        break
      case Kind.streamEnd:
        if (event.error !== '') this.failure = failureOfEnd(event)
        this.stop()
        break
      default:
    }
  }

  protected override failed(fault: TrafficError, message: unknown): void {
    super.failed(fault, message)
    this.failure ??= { fault, isUnavailable: false }
  }

  /** Ends it because of what it did not do. */
  giveUp(fault: TrafficError): void {
    this.failure = { fault, isUnavailable: false }
    this.stop()
  }

  protected override stopped(): void {
    super.stopped()
    this.listener.ended(this.failure)
  }
}

/** How long an idle actor may take to end its stream before it is stopped, since messages may wait for the next one. */
const closeMs = 10_000

/**
 * The pipeline of one key that others share: one for all threads of the node, or for all nodes.
 *
 *     running ──throws, or ends with an error──► resting ──back-off──► running, a new incarnation
 *        │──── idle for long ──► closing ──┐
 *        └──────── ends in order ──────────┴──► gone, until the next message
 *
 * Messages wait while it rests or closes, and while something in it has too much to send: in that time it stands in for
 * the source of the turn, so that it is paused and not the traffic. Who waits has no credit back, which bounds the queue.
 *
 * Work that awaits the pipeline's output is remembered until the output comes. What fails is given again before what
 * has not been given yet, in the order in which it came, and one at a time, so that only who is to blame is blamed.
 */
export class SharedActor implements Source, EventPort, Listener {
  readonly takesText = false
  private readonly program: Program
  private readonly layout: PipelineLayout
  private readonly idle: Deadline | null
  private readonly answer: Deadline
  private readonly answerMs: number
  private readonly label: string
  /** It has ended in order and nothing waits: it can be forgotten. */
  private readonly onGone: () => void
  private readonly backoff = new Backoff()
  private waiting: Work[] = []
  private waitingSinceMs = 0
  /** Given, and not answered yet; oldest first. */
  private outstanding: Work[] = []
  /** So many at the front of those that wait are there again, and are given one at a time. */
  private again = 0
  private session: SharedSession | null = null
  private pauses = 0
  /** What was given last came alone, and those that are there again are younger. */
  private isAlone = false
  /** A message is being given: what comes meanwhile waits until all its events have been. */
  private isGiving = false
  /** That message; null when the session has ended on it. */
  private giving: Work | null = null
  private cancelRest: (() => void) | null = null
  private cancelClosing: (() => void) | null = null
  private isEnding = false
  private hasFinished = false
  private whenEnded: (() => void) | null = null

  constructor(program: Program, shared: SharedPipeline, label: string, onGone: () => void) {
    this.program = program
    this.layout = shared.layout
    this.idle = shared.maxIdleMs > 0 ? new Deadline(shared.maxIdleMs, () => this.passivate()) : null
    this.answerMs = shared.durable?.answerWithinMs ?? 0
    this.answer = new Deadline(this.answerMs, () => this.unanswered())
    this.label = label
    this.onGone = onGone
  }

  get state(): ActorRow['state'] {
    return this.cancelRest !== null ? 'resting' : this.cancelClosing !== null ? 'closing' : 'running'
  }

  /** Messages that wait for it. */
  get backlog(): number {
    return this.waiting.length
  }

  /** For how long something has waited without a pause. */
  get waitingMs(): number {
    return this.waiting.length === 0 ? 0 : monotonicMs() - this.waitingSinceMs
  }

  accept(work: Work): void {
    if (this.isEnding) work.returned()
    else if (this.waiting.length === 0 && this.isReady) {
      // Most find nobody before them, and an array that is filled and emptied for each costs as much as what is done.
      const message = work.message()
      if (message === undefined) return
      this.isAlone = false
      this.give(work, message, false)
      this.goOn()
    } else {
      if (this.waiting.push(work) === 1) this.waitingSinceMs = turn.nowMs()
      this.goOn()
    }
  }

  /** What its filters gather goes out now. */
  hurry(): void {
    this.session?.awaited.hurry()
  }

  private get isReady(): boolean {
    return (
      !this.isGiving &&
      this.pauses === 0 &&
      this.cancelRest === null &&
      this.cancelClosing === null &&
      (this.again === 0 || this.outstanding.length === 0)
    )
  }

  private goOn(): void {
    while (this.isReady) {
      const next = this.waiting.length === 0 ? undefined : this.waiting.shift()
      if (next === undefined) {
        if (this.isEnding) this.finish()
        return
      }
      const isAgain = this.again > 0
      if (isAgain) this.again--
      const message = next.message()
      if (message === undefined) continue
      this.isAlone = isAgain && this.again > 0
      this.give(next, message, isAgain)
    }
  }

  private give(work: Work, message: Message, isAlone: boolean): void {
    this.session ??= new SharedSession(this.program, this.layout, this.label, this)
    this.idle?.touch()
    const { source } = turn
    if (work.awaitsOutput) {
      if (this.outstanding.push(work) === 1 && this.answerMs > 0) this.answer.touch()
      this.session.awaited.add()
      this.session.awaited.isAlone = isAlone
    }
    turn.source = this
    this.isGiving = true
    this.giving = work
    const span =
      tracing.tracer === null ? null : traceReceive(message, this.session, this.layout.name, this.label)
    if (work.enter === undefined) emitMessage(message, this)
    else work.enter(message, this.session)
    span?.end(this.giving === null ? 'RuntimeError' : '')
    const wasTaken = this.giving !== null
    this.isGiving = false
    this.giving = null
    turn.source = source
    if (wasTaken && !work.awaitsOutput) work.done()
  }

  /** An event of the message at hand. The rest of one on which the session ended has nobody to go to. */
  process(event: Event): void {
    if (this.giving !== null) this.session?.enter(event, null)
  }

  answered(failure: Failure | undefined): void {
    const count = this.session?.awaited.take() ?? 0
    if (count === 0) return
    const works = this.outstanding.splice(0, count)
    if (this.outstanding.length === 0) this.answer.clear()
    else if (this.answerMs > 0) this.answer.touch()
    if (failure === undefined) for (const work of works) work.done()
    else {
      const restMs = this.tryAgain(works, failure)
      if (restMs > 0) this.rest(restMs)
    }
    if (this.waiting.length > 0) this.goOnLater()
  }

  /**
   * Puts failed work back in front of what has not been given, if it is to be tried again; one of several that failed
   * together is not blamed until it has failed alone. Gives the milliseconds to wait before.
   */
  private tryAgain(works: readonly Work[], failure: Failure): number {
    let restMs = 0
    const back: Work[] = []
    for (const work of works) {
      if (works.length > 1 && !failure.isUnavailable) {
        back.push(work)
        continue
      }
      const ms = work.failed(failure)
      if (ms === undefined) continue
      restMs = Math.max(restMs, ms)
      back.push(work)
    }
    this.putBack(back)
    return restMs
  }

  private putBack(works: readonly Work[]): void {
    if (works.length === 0) return
    const place = this.isAlone ? 0 : this.again
    this.waiting = [...this.waiting.slice(0, place), ...works, ...this.waiting.slice(place)]
    this.again += works.length
  }

  private unanswered(): void {
    const detail = `${this.label} put out nothing for ${this.answerMs} ms`
    this.session?.giveUp(new TrafficError('NotAnswered', detail))
  }

  pause(): void {
    this.pauses++
  }

  resume(): void {
    this.pauses--
    if (this.session?.isAtWork === true) this.goOnLater()
    else this.goOn()
  }

  /**
   * While the session is at work, on an answer or on what it has held, it would queue what it is given, and throw on it
   * behind our back, or take it for what the socket of that answer has sent, and pause that.
   */
  private goOnLater(): void {
    if (this.isReady) queueMicrotask(() => this.goOnInTurn())
  }

  /** Nobody has sent for long: it writes what it has gathered, and goes. */
  private passivate(): void {
    const { session } = this
    if (session === null || this.pauses > 0 || this.waiting.length > 0 || this.outstanding.length > 0) {
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

  ended(failure: Failure | undefined): void {
    const { giving } = this
    this.session = null
    this.giving = null
    this.idle?.clear()
    this.answer.clear()
    this.cancelClosing?.()
    this.cancelClosing = null
    const restMs = this.recover(giving, failure)
    if (this.isEnding && (failure !== undefined || this.hasFinished || this.waiting.length === 0)) this.over()
    else if (restMs > 0) this.rest(restMs)
    else if (this.waiting.length > 0) this.goOn()
    else if (!this.isEnding && failure === undefined) this.onGone()
  }

  /** Sees to what the session leaves behind. Gives the milliseconds to rest. */
  private recover(giving: Work | null, failure: Failure | undefined): number {
    const left = this.outstanding
    this.outstanding = []
    if (giving !== null && !giving.awaitsOutput) {
      if (failure === undefined) giving.done()
      else left.push(giving)
    }
    if (this.isEnding && this.hasFinished) {
      for (const work of left) work.returned()
      return 0
    }
    if (failure !== undefined) restarts.touch([this.layout.name]).value++
    const restMs = failure === undefined ? 0 : this.backoff.next()
    if (left.length === 0) return restMs
    const why = failure ?? {
      fault: new TrafficError('NotAnswered', `${this.label} ended its stream before`),
      isUnavailable: false,
    }
    // What it threw on is what it was being given; those before have only not been answered yet.
    const isCulprit = failure !== undefined && giving !== null && left.at(-1) === giving
    const culprits = isCulprit ? left.splice(-1) : left
    if (isCulprit) this.putBack(left)
    const isPaced = culprits.length === 1 && culprits[0]?.isPaced === true
    return Math.max(this.tryAgain(culprits, why), isPaced ? 0 : restMs)
  }

  private rest(ms: number): void {
    this.cancelRest?.()
    this.cancelRest = after(ms, () => {
      this.cancelRest = null
      this.goOnInTurn()
    })
  }

  private goOnInTurn(): void {
    turn.begin(null)
    this.goOn()
    turn.end()
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
    this.answer.clear()
    const left = [...this.outstanding, ...this.waiting]
    this.outstanding = []
    this.waiting = []
    for (const work of left) work.returned()
    this.whenEnded?.()
  }
}
