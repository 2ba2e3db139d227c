import { TrafficError } from '../../runtime/errors.ts'
import { type Event, Kind, type Message, StreamEnd } from '../../runtime/event.ts'
import type { EventPort } from '../filter.ts'
import { Collected, MessageCollector } from '../filters/message-collector.ts'
import { emitMessage } from '../filters/replacement.ts'
import { fromWire, toWire } from '../kernel/wire.ts'
import type { Pipeline } from '../pipeline.ts'
import type { Session } from '../session.ts'
import { type Question, type TakeAnswer, withDeadline } from './questions.ts'
import type { Work } from './work.ts'

/**
 * A question to a shared pipeline, as work for the actor of its key: it passes through a pipeline of its own, in the
 * actor's session and with the actor's variables, so that no answer goes to another's question however long each takes.
 * The first message that comes out is the answer.
 */
export class AskedPipeline implements Work, EventPort {
  readonly takesText = false
  readonly awaitsOutput = false
  readonly isPaced = false
  private readonly question: Question
  private readonly take: TakeAnswer
  private readonly collector: MessageCollector
  private pipeline: Pipeline | null = null
  private unwatch: (() => void) | null = null
  private isOver = false

  /** @param maxBytes of an answer's body */
  constructor(question: Question, maxBytes: number, take: TakeAnswer) {
    this.question = question
    this.collector = new MessageCollector(maxBytes)
    this.take = withDeadline(question, answer => {
      this.isOver = true
      this.unwatch?.()
      this.pipeline?.stop()
      take(answer)
    })
  }

  message(): Message | undefined {
    return this.isOver ? undefined : fromWire(this.question.wire)
  }

  /** The actor gives the message. */
  enter(message: Message, session: Session): void {
    const pipeline = session.layout.spawn(session.context, session, null, this)
    this.pipeline = pipeline
    // The next question moves the session on to a trace of its own.
    pipeline.ownTrace = session.ownTrace
    this.unwatch = session.watch(() => this.fail(`the actor of '${this.question.name}' has ended`))
    emitMessage(message, { takesText: false, process: event => pipeline.enter(event as Event, null) })
    if (!this.isOver) pipeline.enter(new StreamEnd(), null)
  }

  process(event: Event): void {
    if (this.isOver) return
    if (this.collector.add(event) === Collected.whole || this.collector.isEndedBy(event)) this.answer()
    else if (event.kind === Kind.streamEnd)
      this.take(
        event.fault ??
          (event.error === ''
            ? new TrafficError('DeadLetter', `pipeline '${this.question.name}' ended without an answer`)
            : new TrafficError(event.error)),
      )
  }

  private answer(): void {
    const message = this.collector.take()
    if (this.collector.overflowBytes > 0) {
      const detail = `an answer of '${this.question.name}' is larger than its maxMessageSize`
      this.take(new TrafficError('BufferOverflow', detail))
      return
    }
    try {
      this.take(toWire(message))
    } catch (thrown) {
      this.take(TrafficError.from(thrown))
    }
  }

  private fail(detail: string): void {
    this.take(new TrafficError('DeadLetter', detail))
  }

  done(): void {}

  failed(): undefined {
    this.fail(`the actor of '${this.question.name}' failed`)
  }

  returned(): void {
    this.fail(`the actor of '${this.question.name}' ends`)
  }
}
