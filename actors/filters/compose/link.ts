import { TrafficError } from '../../../runtime/errors.ts'
import type { Event } from '../../../runtime/event.ts'
import { Kind } from '../../../runtime/event.ts'
import { show } from '../../../runtime/options.ts'
import type { Context } from '../../context.ts'
import { type EventPort, Filter } from '../../filter.ts'
import { Gate } from '../../gate.ts'
import type { Edge } from '../../kernel/ledger.ts'
import type { Pipeline, PipelineLayout } from '../../pipeline.ts'
import type { FilterCall, FilterDefinition } from '../definition.ts'

type Condition = (ctx: Context) => unknown

/** One way that a stream can take: through a pipeline, or straight on when there is none. */
interface Way {
  readonly condition: Condition | undefined
  readonly layout: PipelineLayout | undefined
  readonly edge: Edge | undefined
}

/** Hands the output of a linked pipeline on, inside the actor of the pipeline that it is linked to. */
class Through implements EventPort {
  readonly takesText = false
  private readonly filter: Filter

  constructor(filter: Filter) {
    this.filter = filter
  }

  process(event: Event): void {
    this.filter.next.process(event)
  }
}

/** Chooses a way for the whole stream, by conditions that are asked again with each event until one holds. */
class Choose extends Filter {
  private readonly ways: readonly Way[]
  private gate: Gate | null = null
  private chosen: Way | null = null
  private linked: Pipeline | null = null

  constructor(ways: readonly Way[]) {
    super()
    this.ways = ways
  }

  process(event: Event): void {
    if (this.chosen === null && !this.choose(event)) return
    this.pass(event)
  }

  private choose(event: Event): boolean {
    for (const way of this.ways) {
      if (way.condition !== undefined && !way.condition(this.pipeline.context)) continue
      this.take(way)
      return true
    }
    if (event.kind === Kind.streamEnd) {
      // Nothing can choose a way any more: what was held has nowhere to go.
      this.gate?.close()
      this.next.process(event)
      return false
    }
    this.gate ??= new Gate()
    this.gate.hold(event)
    return false
  }

  private take(way: Way): void {
    const { pipeline } = this
    this.chosen = way
    if (way.layout !== undefined)
      this.linked = way.layout.spawn(pipeline.context, pipeline.session, pipeline, new Through(this))
    if (this.gate !== null) for (const event of this.gate.open()) this.pass(event)
  }

  private pass(event: Event): void {
    if (this.linked === null) this.next.process(event)
    else this.linked.send(event, (this.chosen as Way).edge as Edge)
  }

  override stop(): void {
    this.gate?.close()
    this.linked?.stop()
  }
}

const way = (call: FilterCall, target: unknown, condition: Condition | undefined): Way => {
  if (target === '' || target === null) return { condition, layout: undefined, edge: undefined }
  const layout = call.localTarget(call.resolve(target))
  return { condition, layout, edge: call.edge('link', layout.name, 'block') }
}

const isCondition = (value: unknown): value is Condition => typeof value === 'function'

export const link: FilterDefinition = {
  name: 'link',
  aliases: [],
  signature: '(target[, when[, target2[, when2, ...]]])',
  summary: 'Sends events to a different pipeline',
  doc: "Sends the stream through another pipeline, with the same context, and puts out what comes out of it. With several targets the first whose condition (ctx) holds is taken, for good; the conditions are asked again with each event until one holds, and events wait meanwhile. A target without a condition is always taken, '' passes the stream straight on.",
  accepts: 'any',
  emits: 'any',
  options: {},
  example: "$.link('api', ctx => ctx.isAPI, 'web')",
  build: call => {
    const ways: Way[] = []
    if (call.remaining === 0) {
      const layout = call.localTarget()
      ways.push({ condition: undefined, layout, edge: call.edge('link', layout.name, 'block') })
    }
    while (call.remaining > 0) {
      const target = call.takeTarget()
      const given = call.take()
      if (given !== undefined && !isCondition(given))
        throw new TrafficError(
          'BadOption',
          `link wants a condition ctx => … behind a target, and got ${show(given)}`,
        )
      ways.push(way(call, target, given as Condition | undefined))
    }
    return { name: 'link', create: () => new Choose(ways) }
  },
}

export const branch: FilterDefinition = {
  name: 'branch',
  aliases: [],
  signature: '(when, target[, when2, target2, ...][, otherwise])',
  summary: 'Sends events to one of several pipelines',
  doc: "The same as link with the condition in front of its target, and a last target for when none holds: branch(ctx => ctx.isAPI, $ => $.…, $ => $.…). A target is $ => $… or a name, '' passes the stream straight on.",
  accepts: 'any',
  emits: 'sub',
  sub: 'same',
  options: {},
  example:
    '$.branch(ctx => ctx.target !== undefined, $ => $.muxHTTP(ctx => ctx.target).to($ => $.connect(ctx => ctx.target)), $ => $.replaceMessage(new Message({ status: 404 })))',
  build: call => {
    const ways: Way[] = []
    while (call.remaining > 1) {
      const condition = call.callback<Condition>('a condition ctx => … in front of each target')
      ways.push(way(call, call.takeTarget(), condition))
    }
    if (call.remaining === 1) ways.push(way(call, call.takeTarget(), undefined))
    if (ways.length === 0)
      throw new TrafficError('BadOption', 'branch wants conditions and targets, and got nothing')
    return { name: 'branch', create: () => new Choose(ways) }
  },
}
