import { TrafficError } from '../../runtime/errors.ts'
import { type OptionSpecs, parseOptions, type Resolved, show } from '../../runtime/options.ts'
import type { Context } from '../context.ts'
import type { FilterLayout } from '../filter.ts'
import type { Edge, EdgeKind, Policy } from '../kernel/ledger.ts'
import type { PipelineLayout } from '../pipeline.ts'
import type { Program } from '../program.ts'
import type { SharedPipeline } from '../shared/shared-pipelines.ts'

/** What a stream is made of at a place in a pipeline. `any`: it is only known when events come. */
export type StageKind = 'bytes' | 'messages' | 'any'

/**
 * A row of the table of filters: all that the builder, `--list-filters`, `--help-filters` and the reference page
 * know of one.
 */
export interface FilterDefinition {
  readonly name: string
  /** Older names of Pipy for the same filter. */
  readonly aliases: readonly string[]
  /** Arguments as the list shows them, e.g. `(target[, options])`. */
  readonly signature: string
  /** One line for the list. */
  readonly summary: string
  /** The whole of its behaviour, for the reference. */
  readonly doc: string
  readonly accepts: StageKind
  /** `same`: what comes in; `sub`: what its sub-pipeline gives. */
  readonly emits: StageKind | 'same' | 'sub'
  /** The kinds for these arguments, where they depend on them. */
  kindsFor?(args: readonly unknown[]): Pick<FilterDefinition, 'accepts' | 'emits'>
  /** Another filter, put where requests enter the pipeline: it looks at them for this one, which sees the answers. */
  readonly scout?: FilterDefinition
  /** Its place in the pipeline, wherever it is written. */
  readonly stands?: 'first' | 'last'
  /** What its sub-pipeline (`.to(…)`) is given, if it has one. `same`: what comes in. */
  readonly sub?: StageKind | 'same'
  readonly options: OptionSpecs
  /** A pipeline that shows it. */
  readonly example: string
  /** Makes the template from one call in a script. Throws `BadOption` with what is wrong. */
  build(call: FilterCall): FilterLayout
}

export type Callback = (...args: never[]) => unknown

/** What `pipeline($ => …)` gives: a pipeline to name as target by value, in as many places as wanted. */
export class PrebuiltPipeline {
  readonly build: Callback

  constructor(build: Callback) {
    this.build = build
  }
}

/** Where a sub-pipeline lives. */
export type Target =
  | { readonly kind: 'local'; readonly layout: PipelineLayout }
  | ({ readonly kind: 'shared' } & Pick<SharedPipeline, 'name' | 'placement' | 'delivery' | 'fanout'>)

/** What a call needs of the script that it stands in: its other pipelines, and how its callbacks are called. */
export interface ScriptAccess {
  /** Whether the script is in Pipy's dialect. */
  readonly isDialect: boolean
  /** A callback as the filters call it: with the context last, which the dialect keeps elsewhere. */
  callback(callback: Callback): Callback
  named(name: string): Target
  inline(build: Callback, given: StageKind): Target
  /** A pipeline that was written beforehand, by `pipeline($ => …)`. */
  prebuilt(pipeline: PrebuiltPipeline, given: StageKind): Target
  /** A module that the script names by its file, or gives; undefined when `value` is none. */
  module(value: unknown): UsedModule | undefined
}

/** Another module of the script. */
export interface UsedModule {
  readonly name: string
  /** Undefined when it has no pipeline of that name. '' is the one without a name. */
  pipeline(name: string): Target | undefined
  /** Where on the context its callbacks look for the arguments of `use`; undefined when they do not. */
  readonly argumentsSlot: string | undefined
}

/** One call of a filter in a script, while it is turned into a layout. */
export class FilterCall {
  readonly definition: FilterDefinition
  readonly program: Program
  /** Name of the pipeline that it stands in. */
  readonly within: string
  /** What the stream is made of where it stands. */
  readonly stage: StageKind
  private readonly args: unknown[]
  private readonly finder: ScriptAccess
  private readonly attached: unknown

  /** @param attached what `.to(…)` gave, if it was called */
  constructor(
    definition: FilterDefinition,
    program: Program,
    within: string,
    stage: StageKind,
    args: readonly unknown[],
    attached: unknown,
    finder: ScriptAccess,
  ) {
    this.definition = definition
    this.program = program
    this.within = within
    this.stage = stage
    this.args = [...args]
    this.attached = attached
    this.finder = finder
  }

  get name(): string {
    return this.definition.name
  }

  /** Number of arguments left. */
  get remaining(): number {
    return this.args.length
  }

  /** Takes the next argument, whatever it is. A function is taken to be a callback, which gets the context last. */
  take(): unknown {
    const value = this.args.shift()
    return typeof value === 'function' ? this.finder.callback(value as Callback) : value
  }

  /** Takes the next argument as what `resolve` wants: a name or `$ => $…`. */
  takeTarget(): unknown {
    return this.args.shift()
  }

  peek(): unknown {
    return this.args[0]
  }

  /** Whether the script is in Pipy's dialect, in which a few defaults are Pipy's. */
  get isDialect(): boolean {
    return this.finder.isDialect
  }

  /** Whether there is a `.to(…)`. */
  get hasTarget(): boolean {
    return this.attached !== undefined
  }

  /** Whether the sub-pipeline is named by the first argument, as in Pipy's older generations. */
  get isOlderForm(): boolean {
    return this.attached === undefined && typeof this.peek() === 'string'
  }

  /**
   * The sub-pipeline: what `.to(…)` attached, or the pipeline named or given by the first argument, as Pipy's older
   * scripts write it.
   */
  target(): Target {
    if (this.attached !== undefined) return this.resolve(this.attached)
    const first = this.peek()
    if (typeof first === 'string' || first instanceof PrebuiltPipeline) return this.resolve(this.takeTarget())
    throw new TrafficError(
      'BadOption',
      `${this.name} wants a pipeline to send to: add .to($ => $…) or .to('name') behind it`,
    )
  }

  /** A sub-pipeline given as an argument: a name or `$ => $…`. */
  resolve(value: unknown): Target {
    if (typeof value === 'string') return this.finder.named(value)
    const sub = this.definition.sub ?? 'same'
    const given = sub === 'same' ? this.stage : sub
    if (typeof value === 'function') return this.finder.inline(value as Callback, given)
    if (value instanceof PrebuiltPipeline) return this.finder.prebuilt(value, given)
    throw new TrafficError(
      'BadOption',
      `${this.name} wants a pipeline, as a name, $ => $…, or what pipeline($ => $…) gave, and got ${show(value)}`,
    )
  }

  /** The sub-pipeline, where only one on this thread makes sense because answers come back from it. */
  localTarget(target: Target = this.target()): PipelineLayout {
    if (target.kind === 'local') return target.layout
    throw new TrafficError(
      'BadOption',
      `${this.name} waits for answers, and pipeline '${target.name}' has placement '${target.placement}', which gives none; use fork to send it copies`,
    )
  }

  /** Takes a callback. */
  callback<F>(what: string): F {
    const value = this.take()
    if (typeof value !== 'function')
      throw new TrafficError('BadOption', `${this.name} wants ${what}, and got ${show(value)}`)
    return value as F
  }

  /** Another module, by its file or as it was imported; undefined when `value` is none. */
  module(value: unknown): UsedModule | undefined {
    return this.finder.module(value)
  }

  /** A callback that was found inside of another argument, as filters call it. */
  inContext(callback: Callback): Callback {
    return this.finder.callback(callback)
  }

  /** Takes an object of options, the last argument. */
  options<S extends OptionSpecs>(specs: S): Resolved<S> {
    const resolved = parseOptions(specs, this.take(), this.name)
    this.end()
    return resolved
  }

  /** There must be nothing left. */
  end(): void {
    if (this.args.length > 0) {
      throw new TrafficError(
        'BadOption',
        `${this.name}${this.definition.signature} got an argument too many: ${show(this.args[0])}`,
      )
    }
  }

  edge(kind: EdgeKind, to: string, policy: Policy): Edge {
    return this.program.newEdge(kind, `${this.within}.${this.name}`, to, policy)
  }
}

export const targetName = (target: Target): string =>
  target.kind === 'local' ? target.layout.name : target.name

/** A callback that gets nothing but the context. */
export type ContextCallback<R> = (ctx: Context) => R
