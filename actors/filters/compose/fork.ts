import { TrafficError } from '../../../runtime/errors.ts'
import { cloneEvent, type Event, Kind, MessageStart, StreamEnd } from '../../../runtime/event.ts'
import { count, oneOf, type Resolved, show, size } from '../../../runtime/options.ts'
import type { Span } from '../../../runtime/trace/span.ts'
import type { TraceContext } from '../../../runtime/trace/trace-context.ts'
import { tracing } from '../../../runtime/trace/tracing.ts'
import { type Source, turn } from '../../../runtime/turn.ts'
import { type Context, cloneContext } from '../../context.ts'
import { type EventPort, Filter } from '../../filter.ts'
import type { Edge, Policy } from '../../kernel/ledger.ts'
import { weigh } from '../../kernel/mailbox.ts'
import { SentHead } from '../../kernel/wire.ts'
import { traceBranch, traceSend } from '../../message-spans.ts'
import type { Pipeline, PipelineLayout } from '../../pipeline.ts'
import type { Session } from '../../session.ts'
import { giveArguments } from '../../start-arguments.ts'
import { type FilterDefinition, type Target, targetName } from '../definition.ts'
import { Collected, MessageCollector } from '../message-collector.ts'
import { isThenable } from '../promise.ts'

const options = {
  policy: oneOf(
    ['drop', 'block'],
    'drop',
    'What happens when a branch cannot keep up. drop: copies are dropped and counted, and the traffic is never delayed; block: the source is paused until the branch has caught up.',
  ),
  window: size(1024 * 1024, 'Bytes of copies that may wait for a branch.'),
  maxBranches: count(
    1000,
    'Branches of this fork that may be at work at one time in a thread, those included whose session is over and whose target has not finished; further ones are dropped. Bounds what a stalled target can cost.',
    1,
  ),
} as const

type Settings = Resolved<typeof options>

/** What is put over the variables of a branch: nothing, an object, or one branch per element of an array. */
type Init = object | readonly unknown[] | ((ctx: Context) => object | readonly unknown[])

/** What the filters of one place in the script share. */
export interface Plan {
  readonly target: Target
  readonly init: Init | undefined
  readonly edge: Edge
  readonly settings: Settings
  /** Branches at work in this thread. */
  open: number
}

/**
 * A branch in this thread.
 *
 * While it is given a copy, it stands in for the source of the turn: when something in the branch has too much to
 * send, it is the branch that is paused, not the traffic. Copies then wait within the window; what goes over it is
 * dropped. A stream with a hole in it is of no use, so it ends there with BufferOverflow, and with the next message
 * (once the branch has caught up) a fresh pipeline takes over.
 */
export class Branch implements Source, EventPort {
  readonly takesText = false
  private readonly plan: Plan
  private readonly layout: PipelineLayout
  private readonly context: Context
  private readonly session: Session
  /** What its pipeline is started with. */
  private readonly given: readonly unknown[] | undefined
  private pipeline: Pipeline | null = null
  private pauses = 0
  private waiting: Event[] = []
  private waitingBytes = 0
  private isBroken = false
  private inputEnded = false
  /** The pipeline has ended by itself, and takes nothing more: it is kept until the stream that is copied ends, too. */
  private outputEnded = false
  /** The session that it copied has gone, and it finishes by itself. */
  private isAlone = false
  /** Where in a trace it stands who is copied, and the span of the branch when that is recorded. */
  private readonly from: TraceContext | null
  private span: Span | null = null

  /** @param from where in a trace it stands who is copied */
  constructor(
    plan: Plan,
    layout: PipelineLayout,
    context: Context,
    session: Session,
    given: readonly unknown[] | undefined,
    from: TraceContext | null = null,
  ) {
    this.from = from
    this.plan = plan
    this.layout = layout
    this.context = context
    this.session = session
    this.given = given
  }

  copy(event: Event): void {
    this.take(cloneEvent(event))
  }

  /** As `copy`, with an event that is nobody else's. */
  take(event: Event): void {
    const { edge } = this.plan
    edge.accepted++
    if (this.inputEnded || (this.isBroken && !this.mend(event))) edge.drop('overflow')
    else if (this.pipeline === null && this.plan.open >= this.plan.settings.maxBranches) edge.drop('branches')
    else if (this.pauses === 0 && this.waiting.length === 0) this.give(event)
    else this.wait(event)
  }

  /** A broken branch starts over with a whole message, when it has room again. */
  private mend(event: Event): boolean {
    if (event.kind !== Kind.messageStart || this.pauses > 0) return false
    this.finish()
    this.isBroken = false
    return true
  }

  private wait(event: Event): void {
    const { edge, settings } = this.plan
    const bytes = weigh(event)
    if (this.waitingBytes + bytes > settings.window) {
      edge.drop('overflow', this.waiting.length + 1)
      edge.inFlight -= this.waiting.length
      this.waiting = []
      this.waitingBytes = 0
      this.isBroken = true
      edge.accepted++
      this.give(
        new StreamEnd(
          new TrafficError(
            'BufferOverflow',
            `the branch to '${this.layout.name}' is more than ${settings.window} bytes behind`,
          ),
        ),
      )
      return
    }
    if (event.kind === Kind.data) event.keep()
    this.waiting.push(event)
    this.waitingBytes += bytes
    edge.inFlight++
  }

  private give(event: Event): void {
    const { source } = turn
    if (this.plan.settings.policy === 'drop') turn.source = this
    if (this.pipeline === null) {
      this.pipeline = this.layout.spawn(this.context, this.session, null, this)
      if (this.from !== null) this.beginTrace(this.pipeline, this.from)
      if (this.given !== undefined) giveArguments(this.pipeline, this.given)
      this.plan.open++
      this.session.program.entered(this)
    }
    if (event.kind === Kind.streamEnd && !this.isBroken) this.inputEnded = true
    this.pipeline.enter(event, this.plan.edge)
    turn.source = source
    if (this.inputEnded && this.outputEnded) this.finish()
  }

  private beginTrace(pipeline: Pipeline, from: TraceContext): void {
    const trace = traceBranch(from, 'fork', this.layout.name)
    pipeline.ownTrace = trace
    this.span = trace !== from ? (trace as Span) : null
  }

  /** What the branch puts out is discarded; its end is the end of its work. */
  process(event: Event): void {
    if (event.kind !== Kind.streamEnd) return
    if (this.span !== null) this.span.error = event.error
    this.outputEnded = true
    if (this.isAlone || this.inputEnded) this.finish()
  }

  private finish(): void {
    if (this.pipeline === null) return
    this.pipeline.stop()
    this.pipeline = null
    this.outputEnded = false
    if (this.waiting.length > 0) this.forget()
    this.span?.end(this.isBroken ? 'BufferOverflow' : '')
    this.span = null
    this.plan.open--
    this.session.program.left(this)
  }

  /** What was copied for a pipeline that has ended. */
  private forget(): void {
    const { edge } = this.plan
    edge.drop('ended', this.waiting.length)
    edge.inFlight -= this.waiting.length
    this.waiting = []
    this.waitingBytes = 0
  }

  pause(): void {
    this.pauses++
  }

  resume(): void {
    if (--this.pauses > 0) return
    const { edge } = this.plan
    while (this.pauses === 0 && this.waiting.length > 0) {
      const event = this.waiting.shift() as Event
      this.waitingBytes -= weigh(event)
      edge.inFlight--
      this.give(event)
    }
  }

  /** The session that is copied has ended: the branch gets the end of the stream and finishes what it has. */
  leave(): void {
    this.isAlone = true
    if (this.pipeline === null || this.isBroken || this.outputEnded) this.finish()
    else if (!this.inputEnded) this.copy(new StreamEnd())
  }
}

/** The beginning of a message as it is now; what cannot be copied is found out when the message is to be sent. */
function snapshot(start: MessageStart): MessageStart {
  try {
    return new MessageStart(new SentHead(start.head))
  } catch {
    return start
  }
}

/** A branch to a pipeline that threads or nodes share: it is sent whole messages. */
class SharedBranch {
  private readonly plan: Plan
  private readonly name: string
  private readonly context: Context
  /** That which is copied. */
  private readonly from: Pipeline
  private readonly collector: MessageCollector

  constructor(plan: Plan, name: string, context: Context, from: Pipeline) {
    this.plan = plan
    this.name = name
    this.context = context
    this.from = from
    this.collector = new MessageCollector(plan.settings.window)
  }

  copy(event: Event): void {
    // Copied at once: filters behind the fork may change the head before its message is whole.
    const copy = event.kind === Kind.messageStart ? snapshot(event) : event
    if (this.collector.add(copy) !== Collected.whole && !this.collector.isEndedBy(event)) return
    const { edge } = this.plan
    const { overflowBytes } = this.collector
    const message = this.collector.take()
    edge.accepted++
    if (overflowBytes > 0) {
      edge.drop('too-large')
      return
    }
    if (tracing.tracer !== null) traceSend(message, this.from, 'fork', this.name)
    const { sharedPipelines } = this.from.session.program.surroundings
    sharedPipelines.send(this.name, message, this.context, edge, turn.source)
  }

  /** A message that the session did not finish is not sent. */
  leave(): void {
    if (!this.collector.isCollecting) return
    this.plan.edge.accepted++
    this.plan.edge.drop('incomplete')
  }
}

class Fork extends Filter {
  private readonly plan: Plan
  private branches: readonly (Branch | SharedBranch)[] | null = null

  constructor(plan: Plan) {
    super()
    this.plan = plan
  }

  process(event: Event): void {
    this.branches ??= this.open()
    for (const branch of this.branches) branch.copy(event)
    this.next.process(event)
  }

  private open(): (Branch | SharedBranch)[] {
    const { context } = this.pipeline
    const { init } = this.plan
    const given = typeof init === 'function' ? init(context) : init
    if (isThenable(given))
      throw new TrafficError(
        'RuntimeError',
        'fork wants its initial values at once, and its callback gave a promise',
      )
    if (given === undefined) return [this.branch(context, undefined)]
    if (typeof given !== 'object' || given === null) {
      throw new TrafficError(
        'RuntimeError',
        `fork wants an object or an array of initial values, and its callback gave ${show(given)}`,
      )
    }
    // Array(3) has holes where the branches of a script are to be.
    const each = Array.isArray(given) ? Array.from(given) : [given]
    return each.map((values, index) =>
      this.branch(Object.assign(cloneContext(context), typeof values === 'object' ? values : undefined), [
        values,
        index,
      ]),
    )
  }

  private branch(context: Context, given: readonly unknown[] | undefined): Branch | SharedBranch {
    const { plan, pipeline } = this
    if (plan.target.kind !== 'local') return new SharedBranch(plan, plan.target.name, context, pipeline)
    const from = tracing.tracer === null ? null : pipeline.trace
    return new Branch(plan, plan.target.layout, context, pipeline.session, given, from)
  }

  override stop(): void {
    if (this.branches !== null) for (const branch of this.branches) branch.leave()
  }
}

/**
 * Spilling, through a stream and back, while part of the traffic goes past it keeps no order of a key, and what is in a
 * stream has one host: a pipeline is either delivered from a stream, or it is not.
 */
function refuseSpill(given: unknown): void {
  if ((given as { readonly policy?: unknown } | null | undefined)?.policy !== 'spill') return
  throw new TrafficError(
    'BadOption',
    "fork has no policy 'spill'; what must not be dropped is for a pipeline with placement 'cluster' and delivery 'at-least-once', which stores all of it",
  )
}

export const fork: FilterDefinition = {
  name: 'fork',
  aliases: [],
  signature: '([init[, options]])',
  summary: 'Sends copies of events to other pipeline sessions',
  doc: "Gives a copy of every event to another pipeline (.to), and passes the events on at once. Without init there is one branch, which shares the context; with an object there is one with a copy of the context and the object's values over it; with an array there is one per element. init may be a callback (ctx). What a branch puts out is discarded. A branch never delays the traffic: what it cannot take is dropped and counted in the ledger, unless policy is 'block'. To a pipeline with placement 'node' or 'cluster' whole messages are sent.",
  accepts: 'any',
  emits: 'same',
  sub: 'same',
  options,
  example: "$.fork().to('log')",
  build: call => {
    const target = call.target()
    let init: unknown
    if (call.remaining > 0) init = call.take()
    if (init !== undefined && init !== null && typeof init !== 'object' && typeof init !== 'function') {
      throw new TrafficError(
        'BadOption',
        `fork wants initial values as an object, an array, or a callback that gives them, and got ${show(init)}`,
      )
    }
    refuseSpill(call.peek())
    const settings = call.options(options)
    if (target.kind === 'shared' && call.stage === 'bytes') {
      throw new TrafficError(
        'ScriptError',
        `pipeline '${target.name}' has placement '${target.placement}' and takes messages, and here are bytes; put a decoder in front, like demuxHTTP().to(…)`,
      )
    }
    const edge = call.edge('fork', targetName(target), settings.policy as Policy)
    const plan: Plan = { target, init: (init ?? undefined) as Init | undefined, edge, settings, open: 0 }
    return { name: 'fork', create: () => new Fork(plan) }
  },
}
