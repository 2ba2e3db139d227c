import { Deadline } from '../../../runtime/clock.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import { Data, type Event, type Head, MessageStart, messageEnd, StreamEnd } from '../../../runtime/event.ts'
import { duration, optional, type Resolved, show, size } from '../../../runtime/options.ts'
import type { Span } from '../../../runtime/trace/span.ts'
import type { Tracer } from '../../../runtime/trace/tracer.ts'
import { tracing } from '../../../runtime/trace/tracing.ts'
import { turn } from '../../../runtime/turn.ts'
import { Filter } from '../../filter.ts'
import { tracedPlace } from '../../message-spans.ts'
import type { Joiner, Units } from '../../shared/units.ts'
import type { FilterDefinition } from '../definition.ts'
import { forgetLength } from '../http/head-length.ts'

const isText = (value: unknown): value is string | Data => typeof value === 'string' || value instanceof Data
const isShare = (value: unknown): value is number => typeof value === 'number' && value >= 0 && value <= 1

const options = {
  timeout: duration(
    0,
    'Puts a batch out when nothing has come for so long, up to half a second later. None by default.',
  ),
  interval: duration(
    5000,
    'Puts a batch out when its first message is so old, up to half a second later: 5 s, as in Pipy, bounds what a crash can lose.',
  ),
  bodyLimit: size(
    16 * 1024 * 1024,
    'Bytes of a batch: one that is larger is put out before its messages are n; a single message that is larger ends the stream with BufferOverflow. Bounds what one stream can cost.',
  ),
  prefix: optional('text or Data', 'Goes in front of the first body of a batch.', isText),
  postfix: optional('text or Data', 'Goes behind the last body of a batch.', isText),
  separator: optional('text or Data', 'Goes between two bodies.', isText),
  vacancy: optional(
    'a number from 0 to 1',
    'Taken for the sake of scripts of Pipy, whose buffers have holes; without effect, since bodies are joined.',
    isShare,
  ),
} as const

type Settings = Resolved<typeof options>

/** Joins the bodies of messages into one. */
class Pack extends Filter {
  private readonly count: number
  private readonly settings: Settings
  private head: Head | undefined
  private body = new Data()
  private messages = 0
  private places: string[] = []
  /** Where the current message begins in the body; -1 between messages. */
  private begin = -1
  private isDue = false
  private joiner: Joiner | null = null
  private readonly quiet: Deadline | null
  private readonly old: Deadline | null

  constructor(count: number, settings: Settings) {
    super()
    this.count = count
    this.settings = settings
    const deadline = (ms: number): Deadline | null => (ms > 0 ? new Deadline(ms, () => this.expired()) : null)
    this.quiet = deadline(settings.timeout)
    this.old = deadline(settings.interval)
  }

  process(event: Event): void {
    switch (event.kind) {
      case 0:
        if (this.begin < 0) this.next.process(event)
        else this.append(event)
        return
      case 1:
        this.start(event.head)
        return
      case 2:
        if (this.begin >= 0) this.finish()
        return
      case 3:
        if (this.begin >= 0) this.finish()
        this.flush()
        this.next.process(event)
        return
      default:
        event satisfies never
    }
  }

  private start(head: Head): void {
    const { prefix, separator } = this.settings
    if (this.begin >= 0) this.finish()
    if (tracing.tracer !== null) this.notePlace()
    if (this.head === undefined) {
      this.head = head
      this.joiner ??= this.answering()?.joiner(() => this.hurry()) ?? null
      if (prefix !== undefined) this.body.push(prefix)
      this.old?.touch()
    } else if (separator !== undefined) this.body.push(separator)
    this.begin = this.body.size
    this.quiet?.touch()
  }

  /** Where in their traces the messages of the batch stand. */
  private notePlace(): void {
    const place = tracedPlace(this.pipeline)
    const most = tracing.tracer?.policy.linkLimit ?? 0
    if (place !== undefined && this.places.length < most) this.places.push(place)
  }

  /** What the batch goes through is one piece of work for all of its messages: a span, linked to theirs. */
  private traceBatch(tracer: Tracer): Span | null {
    const { places, pipeline } = this
    this.places = []
    const span = tracer.batch('pack', places, this.messages)
    if (span !== null) pipeline.ownTrace = span
    return span
  }

  /** Those who await an answer to each message, unless what goes in here comes from elsewhere, as in a fork. */
  private answering(): Units | null {
    const { pipeline } = this
    return pipeline.root === pipeline.session ? pipeline.session.awaited : null
  }

  private append(data: Data): void {
    const { bodyLimit } = this.settings
    if (this.body.size - this.begin + data.size > bodyLimit) {
      this.stop()
      this.next.process(
        new StreamEnd(
          new TrafficError('BufferOverflow', `a message to be packed is over bodyLimit (${bodyLimit})`),
        ),
      )
      return
    }
    this.body.push(data)
    this.quiet?.touch()
  }

  private finish(): void {
    this.begin = -1
    this.messages++
    this.quiet?.touch()
    const isFull = this.messages >= this.count || this.body.size >= this.settings.bodyLimit
    if (isFull || this.isDue || this.joiner?.isAlone === true) this.flush()
  }

  /** Nothing more comes before this has gone out. */
  private hurry(): void {
    if (this.head !== undefined) this.expired()
  }

  private expired(): void {
    // A message that is under way is finished first.
    this.isDue = true
    if (this.begin >= 0) return
    turn.begin(null)
    this.pipeline.run(() => this.flush())
    turn.end()
  }

  private flush(): void {
    const { head, body } = this
    this.stop()
    if (head === undefined) return
    const { postfix } = this.settings
    if (postfix !== undefined) body.push(postfix)
    this.joiner?.join(this.messages)
    const before = this.pipeline.ownTrace
    const span = tracing.tracer === null ? null : this.traceBatch(tracing.tracer)
    this.head = undefined
    this.body = new Data()
    this.messages = 0
    this.isDue = false
    forgetLength(head)
    this.next.process(new MessageStart(head))
    if (body.size > 0) this.next.process(body)
    this.next.process(messageEnd)
    if (span === null) return
    span.end()
    this.pipeline.ownTrace = before
  }

  override stop(): void {
    this.quiet?.clear()
    this.old?.clear()
  }
}

export const pack: FilterDefinition = {
  name: 'pack',
  aliases: [],
  signature: '([n[, options]])',
  summary: 'Joins the bodies of several messages into one',
  doc: 'Puts out one message for n that come in (1 by default): its head is that of the first, its body is their bodies one after the other. A batch that is not full goes out when its first message is as old as interval, when nothing came for timeout, when it has grown to bodyLimit, and when the stream ends.',
  accepts: 'messages',
  emits: 'messages',
  options,
  example: "$.pack(1000, { timeout: 1, prefix: '[', separator: ',', postfix: ']' })",
  build: call => {
    const first = call.peek()
    const count = typeof first === 'object' || first === undefined ? 1 : call.take()
    if (call.remaining > 0 && call.peek() === undefined) call.take()
    if (!Number.isSafeInteger(count) || (count as number) < 1)
      throw new TrafficError('BadOption', `pack wants a number of messages from 1 on, and got ${show(count)}`)
    const settings = call.options(options)
    return { name: 'pack', create: () => new Pack(count as number, settings) }
  },
}
