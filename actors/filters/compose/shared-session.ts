import {
  type Event,
  Kind,
  type Message,
  MessageStart,
  messageEnd,
  StreamEnd,
} from '../../../runtime/event.ts'
import { cloneContext } from '../../context.ts'
import type { EventPort } from '../../filter.ts'
import type { Edge } from '../../kernel/ledger.ts'
import type { Pipeline, PipelineLayout } from '../../pipeline.ts'
import { giveArguments } from '../../start-arguments.ts'
import { Collected, MessageCollector } from '../message-collector.ts'
import { emitMessage } from '../replacement.ts'

/** Who has sent a message over a shared session and waits for its answer. */
export interface Requester {
  /** One more answer is to come. */
  expect(): void
  /** One of them will not come after all. */
  expectNoMore(): void
  respond(event: Event): void
}

/** Bytes of a message that is collected to find its key. */
const maxKeyedBytes = 16 * 1024 * 1024

/**
 * A pipeline that the messages of many streams share. Answers are matched to them in order (`muxQueue`), or by a key
 * that message and answer have in common (`mux`).
 */
export class SharedSession implements EventPort {
  readonly takesText = false
  private readonly pipeline: Pipeline
  private readonly onEnded: (session: SharedSession) => void
  private readonly keyOf: ((message: Message) => unknown) | undefined
  private readonly queue: Requester[] = []
  private readonly byKey = new Map<unknown, Requester>()
  private readonly answers: MessageCollector | null
  private hasStarted = false
  private hasEnded = false

  constructor(
    layout: PipelineLayout,
    opener: Pipeline,
    key: unknown,
    keyOf: ((message: Message) => unknown) | undefined,
    onEnded: (session: SharedSession) => void,
  ) {
    this.keyOf = keyOf
    this.answers = keyOf === undefined ? null : new MessageCollector(maxKeyedBytes)
    this.onEnded = onEnded
    this.pipeline = layout.spawn(cloneContext(opener.context), opener.session, null, this)
    this.pipeline.chain = opener.chain
    giveArguments(this.pipeline, [key])
  }

  /** Messages that wait for their answer. */
  get load(): number {
    return this.queue.length + this.byKey.size
  }

  /** Sends a whole message: its events stay together although others send as well. */
  send(requester: Requester, message: Message, edge: Edge): void {
    if (this.keyOf === undefined) {
      this.queue.push(requester)
      requester.expect()
    } else {
      const key = this.keyOf(message)
      if (key !== undefined) {
        // An answer goes to the last who asked: one that is displaced gets none.
        this.byKey.get(key)?.expectNoMore()
        this.byKey.set(key, requester)
        requester.expect()
      }
    }
    const { pipeline } = this
    emitMessage(message, { takesText: false, process: event => pipeline.send(event as Event, edge) })
  }

  /** What the shared pipeline puts out. */
  process(event: Event): void {
    if (event.kind === Kind.streamEnd) this.end(event)
    else if (this.answers !== null) this.matchByKey(event, this.answers)
    else this.matchInOrder(event)
  }

  private matchInOrder(event: Event): void {
    const requester = this.queue[0]
    if (requester === undefined) return
    if (event.kind === Kind.messageStart) this.hasStarted = true
    else if (!this.hasStarted) return
    if (event.kind === Kind.messageEnd) {
      this.hasStarted = false
      this.queue.shift()
    }
    requester.respond(event)
  }

  private matchByKey(event: Event, answers: MessageCollector): void {
    if (answers.add(event) !== Collected.whole) return
    const message = answers.take()
    const key = this.keyOf?.(message)
    const requester = this.byKey.get(key)
    // An answer that nobody asked for goes to nobody.
    if (requester === undefined) return
    this.byKey.delete(key)
    emitMessage(message, { takesText: false, process: each => requester.respond(each as Event) })
  }

  private end(end: StreamEnd): void {
    this.dispose()
    const waiting = [...this.queue, ...this.byKey.values()]
    this.queue.length = 0
    this.byKey.clear()
    let isFirst = this.hasStarted
    for (const requester of waiting) {
      if (!isFirst && end.error === '') {
        requester.respond(new MessageStart())
        requester.respond(messageEnd)
      }
      isFirst = false
      requester.respond(new StreamEnd(end.fault ?? end.error))
    }
  }

  /** The requester has gone: what is answered to it is thrown away, since the order must hold for the others. */
  forget(requester: Requester): void {
    for (let i = 0; i < this.queue.length; i++) if (this.queue[i] === requester) this.queue[i] = nobody
    for (const [key, waiting] of this.byKey) if (waiting === requester) this.byKey.delete(key)
  }

  dispose(): void {
    if (this.hasEnded) return
    this.hasEnded = true
    this.onEnded(this)
    this.pipeline.stop()
  }
}

const nobody: Requester = { expect: () => {}, expectNoMore: () => {}, respond: () => {} }
