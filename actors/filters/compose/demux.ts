import { type Event, Kind, MessageStart, messageEnd, StreamEnd } from '../../../runtime/event.ts'
import { BlockedSources } from '../../../runtime/net/blocked-sources.ts'
import type { Span } from '../../../runtime/trace/span.ts'
import { tracing } from '../../../runtime/trace/tracing.ts'
import { turn } from '../../../runtime/turn.ts'
import { cloneContext } from '../../context.ts'
import { type EventPort, Filter } from '../../filter.ts'
import { Gate } from '../../gate.ts'
import type { Edge } from '../../kernel/ledger.ts'
import { traceMessage } from '../../message-spans.ts'
import type { Pipeline, PipelineLayout } from '../../pipeline.ts'
import type { FilterCall, FilterDefinition } from '../definition.ts'

/** Messages under way at which the source of further ones is paused, until half of them are done. */
const maxLanes = 500

/** One message on its way through a pipeline of its own; what it answers waits in the gate for its turn. */
class Lane implements EventPort {
  readonly takesText = false
  readonly gate = new Gate()
  pipeline: Pipeline | null = null
  isComplete = false
  /** Of the message, when it is recorded. */
  span: Span | null = null
  hasStarted = false
  private readonly demux: Demux

  constructor(demux: Demux) {
    this.demux = demux
  }

  process(event: Event): void {
    this.demux.answer(this, event)
  }
}

/**
 * Gives each message to a pipeline of its own. Answers come out whole, one after the other: in the order of the
 * messages (`demuxQueue`), or in that in which they begin (`demux`).
 */
class Demux extends Filter {
  private readonly layout: PipelineLayout
  private readonly edge: Edge
  private readonly isOrdered: boolean
  private readonly lanes: Lane[] = []
  /** Gets the events of the current message. */
  private input: Lane | null = null
  /** Its answer is being put out. */
  private output: Lane | null = null
  private streamEnd: StreamEnd | null = null
  private readonly blocked = new BlockedSources()

  constructor(layout: PipelineLayout, edge: Edge, isOrdered: boolean) {
    super()
    this.layout = layout
    this.edge = edge
    this.isOrdered = isOrdered
  }

  process(event: Event): void {
    if (this.streamEnd !== null) return
    switch (event.kind) {
      case 0:
        this.input?.pipeline?.send(event, this.edge)
        return
      case 1:
        this.open()
        this.input?.pipeline?.send(event, this.edge)
        return
      case 2:
        this.endMessage(event)
        return
      case 3:
        this.endMessage(messageEnd)
        this.streamEnd = event
        this.advance()
        return
      default:
        event satisfies never
    }
  }

  private open(): void {
    const { pipeline } = this
    const lane = new Lane(this)
    lane.pipeline = this.layout.spawn(cloneContext(pipeline.context), pipeline.session, pipeline, lane)
    if (tracing.tracer !== null) {
      const trace = traceMessage(pipeline, 'demux', this.layout.name)
      lane.pipeline.ownTrace = trace
      if (trace?.isRecorded === true) lane.span = trace as Span
    }
    if (this.lanes.push(lane) >= maxLanes) this.blocked.block(turn.source)
    this.input = lane
    if (this.isOrdered && this.output === null) this.output = lane
  }

  private endMessage(event: Event): void {
    const { input } = this
    this.input = null
    input?.pipeline?.send(event, this.edge)
    // So that one that answers nothing comes to its end; in demuxQueue each has to answer.
    if (!this.isOrdered) input?.pipeline?.send(new StreamEnd(), this.edge)
  }

  answer(lane: Lane, event: Event): void {
    if (lane.isComplete) return
    if (event.kind === Kind.streamEnd) {
      if (lane.hasStarted) this.put(lane, messageEnd)
      else if (this.isOrdered) {
        this.put(lane, new MessageStart())
        this.put(lane, messageEnd)
      }
      if (lane.span !== null) lane.span.error = event.error
      this.complete(lane)
      return
    }
    if (event.kind === Kind.messageStart) {
      lane.hasStarted = true
      if (this.output === null) this.output = lane
    }
    if (!lane.hasStarted) return
    this.put(lane, event)
    if (event.kind === Kind.messageEnd) this.complete(lane)
  }

  private put(lane: Lane, event: Event): void {
    if (lane === this.output) this.next.process(event)
    else lane.gate.hold(event)
  }

  private complete(lane: Lane): void {
    lane.isComplete = true
    lane.span?.end()
    lane.pipeline?.stop()
    lane.pipeline = null
    if (this.input === lane) this.input = null
    this.advance()
  }

  /** Goes on with the next answer when the one that is put out is complete. */
  private advance(): void {
    while (this.output === null || this.output.isComplete) {
      if (this.output !== null) this.lanes.splice(this.lanes.indexOf(this.output), 1)
      if (!this.isOrdered) this.dropSilent()
      this.output = (this.isOrdered ? this.lanes[0] : this.lanes.find(lane => lane.hasStarted)) ?? null
      if (this.output === null) break
      for (const event of this.output.gate.open()) this.next.process(event)
    }
    if (this.lanes.length <= maxLanes >> 1 && !this.blocked.isEmpty) this.blocked.release()
    if (this.streamEnd !== null && this.lanes.length === 0) this.next.process(this.streamEnd)
  }

  /** Messages that ended without an answer have nothing to put out. */
  private dropSilent(): void {
    for (let i = this.lanes.length - 1; i >= 0; i--) {
      const lane = this.lanes[i] as Lane
      if (lane.isComplete && !lane.hasStarted) this.lanes.splice(i, 1)
    }
  }

  override stop(): void {
    for (const lane of this.lanes) {
      lane.gate.close()
      lane.span?.end('ConnectionAborted')
      lane.pipeline?.stop()
    }
    this.lanes.length = 0
    this.blocked.release()
  }
}

const build =
  (name: string, isOrdered: boolean) =>
  (call: FilterCall): { name: string; create(): Filter } => {
    const layout = call.localTarget()
    call.end()
    const edge = call.edge('demux', layout.name, 'block')
    return { name, create: () => new Demux(layout, edge, isOrdered) }
  }

export const demux: FilterDefinition = {
  name: 'demux',
  aliases: [],
  signature: '()',
  summary: 'Sends each message to a pipeline of its own, answers in the order they begin',
  doc: 'Gives each message, and then StreamEnd, to a new sub-pipeline (.to) with a copy of the context. The first answer to begin comes out as it comes, others wait until it is complete; a sub-pipeline that ends without a message gives nothing. StreamEnd follows the last answer.',
  accepts: 'messages',
  emits: 'messages',
  sub: 'messages',
  options: {},
  example: '$.demux().to($ => $.replaceMessage(msg => new Message(msg.head, msg.body)))',
  build: build('demux', false),
}

export const demuxQueue: FilterDefinition = {
  name: 'demuxQueue',
  aliases: [],
  signature: '()',
  summary: 'Sends each message to a pipeline of its own, answers in the order of the messages',
  doc: 'Gives each message to a new sub-pipeline (.to) with a copy of the context, and puts the answers out in the order of the messages. A sub-pipeline that ends without a message gives an empty one. StreamEnd follows the last answer.',
  accepts: 'messages',
  emits: 'messages',
  sub: 'messages',
  options: {},
  example: "$.demuxQueue().to($ => $.muxQueue().to('redis'))",
  build: build('demuxQueue', true),
}
