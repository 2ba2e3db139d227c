import { TrafficError } from '../../../runtime/errors.ts'
import { type Event, Kind } from '../../../runtime/event.ts'
import { show } from '../../../runtime/options.ts'
import type { Context } from '../../context.ts'
import type { Filter } from '../../filter.ts'
import type { Edge } from '../../kernel/ledger.ts'
import type { Chain, PipelineLayout } from '../../pipeline.ts'
import type { Callback, FilterCall, FilterDefinition } from '../definition.ts'
import { DivertingFilter, straightOn, type Way } from './sub-stream.ts'

type Choice = (event: Event, ctx: Context) => unknown

/** The way through pipelines; straight on when there are none. In a chain each leads to the next by `pipeNext`. */
function wayThrough(layouts: readonly PipelineLayout[], edge: Edge, isChain: boolean): Way {
  const [first] = layouts
  if (first === undefined) return straightOn
  return { layout: first, edge, chain: isChain ? { layouts, index: 0, edge } : null }
}

/** Sends the stream a way that is known when the script is loaded. */
class Pipe extends DivertingFilter {
  private readonly known: Way

  constructor(known: Way) {
    super()
    this.known = known
  }

  process(event: Event): void {
    if (!this.isDecided) this.take(this.known)
    this.pass(event)
  }
}

/** What the filters of one place in the script share, when a callback chooses the way. */
class Choices {
  readonly edge: Edge
  private readonly call: FilterCall
  private readonly choice: Choice
  private readonly ways = new Map<unknown, Way>()

  constructor(call: FilterCall, choice: Choice) {
    this.call = call
    this.choice = choice
    this.edge = call.edge('link', 'the pipeline that it chooses', 'block')
  }

  /** Undefined as long as the callback gives nothing. */
  choose(event: Event, context: Context): Way | undefined {
    const chosen = this.choice(event, context)
    if (chosen === undefined || chosen === null) return undefined
    if (chosen === '') return straightOn
    const key = Array.isArray(chosen) ? chosen.join('\n') : chosen
    let way = this.ways.get(key)
    if (way === undefined) {
      const names = Array.isArray(chosen) ? chosen : [chosen]
      if (!names.every(name => typeof name === 'string'))
        throw new TrafficError(
          'RuntimeError',
          `pipe wants the name of a pipeline or an array of names from its callback, and got ${show(chosen)}`,
        )
      way = wayThrough(
        names.map(name => this.call.localTarget(this.call.resolve(name))),
        this.edge,
        Array.isArray(chosen),
      )
      this.ways.set(key, way)
    }
    return way
  }
}

/** Sends the stream where a callback says, which is asked with each event until it says something. */
class PipeChosen extends DivertingFilter {
  private readonly choices: Choices

  constructor(choices: Choices) {
    super()
    this.choices = choices
  }

  process(event: Event): void {
    if (!this.isDecided) {
      const way = this.choices.choose(event, this.pipeline.context)
      if (way === undefined) {
        if (event.kind === Kind.streamEnd) this.giveUp(event)
        else this.hold(event)
        return
      }
      this.take(way)
    }
    this.pass(event)
  }
}

/** Goes on to the next pipeline of the chain that this one stands in. */
class PipeNext extends DivertingFilter {
  process(event: Event): void {
    if (!this.isDecided) this.take(nextOf(this.pipeline.chain))
    this.pass(event)
  }
}

function nextOf(chain: Chain | null): Way {
  if (chain === null) return straightOn
  const { layouts, edge } = chain
  const index = chain.index + 1
  const layout = layouts[index]
  return layout === undefined ? straightOn : { layout, edge, chain: { layouts, index, edge } }
}

/**
 * `$ => $…` writes a pipeline; every other function chooses one. Pipy goes by the parameter's name as well. In
 * TypeScript, which cannot, it is { choose: (event, ctx) => … }.
 */
function choiceOf(target: unknown): Callback | undefined {
  if (typeof target === 'function')
    return /^(?:function\s*\w*\s*)?\(?\s*\$\s*(?:\)|=>)/.test(String(target))
      ? undefined
      : (target as Callback)
  const { choose } = Object(target) as { choose?: unknown }
  return typeof choose === 'function' ? (choose as Callback) : undefined
}

const pipeNextOf = (call: FilterCall): { name: string; create(): Filter } => {
  call.end()
  return { name: call.name, create: () => new PipeNext() }
}

export const pipe: FilterDefinition = {
  name: 'pipe',
  aliases: [],
  signature: '(target)',
  summary: 'Sends events through another pipeline, or a chain of them',
  doc: "Sends the stream through another pipeline, with the same context, and puts out what comes out of it. The target is a name, $ => $…, or an array of those: then the stream enters the first, and pipeNext() in each leads to the next. It may also be { choose } with a callback (event, ctx) that gives a name or an array of names, '' to pass the stream straight on, or nothing: then it is asked again with the next event, and events wait. The choice holds for the whole stream. In Pipy's dialect a function whose parameter is called $ writes a pipeline, and any other one chooses.",
  accepts: 'any',
  emits: 'any',
  sub: 'same',
  options: {},
  example: "$.pipe(['authorize', 'route', $ => $.connect('127.0.0.1:8080')])",
  build: call => {
    const target = call.takeTarget() ?? ''
    call.end()
    const choice = choiceOf(target)
    if (choice !== undefined) {
      const choices = new Choices(call, call.inContext(choice) as Choice)
      return { name: 'pipe', create: () => new PipeChosen(choices) }
    }
    const targets = Array.isArray(target) ? target : target === '' ? [] : [target]
    const layouts = targets.map(each => call.localTarget(call.resolve(each)))
    const to = layouts.map(layout => layout.name).join(' → ') || 'nothing'
    const way = wayThrough(layouts, call.edge('link', to, 'block'), Array.isArray(target))
    return { name: 'pipe', create: () => new Pipe(way) }
  },
}

export const pipeNext: FilterDefinition = {
  name: 'pipeNext',
  aliases: [],
  signature: '()',
  summary: 'Sends events to the next pipeline of a chain',
  doc: 'In a pipeline that is part of a chain (pipe([…]), chain([…])), and in the sub-pipelines of one, sends the stream through the next pipeline of the chain and puts out what comes out of it. In the last one, and outside of a chain, events pass straight on.',
  accepts: 'any',
  emits: 'any',
  options: {},
  example:
    "$.pipe([$ => $.handleData(data => console.log(data.size)).pipeNext(), $ => $.connect('127.0.0.1:8080')])",
  build: pipeNextOf,
}

export const chain: FilterDefinition = {
  name: 'chain',
  aliases: [],
  signature: '([targets])',
  summary: 'Sends events through a chain of pipelines',
  doc: 'With an array of pipelines (names, $ => $…, or modules, of which the pipeline without a name is meant), the same as pipe; without arguments, the same as pipeNext.',
  accepts: 'any',
  emits: 'any',
  sub: 'same',
  options: {},
  example: "$.chain(['authorize', 'route'])",
  build: call => {
    if (call.remaining === 0) return pipeNextOf(call)
    const given = call.takeTarget()
    call.end()
    if (!Array.isArray(given))
      throw new TrafficError('BadOption', `chain wants an array of pipelines, and got ${show(given)}`)
    const layouts = given.map(each => call.localTarget(call.module(each)?.pipeline('') ?? call.resolve(each)))
    const to = layouts.map(layout => layout.name).join(' → ') || 'nothing'
    const way = wayThrough(layouts, call.edge('link', to, 'block'), true)
    return { name: 'chain', create: () => new Pipe(way) }
  },
}
