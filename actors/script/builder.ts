import { TrafficError } from '../../runtime/errors.ts'
import { nearest } from '../../runtime/nearest.ts'
import { show } from '../../runtime/options.ts'
import type { DialectModule } from '../../runtime/script/dialect-modules.ts'
import { type Callback, PrebuiltPipeline } from '../filters/definition.ts'
import { type FilterDefinition, filtersByName } from '../filters/index.ts'
import { type PipelineDefinition, ScriptDefinition, type Step } from './script-definition.ts'
import type { AnyStage, Kind, Pipeline, Script, Stage } from './types.ts'

/** A place in a script, without the frames of the builder itself. */
export function siteOf(method: (...args: never[]) => unknown): Error {
  const site = new Error('call site')
  Error.captureStackTrace(site, method)
  return site
}

/** Collects the filters of one pipeline. Its methods, one per filter, are installed from the table below. */
export class PipelineBuilder {
  /** The pipeline being written. */
  protected steps: Step[] | undefined

  constructor(steps?: Step[]) {
    this.steps = steps
  }

  /** Gives the filter in front its sub-pipeline: a name, or `$ => $…`. */
  to(target: unknown): this {
    const last = this.steps?.at(-1)
    if (last === undefined || last.definition.sub === undefined) {
      throw new TrafficError(
        'ScriptError',
        `to() stands behind a filter that has a sub-pipeline, and ${last === undefined ? 'here is none' : `${last.definition.name} has none`}`,
      )
    }
    if (typeof target !== 'string' && typeof target !== 'function' && !(target instanceof PrebuiltPipeline)) {
      throw new TrafficError(
        'BadOption',
        `to() wants the name of a pipeline, $ => $…, or what pipeline($ => $…) gave, and got ${show(target)}`,
      )
    }
    if (last.attached !== undefined)
      throw new TrafficError('ScriptError', `${last.definition.name} has its sub-pipeline already`)
    last.attached = target
    return this
  }

  /** Adds a filter. */
  protected add(
    definition: FilterDefinition,
    args: readonly unknown[],
    method: (...args: never[]) => unknown,
  ): this {
    if (this.steps === undefined) {
      throw new TrafficError(
        'ScriptError',
        `${definition.name} needs a stream: put listen(port), subscribe(subject), task(), read(file) or pipeline(name) in front of it`,
      )
    }
    this.steps.push({ definition, args, site: siteOf(method), attached: undefined })
    return this
  }
}

for (const [name, definition] of filtersByName) {
  const method = {
    [name](this: PipelineBuilder & { add: PipelineBuilder['to'] }, ...args: unknown[]): unknown {
      return (this as unknown as { add(...args: unknown[]): unknown }).add(
        definition,
        args,
        method as (...args: never[]) => unknown,
      )
    },
  }[name] as (...args: unknown[]) => unknown
  Object.defineProperty(PipelineBuilder.prototype, name, {
    value: method,
    writable: true,
    configurable: true,
  })
}

/** Stands for a filter that does not exist: the script is read on, and told of it with all else that is wrong. */
const unknownFilter = (name: string): FilterDefinition => ({
  name,
  aliases: [],
  signature: '',
  summary: '',
  doc: '',
  accepts: 'any',
  emits: 'any',
  sub: 'any',
  options: {},
  example: '',
  build: () => {
    const near = nearest(name, builderMethods)
    throw new TrafficError(
      'ScriptError',
      `there is no filter '${name}'${near === undefined ? '; sluice --list-filters shows all' : `; did you mean '${near}'?`}`,
    )
  },
})

// Asked for by things that are no filters: promises, loggers, and whatever every object has.
const noFilter: ReadonlySet<string> = new Set([
  'then',
  'toJSON',
  'constructor',
  'inspect',
  'nodeType',
  'asymmetricMatch',
])

/** Behind the prototype, so that it is asked for missing methods only, and costs those that exist nothing. */
const missingMethods = new Proxy(Object.prototype, {
  get(target, name, builder) {
    if (typeof name === 'symbol' || noFilter.has(name) || Reflect.has(target, name))
      return Reflect.get(target, name, builder)
    if (!(builder instanceof PipelineBuilder) || Object.hasOwn(builder, name)) return undefined
    return function missing(...args: unknown[]): unknown {
      return (builder as unknown as { add(...args: unknown[]): unknown }).add(
        unknownFilter(name),
        args,
        missing,
      )
    }
  },
})
Object.setPrototypeOf(PipelineBuilder.prototype, missingMethods)

const brand = Symbol.for('sluice.script')

/** Collects the pipelines of a script. */
export class ScriptBuilder extends PipelineBuilder {
  readonly [brand]: ScriptDefinition

  constructor(variables: unknown, isDialect: boolean, module?: DialectModule) {
    super()
    const values = typeof variables === 'function' ? (variables as () => unknown)() : (variables ?? {})
    if (typeof values !== 'object' || values === null) {
      throw new TrafficError(
        'BadOption',
        `the variables of a script are an object, as in { target: undefined }, and not ${show(values)}`,
      )
    }
    this[brand] = new ScriptDefinition({ ...values }, isDialect, module)
  }

  /** Begins a pipeline for each connection to an address. */
  listen(target: number | string, options?: unknown): this {
    return this.begin('listen', `listen-${String(target)}`, [target, options], this.listen)
  }

  /** Begins a pipeline that is fed what is published to a subject of NATS. */
  subscribe(subject: string, options?: unknown): this {
    return this.begin('subscribe', `subscribe-${String(subject)}`, [subject, options], this.subscribe)
  }

  /** Begins a pipeline that is fed a message once, at an interval, or at a signal. */
  task(when?: string | number, options?: unknown): this {
    return this.begin('task', `task-${when ?? 'once'}`, [when, options], this.task)
  }

  /** Begins a pipeline that is fed the bytes of a file. Where a stream is in front, it is the filter of that name. */
  read(file: unknown, options?: unknown): this {
    if (this.steps === undefined)
      return this.begin('read', `read-${String(file)}`, [file, options], this.read)
    const args = options === undefined ? [file] : [file, options]
    return this.add(filtersByName.get('read') as FilterDefinition, args, this.read)
  }

  /**
   * In Pipy's dialect, with a list (or a number) and a callback: writes pipelines for each of its elements. Else it is the
   * filter of that name.
   */
  repeat(first: unknown, second?: unknown): this {
    const isList = Array.isArray(first) || typeof first === 'number'
    if (this[brand].isDialect && isList && typeof second === 'function') {
      const list = typeof first === 'number' ? Array.from({ length: first }, (_, i) => i) : first
      for (const [index, element] of list.entries()) second(this, element, index)
      return this
    }
    const args = second === undefined ? [first] : [first, second]
    return this.add(filtersByName.get('repeat') as FilterDefinition, args, this.repeat)
  }

  /** Begins a pipeline that others refer to by its name; one without a name is what `chain` enters a module by. */
  pipeline(name: string = '', options?: unknown): this {
    return this.begin('pipeline', String(name), [name, options], this.pipeline)
  }

  /** Declares variables that other modules may import. */
  export(namespace: string, variables: Readonly<Record<string, unknown>>): this {
    if (typeof namespace !== 'string' || typeof variables !== 'object' || variables === null)
      throw new TrafficError(
        'BadOption',
        `export wants a namespace and variables, as in export('proxy', { target: undefined }), and got ${show(namespace)} and ${show(variables)}`,
      )
    const definition = this[brand]
    const site = siteOf(this.export)
    for (const [name, value] of Object.entries(variables))
      definition.exports.push({ namespace, name, slot: definition.slot(name, namespace), value, site })
    return this
  }

  /** Makes variables that another module exports this module's as well. */
  import(variables: Readonly<Record<string, string>>): this {
    const isMap = typeof variables === 'object' && variables !== null
    if (!isMap || !Object.values(variables).every(namespace => typeof namespace === 'string'))
      throw new TrafficError(
        'BadOption',
        `import wants the namespace of each variable, as in import({ target: 'proxy' }), and got ${show(variables)}`,
      )
    const definition = this[brand]
    const site = siteOf(this.import)
    for (const [name, namespace] of Object.entries(variables))
      definition.imports.push({
        namespace,
        name,
        slot: definition.slot(name, namespace),
        value: undefined,
        site,
      })
    return this
  }

  private begin(
    source: PipelineDefinition['source'],
    name: string,
    args: readonly unknown[],
    method: (...args: never[]) => unknown,
  ): this {
    const definition: PipelineDefinition = { source, name, args, site: siteOf(method), steps: [] }
    this[brand].pipelines.push(definition)
    this.steps = definition.steps
    return this
  }
}

/** The filters that `$ => $…` writes. */
export function stepsOf(build: Callback): Step[] {
  const result: unknown = (build as (builder: PipelineBuilder) => unknown)(new PipelineBuilder([]))
  if (!(result instanceof PipelineBuilder)) {
    throw new TrafficError(
      'ScriptError',
      `$ => … must give back the pipeline that it wrote, as in $ => $.dummy(), and gave ${show(result)}`,
    )
  }
  return (result as unknown as { steps: Step[] }).steps
}

/** What a builder has collected; undefined when `value` is none. `instanceof` would fail over two copies of the package. */
export function definitionOf(value: unknown): ScriptDefinition | undefined {
  return typeof value === 'object' && value !== null && brand in value
    ? (value as ScriptBuilder)[brand]
    : undefined
}

/** Names of the builder's methods, for advice on a mistyped one. */
export const builderMethods: readonly string[] = [
  'listen',
  'subscribe',
  'task',
  'pipeline',
  'import',
  'export',
  'to',
  ...filtersByName.keys(),
]

type NoVariables = Record<never, never>

/**
 * Writes a pipeline once, to be given as target wherever a filter takes one: `.to(…)`, `pipe`, `branch` and others.
 *
 * @example
 *   const backend = pipeline($ => $.muxHTTP().to($ => $.connect('127.0.0.1:8080')))
 *   export default sluice().listen(8000).demuxHTTP().to(backend)
 */
export function pipeline<V extends object = NoVariables, K extends Kind = 'any', H extends object = object>(
  build: ($: Stage<V, K, H, false>) => AnyStage,
): Pipeline<V, K, H> {
  if (typeof build !== 'function')
    throw new TrafficError('BadOption', `pipeline() wants $ => $…, and got ${show(build)}`)
  return new PrebuiltPipeline(build as unknown as Callback) as unknown as Pipeline<V, K, H>
}

/**
 * Begins a script.
 *
 * @param variables the variables of each session's context with their initial values, which are evaluated once:
 *   objects among them are shared by all sessions of a thread.
 */
export function sluice<V extends object = Record<never, never>>(variables?: V | (() => V)): Script<V> {
  return new ScriptBuilder(variables, false) as unknown as Script<V>
}
