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

/** What the pipeline on the way is started with; undefined when that is nothing. */
type Arguments = ((event: Event, ctx: Context) => readonly unknown[]) | undefined

/** The way through pipelines; straight on when there are none. In a chain each leads to the next by `pipeNext`. */
function wayThrough(layouts: readonly PipelineLayout[], edge: Edge, isChain: boolean): Way {
  const [first] = layouts
  if (first === undefined) return straightOn
  return { layout: first, edge, chain: isChain ? { layouts, index: 0, edge, given: undefined } : null }
}

/** Sends the stream a way that is known when the script is loaded. */
class Pipe extends DivertingFilter {
  private readonly known: Way
  private readonly given: Arguments

  constructor(known: Way, given: Arguments) {
    super()
    this.known = known
    this.given = given
  }

  process(event: Event): void {
    if (!this.isDecided) this.take(this.known, this.given?.(event, this.pipeline.context))
    this.pass(event)
  }
}

/** Pipelines that one callback may write while the program runs: more of them are one that it writes anew each time. */
const mostWritten = 1000

/** What the filters of one place in the script share, when a callback chooses the way. */
class Choices {
  readonly edge: Edge
  private readonly call: FilterCall
  private readonly choice: Choice
  readonly given: Arguments
  private readonly ways = new Map<unknown, Way>()
  private readonly layouts = new Map<unknown, PipelineLayout>()
  private readonly named: Readonly<Record<string, unknown>>

  /** @param named pipelines that the callback may name, besides those of the script */
  constructor(
    call: FilterCall,
    choice: Choice,
    given: Arguments,
    named: Readonly<Record<string, unknown>> = {},
  ) {
    this.call = call
    this.choice = choice
    this.named = named
    this.given = given
    this.edge = call.edge('link', 'the pipeline that it chooses', 'block')
  }

  /** Undefined as long as the callback gives nothing. */
  choose(event: Event, context: Context): Way | undefined {
    const chosen = this.choice(event, context)
    if (chosen === undefined || chosen === null) return undefined
    if (chosen === '') return straightOn
    if (Array.isArray(chosen))
      return wayThrough(
        chosen.map(each => this.layoutOf(each)),
        this.edge,
        true,
      )
    let way = this.ways.get(chosen)
    if (way === undefined) {
      way = wayThrough([this.layoutOf(chosen)], this.edge, false)
      this.ways.set(chosen, way)
    }
    return way
  }

  private layoutOf(target: unknown): PipelineLayout {
    const known = this.layouts.get(target)
    if (known !== undefined) return known
    if (this.layouts.size === mostWritten)
      throw new TrafficError(
        'RuntimeError',
        `the callback of pipe has given ${mostWritten} different pipelines; write each once, with pipeline($ => …), instead of anew in the callback`,
      )
    const isNamed = typeof target === 'string' && Object.hasOwn(this.named, target)
    const layout = this.call.localTarget(this.call.resolve(isNamed ? this.named[target] : target))
    this.layouts.set(target, layout)
    return layout
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
      this.take(way, this.choices.given?.(event, this.pipeline.context))
    }
    this.pass(event)
  }
}

/** Goes on to the next pipeline of the chain that this one stands in. */
class PipeNext extends DivertingFilter {
  private readonly given: Arguments

  constructor(given: Arguments) {
    super()
    this.given = given
  }

  process(event: Event): void {
    if (!this.isDecided) {
      const { chain, context } = this.pipeline
      this.take(nextOf(chain), this.given === undefined ? chain?.given : this.given(event, context))
    }
    this.pass(event)
  }
}

function nextOf(chain: Chain | null): Way {
  if (chain === null) return straightOn
  const { layouts, edge, given } = chain
  const index = chain.index + 1
  const layout = layouts[index]
  return layout === undefined ? straightOn : { layout, edge, chain: { layouts, index, edge, given } }
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

/** Takes the pipelines among which a callback chooses by name, if they are given. */
function takeNamed(call: FilterCall): Readonly<Record<string, unknown>> | undefined {
  const given = call.peek()
  const isNamed = typeof given === 'object' && given !== null && !Array.isArray(given)
  return isNamed ? (call.takeTarget() as Readonly<Record<string, unknown>>) : undefined
}

/** Takes `[args]`: an array, or a callback that gives one. */
function takeArguments(call: FilterCall): Arguments {
  if (call.remaining === 0) return undefined
  const given = call.take()
  call.end()
  if (given === undefined) return undefined
  if (Array.isArray(given)) return () => given
  if (typeof given !== 'function')
    throw new TrafficError(
      'BadOption',
      `${call.name} wants an array of arguments, or a callback that gives one, and got ${show(given)}`,
    )
  return (event, context) => {
    const values: unknown = (given as Choice)(event, context)
    if (values === undefined || Array.isArray(values)) return values ?? []
    if (call.isDialect) return [values]
    throw new TrafficError(
      'RuntimeError',
      `${call.name} wants an array of arguments from its callback, and got ${show(values)}`,
    )
  }
}

const pipeNextOf = (call: FilterCall): { name: string; create(): Filter } => {
  const given = takeArguments(call)
  return { name: call.name, create: () => new PipeNext(given) }
}

export const pipe: FilterDefinition = {
  name: 'pipe',
  aliases: [],
  signature: '(target[, named][, args])',
  summary: 'Sends events through another pipeline, or a chain of them',
  doc: "Sends the stream through another pipeline, with the same context, and puts out what comes out of it. The target is a name, $ => $…, what pipeline($ => $…) gave, or an array of those: then the stream enters the first, and pipeNext() in each leads to the next. It may also be { choose } with a callback (event, ctx) that gives one of these, '' to pass the stream straight on, or nothing: then it is asked again with the next event, and events wait. The choice holds for the whole stream; with named, an object of pipelines by name, it may be a name in that. args is an array, or a callback (event, ctx) that gives one, with which onStart of the target is called. In Pipy's dialect a function whose parameter is called $ writes a pipeline, and any other one chooses.",
  accepts: 'any',
  emits: 'any',
  sub: 'same',
  options: {},
  example: "$.pipe(['authorize', 'route', $ => $.connect('127.0.0.1:8080')])",
  build: call => {
    const target = call.takeTarget() ?? ''
    const choice = choiceOf(target)
    const named = choice === undefined ? undefined : takeNamed(call)
    const given = takeArguments(call)
    if (choice !== undefined) {
      const choices = new Choices(call, call.inContext(choice) as Choice, given, named)
      return { name: 'pipe', create: () => new PipeChosen(choices) }
    }
    const targets = Array.isArray(target) ? target : target === '' ? [] : [target]
    const layouts = targets.map(each => call.localTarget(call.resolve(each)))
    const to = layouts.map(layout => layout.name).join(' → ') || 'nothing'
    const way = wayThrough(layouts, call.edge('link', to, 'block'), Array.isArray(target))
    return { name: 'pipe', create: () => new Pipe(way, given) }
  },
}

export const pipeNext: FilterDefinition = {
  name: 'pipeNext',
  aliases: [],
  signature: '([args])',
  summary: 'Sends events to the next pipeline of a chain',
  doc: 'In a pipeline that is part of a chain (pipe([…]), chain([…])), and in the sub-pipelines of one, sends the stream through the next pipeline of the chain and puts out what comes out of it. In the last one, and outside of a chain, events pass straight on. With args, as in pipe, onStart of that pipeline is called; without, with what the chain was given.',
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
    return { name: 'chain', create: () => new Pipe(way, undefined) }
  },
}
