import { Deadline } from '../../../runtime/clock.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import { cloneEvent, type Event, Kind, type Message, StreamEnd } from '../../../runtime/event.ts'
import { duration, type Resolved, size } from '../../../runtime/options.ts'
import { type Source, turn } from '../../../runtime/turn.ts'
import { cloneContext } from '../../context.ts'
import { type EventPort, Filter } from '../../filter.ts'
import type { Edge } from '../../kernel/ledger.ts'
import { weigh } from '../../kernel/mailbox.ts'
import type { Pipeline, PipelineLayout } from '../../pipeline.ts'
import type { Program } from '../../program.ts'
import type { ContextCallback, FilterDefinition } from '../definition.ts'
import { Collected, MessageCollector } from '../message-collector.ts'
import { emitMessage } from '../replacement.ts'
import { takeKey } from './mux.ts'
import { PoolMap } from './session-pool.ts'

const options = {
  maxIdle: duration(
    10_000,
    'Ends the shared pipeline when no stream has used it for so long: long enough for streams that come one after the other.',
  ),
  window: size(
    1024 * 1024,
    'Bytes of copies that may wait when the shared pipeline cannot keep up; what is more is dropped and counted.',
  ),
} as const

type Settings = Resolved<typeof options>

/** How long a shared pipeline may take to finish after the end of its stream. */
const finishMs = 10_000

/** The pipeline that the messages of many streams flow together in. It is paused by what it sends to, not the traffic. */
class Confluence implements EventPort, Source {
  readonly takesText = false
  private readonly pipeline: Pipeline
  private readonly program: Program
  private readonly edge: Edge
  private readonly windowBytes: number
  private readonly onEnded: () => void
  private readonly idle: Deadline
  private readonly finishing: Deadline
  private streams = 0
  private pauses = 0
  private waiting: Event[] = []
  private waitingBytes = 0
  private isEnding = false
  private isGone = false

  constructor(layout: PipelineLayout, opener: Pipeline, edge: Edge, settings: Settings, onEnded: () => void) {
    this.edge = edge
    this.windowBytes = settings.window
    this.onEnded = onEnded
    this.program = opener.session.program
    this.pipeline = layout.spawn(cloneContext(opener.context), opener.session, null, this)
    this.pipeline.chain = opener.chain
    this.idle = new Deadline(settings.maxIdle, () => this.end())
    this.finishing = new Deadline(finishMs, () => this.finish())
    this.program.entered(this, () => this.drain())
  }

  get isOpen(): boolean {
    return !this.isEnding
  }

  join(): void {
    this.streams++
    this.idle.clear()
  }

  leave(): void {
    this.streams--
    if (this.streams > 0 || this.isEnding) return
    if (this.program.isDraining) this.end()
    else this.idle.touch()
  }

  /** The program winds down: nobody new will come. */
  private drain(): void {
    if (this.streams === 0) this.end()
  }

  send(message: Message): void {
    const events: Event[] = []
    emitMessage(message, { takesText: false, process: event => void events.push(cloneEvent(event as Event)) })
    this.edge.accepted += events.length
    let bytes = 0
    for (const event of events) bytes += weigh(event)
    if (this.isEnding) this.edge.drop('ended', events.length)
    else if (this.pauses === 0 && this.waiting.length === 0) for (const event of events) this.give(event)
    else if (this.waitingBytes + bytes > this.windowBytes) this.edge.drop('overflow', events.length)
    else {
      for (const event of events) this.waiting.push(event.kind === Kind.data ? event.keep() : event)
      this.waitingBytes += bytes
      this.edge.inFlight += events.length
    }
  }

  private give(event: Event): void {
    const { source } = turn
    turn.source = this
    this.pipeline.enter(event, this.edge)
    turn.source = source
  }

  pause(): void {
    this.pauses++
  }

  resume(): void {
    if (--this.pauses > 0) return
    while (this.pauses === 0 && this.waiting.length > 0) {
      const event = this.waiting.shift() as Event
      this.waitingBytes -= weigh(event)
      this.edge.inFlight--
      this.give(event)
    }
  }

  /** What comes out is discarded; its end is the end of all. */
  process(event: Event): void {
    if (event.kind === Kind.streamEnd) this.finish()
  }

  private end(): void {
    if (this.isEnding) return
    this.isEnding = true
    this.onEnded()
    this.finishing.touch()
    turn.begin(null)
    this.pipeline.tell(new StreamEnd())
    turn.end()
  }

  private finish(): void {
    if (this.isGone) return
    this.isGone = true
    if (!this.isEnding) {
      this.isEnding = true
      this.onEnded()
    }
    this.idle.clear()
    this.finishing.clear()
    this.edge.inFlight -= this.waiting.length
    this.edge.drop('ended', this.waiting.length)
    this.waiting = []
    this.pipeline.stop()
    this.program.left(this)
  }
}

/** What the filters of one place in the script share: their confluences, by key. */
class Plan {
  private readonly layout: PipelineLayout
  private readonly edge: Edge
  private readonly settings: Settings
  private readonly key: ContextCallback<unknown> | undefined
  private readonly byKey = new PoolMap<Confluence>()

  constructor(
    layout: PipelineLayout,
    edge: Edge,
    settings: Settings,
    key: ContextCallback<unknown> | undefined,
  ) {
    this.layout = layout
    this.edge = edge
    this.settings = settings
    this.key = key
  }

  get limitBytes(): number {
    return this.settings.window
  }

  join(pipeline: Pipeline): Confluence {
    const key = this.key?.(pipeline.context)
    let confluence = this.byKey.get(key)
    if (confluence === undefined) {
      confluence = new Confluence(this.layout, pipeline, this.edge, this.settings, () =>
        this.byKey.delete(key),
      )
      this.byKey.set(key, confluence)
    }
    confluence.join()
    return confluence
  }

  /** A message that is larger than the window has no copy. */
  tooLarge(): void {
    this.edge.accepted++
    this.edge.drop('too-large')
  }
}

class Merge extends Filter {
  private readonly plan: Plan
  private readonly collector: MessageCollector
  private confluence: Confluence | null = null

  constructor(plan: Plan) {
    super()
    this.plan = plan
    this.collector = new MessageCollector(plan.limitBytes)
  }

  process(event: Event): void {
    if (this.collector.add(event) === Collected.whole) {
      const { overflowBytes } = this.collector
      const message = this.collector.take()
      if (overflowBytes > 0) this.plan.tooLarge()
      else {
        this.joined().send(message)
      }
    }
    this.next.process(event)
  }

  private joined(): Confluence {
    if (this.confluence?.isOpen === true) return this.confluence
    this.confluence?.leave()
    this.confluence = this.plan.join(this.pipeline)
    return this.confluence
  }

  override stop(): void {
    this.confluence?.leave()
  }
}

export const merge: FilterDefinition = {
  name: 'merge',
  aliases: [],
  signature: '([key[, options]])',
  summary: 'Sends copies of messages from different streams to a shared pipeline',
  doc: 'Gives a copy of each complete message to a sub-pipeline (.to) that all streams of the thread with the same key share, in the context of the one that came first, copied; the messages themselves pass on at once. What the shared pipeline puts out is discarded. It never delays the traffic: copies that it cannot take are dropped and counted in the ledger. It gets StreamEnd when no stream has used it for maxIdle.',
  accepts: 'messages',
  emits: 'same',
  sub: 'messages',
  options,
  example:
    "$.merge(ctx => ctx.tenant).to($ => $.pack(100, { timeout: 1 }).muxHTTP().to($ => $.connect('127.0.0.1:9200')))",
  build: call => {
    const layout = call.localTarget()
    const key = takeKey(call)
    const settings = call.options(options)
    if (settings.window === 0) throw new TrafficError('BadOption', "option 'window' of merge cannot be 0")
    const plan = new Plan(layout, call.edge('mux', layout.name, 'drop'), settings, key)
    return { name: 'merge', create: () => new Merge(plan) }
  },
}
