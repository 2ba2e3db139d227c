import { TrafficError } from '../../runtime/errors.ts'
import { nearest } from '../../runtime/nearest.ts'
import { isFunction, oneOf, optional, parseOptions, type Resolved, show } from '../../runtime/options.ts'
import { scope } from '../../runtime/script/scope.ts'
import type { Context } from '../context.ts'
import type { FilterLayout } from '../filter.ts'
import {
  type Callback,
  FilterCall,
  type ScriptAccess,
  type StageKind,
  type Target,
} from '../filters/definition.ts'
import { type FilterDefinition, filtersByName } from '../filters/index.ts'
import { PipelineLayout } from '../pipeline.ts'
import { Program, type Surroundings } from '../program.ts'
import { ListenSource, listenOptions } from '../sources/listen.ts'
import { TaskSource } from '../sources/task.ts'
import { PipelineBuilder } from './builder.ts'
import type { PipelineDefinition, ScriptDefinition, Step } from './script-definition.ts'

export const pipelineOptions = {
  placement: oneOf(
    ['local', 'node'],
    'local',
    "Where its actors live: 'local', one in each session that sends to it; 'node', one per key for all threads of the node.",
  ),
  key: optional(
    'a function ctx => key',
    "With placement 'node': tells which of its actors gets a message. Without it there is one.",
    isFunction,
  ),
} as const

export type PipelineSettings = Resolved<typeof pipelineOptions>

/** A pipeline with `placement: 'node'`, as its host needs it. */
export interface SharedPipeline {
  readonly layout: PipelineLayout
  readonly key: ((ctx: Context) => unknown) | undefined
}

/** A program and what it shares with other threads. */
export interface Assembly {
  readonly program: Program
  readonly shared: ReadonlyMap<string, SharedPipeline>
}

/**
 * Makes a program of what a script has said.
 *
 * @throws TrafficError `BadOption`, `UnknownPipeline` or `ScriptError` whose stack begins where the script errs.
 */
export function assemble(script: ScriptDefinition, filename: string, surroundings: Surroundings): Assembly {
  return new Assembler(script, new Program(filename, script.variables, surroundings)).assemble()
}

class Assembler implements ScriptAccess {
  private readonly script: ScriptDefinition
  private readonly program: Program
  private readonly shared = new Map<string, SharedPipeline>()
  private inlined = 0
  /** Name of the pipeline being read, for naming those inside it. */
  private within = ''

  constructor(script: ScriptDefinition, program: Program) {
    this.script = script
    this.program = program
  }

  assemble(): Assembly {
    const { program, script } = this
    // Named ones first: pipelines may refer to others that come later, or to themselves.
    for (const definition of script.pipelines)
      if (definition.source === 'pipeline') at(definition.site, () => this.declarePipeline(definition))
    for (const definition of script.pipelines) {
      const layout = program.pipelines.get(definition.name)
      const isNamed = definition.source === 'pipeline' && layout !== undefined
      const target = isNamed ? layout : new PipelineLayout(definition.name)
      target.filters = this.read(definition.steps, stageOf(definition), definition.name).filters
      if (!isNamed) at(definition.site, () => this.addSource(definition, target))
    }
    return { program, shared: this.shared }
  }

  private declarePipeline(definition: PipelineDefinition): void {
    const { pipelines } = this.program
    const [name, options] = definition.args
    if (typeof name !== 'string' || name === '')
      throw new TrafficError('BadOption', `pipeline() wants a name, and got ${show(name)}`)
    if (pipelines.has(name))
      throw new TrafficError('ScriptError', `there are two pipelines with the name '${name}'`)
    const { placement, key } = parseOptions(pipelineOptions, options, 'pipeline')
    const layout = new PipelineLayout(name)
    pipelines.set(name, layout)
    if (placement === 'node')
      this.shared.set(name, { layout, key: key && (this.callback(key) as SharedPipeline['key']) })
    else if (key !== undefined)
      throw new TrafficError('BadOption', "option 'key' of pipeline goes with placement 'node'")
  }

  private addSource({ source, args }: PipelineDefinition, layout: PipelineLayout): void {
    const { program } = this
    if (source === 'task') {
      program.sources.push(new TaskSource(program, layout, args[0] as string | number | undefined))
      return
    }
    const [target, options] = args
    // Pipy leaves a listener out when its port is nothing, so that configuration can switch it off.
    if (this.script.isDialect && !target) return
    if (typeof target !== 'number' && typeof target !== 'string')
      throw new TrafficError('BadOption', `listen wants a port or 'ip:port', and got ${show(target)}`)
    program.sources.push(
      new ListenSource(program, layout, target, parseOptions(listenOptions, options, 'listen')),
    )
  }

  /** Reads the filters of a pipeline; gives their templates and what comes out behind the last. */
  private read(
    steps: readonly Step[],
    given: StageKind,
    name: string,
  ): { filters: FilterLayout[]; stage: StageKind } {
    const outer = this.within
    this.within = name
    let stage = given
    const filters: FilterLayout[] = []
    for (const step of steps) {
      const definition = this.script.isDialect ? olderBehaviour(step) : step.definition
      const kinds = definition.kindsFor?.(step.args) ?? definition
      filters.push(
        at(step.site, () => {
          this.checkStage(definition, kinds.accepts, stage)
          const args = this.script.isDialect ? olderArguments(step, definition) : step.args
          return definition.build(
            new FilterCall(definition, this.program, name, stage, args, step.attached, this),
          )
        }),
      )
      stage = kinds.emits === 'same' ? stage : kinds.emits === 'sub' ? 'any' : kinds.emits
    }
    this.within = outer
    return { filters, stage }
  }

  private checkStage({ name }: FilterDefinition, accepts: StageKind, stage: StageKind): void {
    if (this.script.isDialect || stage === 'any' || accepts === 'any' || accepts === stage) return
    const cure =
      accepts === 'messages'
        ? 'put a decoder in front of it, like demuxHTTP().to(…) or decodeHTTPRequest()'
        : 'put an encoder in front of it, like encodeHTTPRequest(), or use muxHTTP().to(…)'
    throw new TrafficError(
      'ScriptError',
      `${name} takes ${accepts}, and stands where there are ${stage}; ${cure}`,
    )
  }

  // ScriptAccess, for the filters' definitions

  get isDialect(): boolean {
    return this.script.isDialect
  }

  callback(callback: Callback): Callback {
    return this.script.isDialect ? inScope(callback) : callback
  }

  named(name: string): Target {
    const layout = this.program.pipelines.get(name)
    if (layout === undefined) {
      const names = [...this.program.pipelines.keys()]
      const near = nearest(name, names)
      const known =
        names.length === 0
          ? 'the script defines none'
          : `there ${names.length === 1 ? 'is' : 'are'} ${names.map(each => `'${each}'`).join(', ')}`
      throw new TrafficError(
        'UnknownPipeline',
        `'${name}'; ${near === undefined ? known : `did you mean '${near}'?`}`,
      )
    }
    return this.shared.has(name) ? { kind: 'node', name } : { kind: 'local', layout }
  }

  inline(build: Callback, given: StageKind): Target {
    const builder = new PipelineBuilder([])
    const result = (build as (builder: PipelineBuilder) => unknown)(builder)
    if (!(result instanceof PipelineBuilder)) {
      throw new TrafficError(
        'ScriptError',
        `$ => … must give back the pipeline that it wrote, as in $ => $.dummy(), and gave ${show(result)}`,
      )
    }
    const layout = new PipelineLayout(`${this.within}.${++this.inlined}`)
    layout.filters = this.read((result as unknown as { steps: Step[] }).steps, given, layout.name).filters
    return { kind: 'local', layout }
  }
}

const stageOf = ({ source }: PipelineDefinition): StageKind =>
  source === 'listen' ? 'bytes' : source === 'task' ? 'messages' : 'any'

/** Runs `work`; what it throws points at the call in the script. */
function at<T>(site: Error, work: () => T): T {
  try {
    return work()
  } catch (thrown) {
    // An error of a call inside a sub-pipeline has its own place already.
    if (thrown instanceof TrafficError && !placed.has(thrown)) {
      placed.add(thrown)
      const [, ...frames] = (site.stack ?? '').split('\n')
      thrown.stack = `${thrown.name}: ${thrown.message}\n${frames.join('\n')}`
    }
    throw thrown
  }
}

const placed = new WeakSet<TrafficError>()

/** A callback of the dialect: it finds the context in the scope, and is given only what Pipy gives it. */
function inScope(callback: Callback): Callback {
  const call = callback as unknown as (...subjects: unknown[]) => unknown
  // Parameters by name: a rest parameter would allocate an array per event. No callback has more than three subjects.
  return function (a: unknown, b?: unknown, c?: unknown, d?: unknown): unknown {
    const outer = scope.current
    // biome-ignore lint/complexity/noArguments: only its length is read
    const count = arguments.length
    scope.current = (count > 3 ? d : count === 3 ? c : count === 2 ? b : a) as object
    try {
      return count > 3 ? call(a, b, c) : count === 3 ? call(a, b) : count === 2 ? call(a) : call()
    } finally {
      scope.current = outer
    }
  } as Callback
}

/**
 * Filters whose older generation, told by a pipeline named as first argument, had another behaviour: demux kept the
 * order of the messages, and mux had one session per key.
 */
function olderBehaviour(step: Step): FilterDefinition {
  const { definition, args, attached } = step
  if (attached !== undefined || typeof args[0] !== 'string') return definition
  if (definition.name === 'demux') return filtersByName.get('demuxQueue') as FilterDefinition
  if (definition.name === 'mux') return filtersByName.get('muxQueue') as FilterDefinition
  return definition
}

function olderArguments(step: Step, definition: FilterDefinition): readonly unknown[] {
  if (definition === step.definition || definition.name !== 'muxQueue') return step.args
  const [target, key, options] = step.args
  return [target, key, { maxSessions: 1, ...(options as object | undefined) }]
}
