import { TrafficError } from '../../../runtime/errors.ts'
import type { Event } from '../../../runtime/event.ts'
import { show } from '../../../runtime/options.ts'
import type { Context } from '../../context.ts'
import { Filter } from '../../filter.ts'
import type { Edge } from '../../kernel/ledger.ts'
import type { Pipeline, PipelineLayout } from '../../pipeline.ts'
import type { ContextCallback, FilterCall, FilterDefinition, UsedModule } from '../definition.ts'
import { SubPort } from './sub-stream.ts'

/** One module on the way: the pipeline that the stream goes up through, and that it comes down through. */
interface Stage {
  readonly up: PipelineLayout | undefined
  readonly down: PipelineLayout | undefined
}

/** What the filters of one place in the script share. */
interface Plan {
  readonly stages: readonly Stage[]
  /** Whether what comes out of the last stage goes back through all of them. */
  readonly comesDown: boolean
  readonly turnDown: ContextCallback<unknown> | undefined
  readonly edge: Edge
  /** Puts the arguments of the module where its callbacks look for them. */
  readonly enter: ((context: Context) => void) | undefined
}

/**
 *     in ──► up 1 ──► up 2 ──► up 3 ─┐
 *             │  turned down  │      │
 *     out ◄── down 1 ◄── down 2 ◄── down 3
 */
class Use extends Filter {
  private readonly plan: Plan
  private readonly ups: (Pipeline | null)[] = []
  private readonly downs: (Pipeline | null)[] = []
  /** From this stage on nothing goes up; the stage before it is where the stream turned. */
  private turnedAt = Number.POSITIVE_INFINITY

  constructor(plan: Plan) {
    super()
    this.plan = plan
  }

  process(event: Event): void {
    this.up(0, event)
  }

  private up(from: number, event: Event): void {
    const { comesDown, edge, stages } = this.plan
    let at = from
    while (at < stages.length && stages[at]?.up === undefined) at++
    const layout = stages[at]?.up
    if (layout !== undefined && this.ups[at] === undefined && at < this.turnedAt) this.enter(at, layout)
    if (layout !== undefined && at < this.turnedAt) this.ups[at]?.send(event, edge)
    else if (comesDown) this.down(at - 1, event)
    else this.next.process(event)
  }

  private enter(at: number, layout: PipelineLayout): void {
    const { enter, turnDown } = this.plan
    const { context } = this.pipeline
    if (turnDown?.(context)) {
      this.turnedAt = at
      return
    }
    enter?.(context)
    this.ups[at] = this.open(layout, each => this.up(at + 1, each))
  }

  private down(from: number, event: Event): void {
    let at = from
    while (at >= 0 && this.plan.stages[at]?.down === undefined) at--
    const layout = this.plan.stages[at]?.down
    if (layout === undefined) {
      this.next.process(event)
      return
    }
    this.downs[at] ??= this.open(layout, each => this.down(at - 1, each))
    this.downs[at]?.send(event, this.plan.edge)
  }

  private open(layout: PipelineLayout, take: (event: Event) => void): Pipeline {
    const { pipeline } = this
    const port = new SubPort<Use>(this, (_, event) => take(event))
    return layout.spawn(pipeline.context, pipeline.session, pipeline, port)
  }

  override stop(): void {
    for (const pipeline of this.ups) pipeline?.stop()
    for (const pipeline of this.downs) pipeline?.stop()
  }
}

/** The modules that the first argument names. */
function takeModules(call: FilterCall): { modules: UsedModule[]; isList: boolean } {
  const given = call.takeTarget()
  const list = Array.isArray(given) ? given : [given]
  const modules = list.map(each => {
    const module = call.module(each)
    if (module !== undefined) return module
    throw new TrafficError(
      'ScriptError',
      typeof each === 'string'
        ? `use finds no module '${each}'; name its file as it is called from the folder of the main script, and in TypeScript give what import gives`
        : `use wants a module: its file in Pipy's dialect, what import gives in TypeScript; and got ${show(each)}`,
    )
  })
  return { modules, isList: Array.isArray(given) }
}

const isPresent = <T>(value: T | undefined): value is T => value !== undefined

/** `use(module, pipeline, ...arguments)` of Pipy's first generation: an array, a callback that gives one, or values. */
function takeArguments(call: FilterCall, slot: string): (context: Context) => void {
  // A function alone is asked for the arguments; among others it is one of them.
  const isOne = call.remaining === 1
  const given: unknown[] = []
  while (call.remaining > 0) given.push(isOne ? call.take() : call.takeTarget())
  const [first] = given
  return context => {
    let values: unknown = given
    if (given.length === 1 && typeof first === 'function')
      values = (first as ContextCallback<unknown>)(context)
    else if (given.length === 1 && Array.isArray(first)) values = first
    ;(context as Record<string, unknown>)[slot] = Array.isArray(values) ? values : [values]
  }
}

export const use: FilterDefinition = {
  name: 'use',
  aliases: [],
  signature: '(modules, pipeline[, pipelineDown[, turnDown]])',
  summary: 'Sends events to pipelines in other modules',
  doc: "Sends the stream through the pipeline of that name in each of the modules, one after the other, and with pipelineDown back through the pipelines of that name in reverse order; all share the context. A module that lacks a pipeline is passed by, but not when it is the only one. When the first event comes to a module, turnDown (ctx) is asked: when it is true the stream goes no further up, but down from the module before. A module is in Pipy's dialect its file, named from the folder of the main script: use(['auth.js', 'cache.js'], 'request'); in TypeScript it is what import gives. A module of Pipy's first generation that reads __argv gets what follows the name of the pipeline there.",
  accepts: 'any',
  emits: 'any',
  options: {},
  example: "$.use([sluice().pipeline('request').print()], 'request', 'response', ctx => ctx.isAnswered)",
  build: call => {
    const { isList, modules } = takeModules(call)
    const name = call.takeTarget()
    if (typeof name !== 'string')
      throw new TrafficError(
        'BadOption',
        `use wants the name of a pipeline behind the modules, and got ${show(name)}`,
      )
    const [only] = modules
    const slot = isList ? undefined : only?.argumentsSlot
    const enter = slot === undefined ? undefined : takeArguments(call, slot)
    const downName = typeof call.peek() === 'string' ? (call.takeTarget() as string) : undefined
    const turnDown =
      call.remaining > 0
        ? call.callback<ContextCallback<unknown>>('a callback ctx => … as turnDown')
        : undefined
    call.end()
    const layoutOf = (module: UsedModule, pipeline: string): PipelineLayout | undefined => {
      const target = module.pipeline(pipeline)
      return target && call.localTarget(target)
    }
    const stages = modules.map(module => ({
      up: layoutOf(module, name),
      down: downName === undefined ? undefined : layoutOf(module, downName),
    }))
    const known = stages.flatMap(({ up, down }) => [up, down]).filter(isPresent)
    if (!isList && stages[0]?.up === undefined)
      throw new TrafficError('UnknownPipeline', `'${name}' in module ${only?.name}`)
    const edge = call.edge('link', known.map(layout => layout.name).join(' → ') || 'nothing', 'block')
    const plan: Plan = { stages, comesDown: downName !== undefined, turnDown, edge, enter }
    return { name: 'use', create: () => new Use(plan) }
  },
}
