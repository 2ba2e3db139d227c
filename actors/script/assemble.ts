import { TrafficError } from '../../runtime/errors.ts'
import { nearest } from '../../runtime/nearest.ts'
import {
  duration,
  isFunction,
  oneOf,
  optional,
  parseOptions,
  type Resolved,
  show,
} from '../../runtime/options.ts'
import { ScriptProblems } from '../../runtime/script/script-problems.ts'
import type { Context } from '../context.ts'
import type { FilterLayout } from '../filter.ts'
import {
  type Callback,
  FilterCall,
  type ScriptAccess,
  type StageKind,
  type Target,
  type UsedModule,
} from '../filters/definition.ts'
import type { FilterDefinition } from '../filters/index.ts'
import { PipelineLayout } from '../pipeline.ts'
import { Program, type Surroundings } from '../program.ts'
import { isUDP, listenOptions, listenSource } from '../sources/listen.ts'
import { TaskSource } from '../sources/task.ts'
import { definitionOf, PipelineBuilder } from './builder.ts'
import { at } from './call-site.ts'
import { inScope, olderArguments, olderBehaviour } from './dialect-behaviour.ts'
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
  maxIdle: duration(
    600_000,
    "With placement 'node': ends the stream of an actor that got no message for so long, and forgets it (passivation); the next message to its key begins a new one. Bounds what keys that come from clients can pile up. 0: never.",
  ),
} as const

export type PipelineSettings = Resolved<typeof pipelineOptions>

/** A pipeline with `placement: 'node'`, as its host needs it. */
export interface SharedPipeline {
  readonly layout: PipelineLayout
  readonly key: ((ctx: Context) => unknown) | undefined
  readonly maxIdleMs: number
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
  const variables: Record<string, unknown> = {}
  const program = new Program(filename, variables, surroundings)
  const modules = new Modules(program, variables)
  modules.assembler(script, '')
  modules.check()
  ScriptProblems.throwAny(modules.problems)
  return { program, shared: modules.shared }
}

/** The modules of one program, each read once. */
class Modules {
  readonly program: Program
  readonly shared = new Map<string, SharedPipeline>()
  /** Of all modules, with their initial values: what every new context begins as. */
  private readonly variables: Record<string, unknown>
  private readonly assemblers = new Map<ScriptDefinition, Assembler>()
  /** What is wrong so far. Reading goes on behind it, so that one run finds everything. */
  readonly problems: TrafficError[] = []

  constructor(program: Program, variables: Record<string, unknown>) {
    this.program = program
    this.variables = variables
  }

  /** Runs `work`; what it throws is noted, with its place in the script, and undefined given instead. */
  attempt<T>(site: Error, work: () => T): T | undefined {
    try {
      return at(site, work)
    } catch (thrown) {
      if (thrown instanceof ScriptProblems || !(thrown instanceof TrafficError)) throw thrown
      this.problems.push(thrown)
      return undefined
    }
  }

  /** Modules so far. */
  get count(): number {
    return this.assemblers.size
  }

  /** @param name tells its pipelines from those of others; '' for the main script's */
  assembler(script: ScriptDefinition, name: string): Assembler {
    let assembler = this.assemblers.get(script)
    if (assembler === undefined) {
      this.addVariables(script)
      assembler = new Assembler(script, this, name)
      this.assemblers.set(script, assembler)
      assembler.assemble()
    }
    return assembler
  }

  private addVariables(script: ScriptDefinition): void {
    for (const [slot, value] of Object.entries(script.variables)) {
      if (Object.hasOwn(this.variables, slot))
        throw new TrafficError(
          'ScriptError',
          `two modules have a variable '${slot}'; export it from one and import it in the other, or give one another name`,
        )
      this.variables[slot] = value
    }
    for (const { name, namespace, site, slot, value } of script.exports)
      this.attempt(site, () => {
        if (Object.hasOwn(this.variables, slot))
          throw new TrafficError(
            'ScriptError',
            `'${name}' is declared already, and exported as '${namespace}' again`,
          )
        this.variables[slot] = value
      })
  }

  /** What is imported must be exported, by a module that may have been read later. */
  check(): void {
    const scripts = [...this.assemblers.keys()]
    for (const { name, namespace, site } of scripts.flatMap(script => script.imports))
      this.attempt(site, () => {
        const exported = scripts.flatMap(script => script.exports)
        if (exported.some(each => each.name === name && each.namespace === namespace)) return
        const near = nearest(
          name,
          exported.filter(each => each.namespace === namespace).map(each => each.name),
        )
        throw new TrafficError(
          'ScriptError',
          `no module exports '${name}' as '${namespace}'; ${near === undefined ? `write export('${namespace}', { ${name}: … }) in the one that has it` : `did you mean '${near}'?`}`,
        )
      })
  }
}

class Assembler implements ScriptAccess {
  private readonly script: ScriptDefinition
  private readonly program: Program
  private readonly modules: Modules
  /** Tells its pipelines from those of other modules; '' for the main script's. */
  private readonly name: string
  private readonly pipelines: Map<string, PipelineLayout>
  private inlined = 0
  /** Name of the pipeline being read, for naming those inside it. */
  private within = ''

  constructor(script: ScriptDefinition, modules: Modules, name: string) {
    this.script = script
    this.modules = modules
    this.program = modules.program
    this.name = name
    this.pipelines = name === '' ? this.program.pipelines : new Map()
  }

  assemble(): void {
    const { pipelines, script } = this
    // Named ones first: pipelines may refer to others that come later, or to themselves.
    for (const definition of script.pipelines)
      if (definition.source === 'pipeline')
        this.modules.attempt(definition.site, () => this.declarePipeline(definition))
    for (const definition of script.pipelines) {
      const layout = pipelines.get(definition.name)
      const isNamed = definition.source === 'pipeline' && layout !== undefined
      const target = isNamed ? layout : new PipelineLayout(this.qualified(definition.name))
      target.filters = this.read(definition.steps, stageOf(definition), target.name).filters
      if (definition.source !== 'pipeline')
        this.modules.attempt(definition.site, () => this.addSource(definition, target))
    }
  }

  private qualified(pipeline: string): string {
    return this.name === '' ? pipeline : `${this.name}:${pipeline}`
  }

  private declarePipeline(definition: PipelineDefinition): void {
    const { pipelines } = this
    const [name, options] = definition.args
    if (typeof name !== 'string' || (name === '' && !this.script.isDialect))
      throw new TrafficError('BadOption', `pipeline() wants a name, and got ${show(name)}`)
    if (pipelines.has(name))
      throw new TrafficError('ScriptError', `there are two pipelines with the name '${name}'`)
    const { placement, key, maxIdle } = parseOptions(pipelineOptions, options, 'pipeline')
    const layout = new PipelineLayout(this.qualified(name))
    pipelines.set(name, layout)
    if (placement === 'node')
      this.modules.shared.set(layout.name, {
        layout,
        key: key && (this.callback(key) as SharedPipeline['key']),
        maxIdleMs: maxIdle,
      })
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
      listenSource(program, layout, target, parseOptions(listenOptions, options, 'listen')),
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
      const filter = this.modules.attempt(step.site, () => {
        this.checkStage(definition, kinds.accepts, stage)
        const args = this.script.isDialect ? olderArguments(step, definition) : step.args
        return definition.build(
          new FilterCall(definition, this.program, name, stage, args, step.attached, this),
        )
      })
      if (filter !== undefined) filters.push(filter)
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
    const layout = this.pipelines.get(name)
    if (layout === undefined) {
      const names = [...this.pipelines.keys()]
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
    return this.targetOf(layout)
  }

  private targetOf(layout: PipelineLayout): Target {
    return this.modules.shared.has(layout.name)
      ? { kind: 'node', name: layout.name }
      : { kind: 'local', layout }
  }

  module(value: unknown): UsedModule | undefined {
    if (typeof value === 'string') {
      const loaded = this.script.module?.load(value)
      return loaded && this.use(definitionOf(loaded.value) as ScriptDefinition, value)
    }
    const definition = definitionOf(value)
    return definition && this.use(definition, `module-${this.modules.count}`)
  }

  private use(definition: ScriptDefinition, name: string): UsedModule {
    const assembler = this.modules.assembler(definition, name)
    return {
      name,
      pipeline: pipeline => {
        const layout = assembler.pipelines.get(pipeline)
        return layout && assembler.targetOf(layout)
      },
      argumentsSlot: definition.module?.usesArguments ? definition.slot('__argv') : undefined,
    }
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

const stageOf = ({ source, args }: PipelineDefinition): StageKind =>
  source === 'listen' ? (isUDP(args[1]) ? 'messages' : 'bytes') : source === 'task' ? 'messages' : 'any'
