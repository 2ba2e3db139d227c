// Hot path: a pipeline is made per request, and each event of it passes `process`.

import { TrafficError } from '../runtime/errors.ts'
import { type Event, Kind, StreamEnd } from '../runtime/event.ts'
import type { TraceContext } from '../runtime/trace/trace-context.ts'
import { tracing } from '../runtime/trace/tracing.ts'
import type { Context } from './context.ts'
import type { EventPort, Filter, FilterLayout, Latin1 } from './filter.ts'
import { FilterProbe } from './filter-probe.ts'
import { Actor } from './kernel/actor.ts'
import type { Edge } from './kernel/ledger.ts'
import type { Session } from './session.ts'

/** The template made once from the script: a name and filters with checked options. */
export class PipelineLayout {
  readonly name: string
  /** Filled when the script has been read to its end, since pipelines may name each other in circles. */
  filters: readonly FilterLayout[] = []

  constructor(name: string) {
    this.name = name
  }

  /**
   * A running pipeline.
   *
   * @param owner the pipeline that its output goes to; null when that is whoever runs the pipeline
   * @param outlet the port of the owner that takes the output
   */
  spawn(context: Context, session: Session, owner: Pipeline | null, outlet: EventPort): Pipeline {
    return new Pipeline(this, context, session, owner, outlet)
  }
}

/** Events that may wait for a busy pipeline: four for each byte of the largest read. */
const mostEvents = 256 * 1024

/** By kind. */
const eventNames = ['Data', 'MessageStart', 'MessageEnd', 'StreamEnd'] as const

/** The pipelines that `pipeNext` goes through, and the place of one of them. */
export interface Chain {
  readonly layouts: readonly PipelineLayout[]
  readonly index: number
  readonly edge: Edge
  /** What its pipelines are started with, unless one of them gives the next something else. */
  readonly given: readonly unknown[] | undefined
}

/** The other side of a connection that a pipeline leads to. */
export interface Upstream {
  readonly host: string
  readonly port: number
  /** The IP address that was connected to. */
  readonly address: string
}

/** A running instance of a layout: an actor, whose messages are the events of one stream. */
export class Pipeline extends Actor<Event> implements EventPort {
  readonly layout: PipelineLayout
  context: Context
  readonly session: Session
  /** Where events go in. */
  readonly first: EventPort
  /** Where `pipeNext` leads to: the owner's chain, unless the one who made this pipeline says otherwise. */
  chain: Chain | null
  /** Where in a trace its work stands, when that is not where its owner's does. */
  ownTrace: TraceContext | null = null
  /** What its `connect` leads to, once it does. */
  upstream: Upstream | null = null
  /** The shared pipeline that its request was last sent over, which knows the upstream. */
  sentOver: Pipeline | null = null
  private readonly owner: Pipeline | null
  private readonly outlet: EventPort
  private hasEnded = false
  /** The kinds of the last eight events that came in, three bits each. */
  private trail = 0

  constructor(
    layout: PipelineLayout,
    context: Context,
    session: Session | null,
    owner: Pipeline | null,
    outlet: EventPort | null,
  ) {
    super()
    this.layout = layout
    this.context = context
    this.session = session ?? (this as unknown as Session)
    this.owner = owner
    this.chain = owner === null ? null : owner.chain
    this.outlet = outlet ?? this
    const { filters } = layout
    const isProbed = tracing.tracer?.tracesFilters === true
    let next: EventPort = this
    if (isProbed) next = this.put(new FilterProbe('', filters.length), next)
    for (let i = filters.length - 1; i >= 0; i--) {
      const layout = filters[i] as FilterLayout
      next = this.put(layout.create(), next)
      if (isProbed) next = this.put(new FilterProbe(layout.name, i), next)
    }
    this.first = next
  }

  private put(filter: Filter, next: EventPort): Filter {
    filter.next = next
    filter.pipeline = this
    return filter
  }

  /** Where in a trace its work stands; null: tracing is off, or there is none. */
  override get trace(): TraceContext | null {
    let pipeline: Pipeline | null = this
    while (pipeline !== null) {
      if (pipeline.ownTrace !== null) return pipeline.ownTrace
      pipeline = pipeline.owner
    }
    return null
  }

  /** A request of this pipeline goes over a shared one: whoever looks at it from around it is to know, too. */
  sendsOver(shared: Pipeline): void {
    let pipeline: Pipeline | null = this
    while (pipeline !== null && pipeline.owner !== null) {
      pipeline.sentOver = shared
      pipeline = pipeline.owner
    }
  }

  isOwnedBy(other: Pipeline): boolean {
    return this.owner === other
  }

  get path(): string {
    return `${this.session.name}/${this.layout.name}`
  }

  /** Where its output ends up: the session, unless someone on the way is no pipeline. */
  get root(): Pipeline {
    return this.owner === null ? this : this.owner.root
  }

  get takesText(): boolean {
    // A session is its own outlet, and says for itself when it takes text.
    return this.owner === null && this.outlet !== this && this.outlet.takesText
  }

  override tell(event: Event): void {
    this.enter(event, null)
  }

  /** Gives an event to the first filter; `edge` is the ledger that has accepted it, if it came over one. */
  enter(event: Event, edge: Edge | null): void {
    // Without a measurable price (bench/micro/exchange.ts), and all there is to tell when a filter throws.
    this.trail = ((this.trail << 3) | (event.kind + 1)) & 0xffffff
    this.deliver(this.first, event, edge)
  }

  /** Sends an event into the pipeline over an edge, which accounts for it. */
  send(event: Event, edge: Edge): void {
    edge.accepted++
    this.enter(event, edge)
  }

  /** The outlet: what comes out of the last filter goes to the owner. Nothing follows a StreamEnd. */
  override process(event: Event | Latin1): void {
    if (this.hasEnded) return
    if (event.kind === Kind.streamEnd) this.hasEnded = true
    if (this.session.waits !== null) this.session.waits.notify()
    if (this.owner === null) this.outlet.process(event)
    else this.owner.deliver(this.outlet, event, null)
  }

  /**
   * A stream with a hole in it is of no use, so what one turn brings is let in. More than any honest script makes of it
   * ends the pipeline.
   */
  protected override admits(waiting: number): boolean {
    if (waiting < mostEvents) return true
    if (!this.isStopped) {
      const detail = `${waiting} events wait for ${this.path} in one turn`
      this.fail(new TrafficError('BufferOverflow', detail), undefined, null)
    }
    return false
  }

  protected override failed(fault: TrafficError, _message: unknown): void {
    this.session.pipelineFailed(this, fault)
    this.process(new StreamEnd(fault))
  }

  protected override history(): readonly string[] {
    const names: string[] = []
    for (let left = this.trail; left > 0; left >>= 3) names.unshift(eventNames[(left & 7) - 1] as string)
    return names
  }

  protected override stopped(): void {
    let port: EventPort = this.first
    while (port !== this) {
      const filter = port as Filter
      filter.stop()
      port = filter.next
    }
  }
}
