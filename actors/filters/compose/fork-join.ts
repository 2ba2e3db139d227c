import { TrafficError } from '../../../runtime/errors.ts'
import { cloneEvent, type Event, Kind, StreamEnd } from '../../../runtime/event.ts'
import { count, type Resolved, show, size } from '../../../runtime/options.ts'
import { type Context, cloneContext } from '../../context.ts'
import { Filter } from '../../filter.ts'
import type { Edge } from '../../kernel/ledger.ts'
import type { Pipeline, PipelineLayout } from '../../pipeline.ts'
import { giveArguments } from '../../start-arguments.ts'
import type { FilterCall, FilterDefinition } from '../definition.ts'
import { EventStore } from './event-store.ts'
import { SubPort } from './sub-stream.ts'

const joinOptions = {
  bufferLimit: size(
    16 * 1024 * 1024,
    'Bytes of the stream that wait for the branches; more ends it with BufferOverflow. Bounds what one stream can cost.',
  ),
  maxBranches: count(1000, 'Branches that one stream may have. Bounds what a long array can cost.', 1),
} as const

const raceOptions = { maxBranches: joinOptions.maxBranches } as const

type JoinSettings = Resolved<typeof joinOptions>
type Init = object | readonly unknown[] | ((ctx: Context) => unknown) | undefined

/** What the filters of one place in the script share. */
interface Plan {
  readonly name: string
  readonly layout: PipelineLayout
  readonly edge: Edge
  readonly init: Init
  readonly maxBranches: number
}

/** Pipelines that each get a copy of the stream and of the context. */
abstract class Branching extends Filter {
  protected readonly plan: Plan
  protected branches: Pipeline[] | null = null

  constructor(plan: Plan) {
    super()
    this.plan = plan
  }

  /** Gives a copy of the event to each branch; the first event makes them. */
  protected give(event: Event): void {
    this.branches ??= this.open()
    for (const branch of this.branches) if (!branch.isStopped) branch.send(cloneEvent(event), this.plan.edge)
  }

  private open(): Pipeline[] {
    const { init, layout, maxBranches, name } = this.plan
    const { pipeline } = this
    const given = typeof init === 'function' ? (init as (ctx: Context) => unknown)(pipeline.context) : init
    if (given !== undefined && (typeof given !== 'object' || given === null))
      throw new TrafficError(
        'RuntimeError',
        `${name} wants an object or an array of initial values, and its callback gave ${show(given)}`,
      )
    // Array(3) has holes where the branches of a script are to be.
    const each: readonly unknown[] = Array.isArray(given) ? Array.from(given) : [given]
    if (each.length > maxBranches)
      throw new TrafficError(
        'RuntimeError',
        `${name} is to make ${each.length} branches (maxBranches ${maxBranches})`,
      )
    return each.map((values, index) => {
      const context = Object.assign(
        cloneContext(pipeline.context),
        typeof values === 'object' ? values : undefined,
      )
      let branch: Pipeline | null = null
      const port = new SubPort<Branching>(this, (filter, event) => filter.answer(branch as Pipeline, event))
      branch = layout.spawn(context, pipeline.session, pipeline, port)
      if (given !== undefined) giveArguments(branch, [values, index])
      return branch
    })
  }

  /** What a branch puts out. */
  protected abstract answer(branch: Pipeline, event: Event): void

  override stop(): void {
    if (this.branches !== null) for (const branch of this.branches) branch.stop()
  }
}

/** Holds the stream until all branches have ended. */
class ForkJoin extends Branching {
  private readonly waiting: EventStore
  private isOpen = false
  private ended = 0

  constructor(plan: Plan, settings: JoinSettings) {
    super(plan)
    this.waiting = new EventStore(settings.bufferLimit)
  }

  process(event: Event): void {
    if (this.isOpen) {
      this.next.process(event)
      return
    }
    this.waiting.add(event)
    if (this.waiting.isOverflown) {
      this.isOpen = true
      this.stop()
      this.next.process(
        new StreamEnd(new TrafficError('BufferOverflow', 'what waits for forkJoin is over bufferLimit')),
      )
      return
    }
    this.give(event)
    if (this.branches?.length === 0) this.release()
  }

  protected answer(branch: Pipeline, event: Event): void {
    if (event.kind !== Kind.streamEnd || branch.isStopped) return
    branch.stop()
    if (++this.ended === this.branches?.length) this.release()
  }

  private release(): void {
    if (this.isOpen) return
    this.isOpen = true
    for (const event of this.waiting.take()) this.next.process(event)
  }
}

/** Passes on what the first branch to put anything out puts out. */
class ForkRace extends Branching {
  private winner: Pipeline | null = null

  process(event: Event): void {
    if (this.winner === null) this.give(event)
    else if (!this.winner.isStopped) this.winner.send(event, this.plan.edge)
  }

  protected answer(branch: Pipeline, event: Event): void {
    if (this.winner === null) {
      if (event.kind === Kind.streamEnd && this.othersRun(branch)) {
        branch.stop()
        return
      }
      this.winner = branch
      for (const other of this.branches ?? []) if (other !== branch) other.stop()
    }
    if (this.winner === branch) this.next.process(event)
  }

  /** A branch that ends without a word has only won when there is no other left. */
  private othersRun(branch: Pipeline): boolean {
    return (this.branches ?? []).some(other => other !== branch && !other.isStopped)
  }
}

function planOf(call: FilterCall): Plan & { readonly layout: PipelineLayout } {
  const layout = call.localTarget()
  const init = call.remaining > 0 ? call.take() : undefined
  if (init !== undefined && init !== null && typeof init !== 'object' && typeof init !== 'function')
    throw new TrafficError(
      'BadOption',
      `${call.name} wants initial values as an object, an array, or a callback that gives them, and got ${show(init)}`,
    )
  const edge = call.edge('fork', layout.name, 'block')
  return {
    name: call.name,
    layout,
    edge,
    init: (init ?? undefined) as Init,
    maxBranches: joinOptions.maxBranches.fallback,
  }
}

export const forkJoin: FilterDefinition = {
  name: 'forkJoin',
  aliases: [],
  signature: '([init[, options]])',
  summary: 'Sends copies of events to other pipelines and waits until these have ended',
  doc: 'Gives copies of the events to branches of the sub-pipeline (.to), one for each element of init, or one. Each has a copy of the context with the values of its element over it; init may be a callback (ctx). The events themselves wait, and go on when every branch has put out StreamEnd. What branches put out is discarded.',
  accepts: 'any',
  emits: 'same',
  sub: 'same',
  options: joinOptions,
  example:
    "$.forkJoin([{ target: 'a:80' }, { target: 'b:80' }]).to($ => $.muxHTTP(ctx => ctx.target).to($ => $.connect(ctx => ctx.target)).replaceMessageEnd(() => new StreamEnd()))",
  build: call => {
    const plan = planOf(call)
    const settings = call.options(joinOptions)
    const limited = { ...plan, maxBranches: settings.maxBranches }
    return { name: 'forkJoin', create: () => new ForkJoin(limited, settings) }
  },
}

export const forkRace: FilterDefinition = {
  name: 'forkRace',
  aliases: [],
  signature: '([init[, options]])',
  summary: 'Sends copies of events to several pipelines and takes the answer of the fastest',
  doc: 'Gives copies of the events to branches of the sub-pipeline (.to), one for each element of init, or one. Each has a copy of the context with the values of its element over it; init may be a callback (ctx). What comes out is the output of the branch that first puts anything out, and the others are stopped; a branch that ends without a word wins only when it is the last.',
  accepts: 'any',
  emits: 'any',
  sub: 'same',
  options: raceOptions,
  example: "$.forkRace([{ target: 'a:80' }, { target: 'b:80' }]).to($ => $.connect(ctx => ctx.target))",
  build: call => {
    const plan = { ...planOf(call), ...call.options(raceOptions) }
    return { name: 'forkRace', create: () => new ForkRace(plan) }
  },
}
