import { TrafficError } from '../../runtime/errors.ts'
import { nearest } from '../../runtime/nearest.ts'
import { parseOptions, show } from '../../runtime/options.ts'
import { ScriptProblems } from '../../runtime/script/script-problems.ts'
import { traced } from '../../runtime/trace/place-at-work.ts'
import { tracing } from '../../runtime/trace/tracing.ts'
import type { FilterLayout } from '../filter.ts'
import {
  type Callback,
  FilterCall,
  type PrebuiltPipeline,
  type ScriptAccess,
  type StageKind,
  type Target,
  type UsedModule,
} from '../filters/definition.ts'
import type { FilterDefinition } from '../filters/index.ts'
import { PipelineLayout } from '../pipeline.ts'
import { Program, type Source, type Surroundings } from '../program.ts'
import type { SharedPipeline } from '../shared/shared-pipelines.ts'
import { isUDP, listenOptions, listenSource } from '../sources/listen.ts'
import { ReadSource } from '../sources/read.ts'
import { SubscribeSource, subscribeOptions } from '../sources/subscribe.ts'
import { TaskSource, taskOptions } from '../sources/task.ts'
import { definitionOf, stepsOf } from './builder.ts'
import { at } from './call-site.ts'
import { inScope, olderArguments, olderBehaviour } from './dialect-behaviour.ts'
import { durableSettings, parsePipelineOptions, shardsOf } from './pipeline-options.ts'
import type { PipelineDefinition, ScriptDefinition, Step } from './script-definition.ts'
import { statementsFor } from './script-statements.ts'

/** A program and what it shares with other threads and nodes. */
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
  const statements = script.module === undefined ? undefined : statementsFor(script.module)
  if (statements !== undefined && !statements.isEmpty && statements.definition !== script)
    modules.assembler(statements.definition, 'statements')
  Object.assign(variables, script.module?.root)
  modules.check()
  ScriptProblems.throwAny(modules.problems)
  modules.isComplete = true
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
  /** The script has been read: what is read later, for a pipeline that a callback chose, errs in that callback. */
  isComplete = false

  constructor(program: Program, variables: Record<string, unknown>) {
    this.program = program
    this.variables = variables
  }

  /** Runs `work`; what it throws is noted, with its place in the script, and undefined given instead. */
  attempt<T>(site: Error, work: () => T): T | undefined {
    try {
      return at(site, work)
    } catch (thrown) {
      if (this.isComplete || thrown instanceof ScriptProblems || !(thrown instanceof TrafficError))
        throw thrown
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
  private readonly sources = new Map<PipelineDefinition, Source>()
  private inlined = 0
  /** Pipelines written beforehand, for each kind of stream that they were put into. */
  private readonly prebuiltLayouts = new Map<PrebuiltPipeline, Map<StageKind, PipelineLayout>>()
  /** Name of the pipeline being read, for naming those inside it. */
  private within = ''

  constructor(script: ScriptDefinition, modules: Modules, name: string) {
    this.script = script
    this.modules = modules
    this.program = modules.program
    this.name = name
    this.pipelines = name === '' ? this.program.pipelines : new Map()
    script.assembled = {
      program: this.program,
      pipelines: this.pipelines,
      layoutOf: pipeline => this.layoutOf(pipeline),
      sourceOf: definition => this.sources.get(definition),
      add: definition => this.add(definition),
    }
  }

  assemble(): void {
    const { pipelines, script } = this
    // Named ones first: pipelines may refer to others that come later, or to themselves.
    for (const definition of script.pipelines)
      if (definition.source === 'pipeline')
        this.modules.attempt(definition.site, () => this.declarePipeline(definition))
    for (const definition of script.pipelines) {
      if (this.isLeftOut(definition)) {
        this.glance(definition)
        continue
      }
      if (definition.source !== 'pipeline') {
        this.add(definition)
        continue
      }
      // One whose declaration was refused is read all the same, for what else is wrong.
      const target = pipelines.get(definition.name) ?? new PipelineLayout(this.qualified(definition.name))
      target.filters = this.read(definition.steps, stageOf(definition), target.name).filters
    }
    const around = script.newSources?.()
    if (around === undefined) return
    this.program.sources.unshift(around[0])
    this.program.sources.push(around[1])
  }

  private add(definition: PipelineDefinition): Source | undefined {
    const { sources } = this.program
    const layout = new PipelineLayout(this.qualified(definition.name))
    layout.filters = this.read(definition.steps, stageOf(definition), layout.name).filters
    const before = sources.length
    this.modules.attempt(definition.site, () => this.addSource(definition, layout))
    const source = sources[before]
    if (source !== undefined) this.sources.set(definition, source)
    return source
  }

  private layoutOf(pipeline: PrebuiltPipeline): PipelineLayout {
    const target = this.prebuilt(pipeline, 'any')
    return (target as Extract<Target, { kind: 'local' }>).layout
  }

  /** Pipy leaves a listener out when its port is nothing, so that configuration can switch it off. */
  private isLeftOut({ args, source }: PipelineDefinition): boolean {
    return this.script.isDialect && source === 'listen' && !args[0]
  }

  /** Of a listener that is left out, options may have no value either; names must be right all the same. */
  private glance({ steps, ...definition }: PipelineDefinition): void {
    const { problems } = this.modules
    const before = problems.length
    this.read(steps, stageOf({ ...definition, steps }), this.qualified(definition.name))
    problems.push(...problems.splice(before).filter(({ code }) => code !== 'BadOption'))
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
    const settings = parsePipelineOptions(options)
    const layout = new PipelineLayout(this.qualified(name))
    pipelines.set(name, layout)
    const { placement, key, role } = settings
    if (placement === 'local') return
    this.modules.shared.set(layout.name, {
      name: layout.name,
      placement,
      layout,
      key: key && (this.callback(key) as SharedPipeline['key']),
      maxIdleMs: settings.maxIdle,
      isHosted: placement === 'node' || (definition.steps.length > 0 && this.hasRole(role)),
      role,
      delivery: settings.delivery,
      fanout: settings.fanout,
      shards: shardsOf(settings),
      maxMessageBytes: settings.maxMessageSize,
      durable: durableSettings(settings),
    })
  }

  /** Whether this node does what is for nodes with this role. */
  private hasRole(role: string | undefined): boolean {
    const { roles } = this.program.surroundings
    return role === undefined || roles === undefined || roles.includes(role)
  }

  private addSource({ source, args }: PipelineDefinition, layout: PipelineLayout): void {
    const { program } = this
    if (source === 'task') {
      const { role } = parseOptions(taskOptions, args[1], 'task')
      const source = new TaskSource(program, layout, args[0] as string | number | undefined)
      if (this.hasRole(role)) program.sources.push(source)
      return
    }
    const [target, options] = args
    if (source === 'read') {
      const { role } = parseOptions(taskOptions, options, 'read')
      const reader = new ReadSource(program, layout, target)
      if (this.hasRole(role)) program.sources.push(reader)
      return
    }
    if (source === 'subscribe') {
      const settings = parseOptions(subscribeOptions, options, 'subscribe')
      const subscription = new SubscribeSource(program, layout, target as string, settings)
      if (this.hasRole(settings.role)) program.sources.push(subscription)
      return
    }
    if (typeof target !== 'number' && typeof target !== 'string')
      throw new TrafficError('BadOption', `listen wants a port or 'ip:port', and got ${show(target)}`)
    const settings = parseOptions(listenOptions, options, 'listen')
    const listener = listenSource(program, layout, target, settings)
    if (this.hasRole(settings.role)) program.sources.push(listener)
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
    const tails: FilterLayout[] = []
    /** Behind the last filter that gives messages: there the tails see what is answered. */
    let lastMessages = 0
    for (const step of inPlace(steps)) {
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
      if (filter?.tail !== undefined) tails.push(filter.tail)
      stage = kinds.emits === 'same' ? stage : kinds.emits === 'sub' ? 'any' : kinds.emits
      if (stage !== 'bytes') lastMessages = filters.length
    }
    filters.splice(lastMessages, 0, ...tails)
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
    const called = this.script.isDialect ? inScope(callback) : callback
    return tracing.tracer === null ? called : traced(called, callback)
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
    const shared = this.modules.shared.get(layout.name)
    if (shared === undefined) return { kind: 'local', layout }
    const { name, placement, delivery, fanout } = shared
    return { kind: 'shared', name, placement, delivery, fanout }
  }

  module(value: unknown): UsedModule | undefined {
    if (typeof value === 'string') {
      const loaded = this.script.module?.use(value)
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

  prebuilt(pipeline: PrebuiltPipeline, given: StageKind): Target {
    let layouts = this.prebuiltLayouts.get(pipeline)
    if (layouts === undefined) {
      layouts = new Map()
      this.prebuiltLayouts.set(pipeline, layouts)
    }
    let layout = layouts.get(given)
    if (layout === undefined) {
      layout = new PipelineLayout(this.qualified(`pipeline.${this.prebuiltLayouts.size}`))
      // Known before it is read, since it may refer to itself.
      layouts.set(given, layout)
      this.write(layout, pipeline.build, given)
    }
    return { kind: 'local', layout }
  }

  inline(build: Callback, given: StageKind): Target {
    const layout = new PipelineLayout(`${this.within}.${++this.inlined}`)
    this.write(layout, build, given)
    return { kind: 'local', layout }
  }

  private write(layout: PipelineLayout, build: Callback, given: StageKind): void {
    layout.filters = this.read(stepsOf(build), given, layout.name).filters
  }
}

/** The steps with those first and last that stand there wherever they are written, and the scouts where requests enter. */
function inPlace(steps: readonly Step[]): readonly Step[] {
  if (steps.every(({ definition }) => definition.stands === undefined && definition.scout === undefined))
    return steps
  const scouts = new Map(
    steps.flatMap(step => (step.definition.scout ? [[step.definition.scout, step]] : [])),
  )
  const scouting = [...scouts].map(
    ([definition, { site }]): Step => ({ definition, args: [], site, attached: undefined }),
  )
  const standing = (place: 'first' | 'last' | undefined): Step[] =>
    steps.filter(({ definition }) => definition.stands === place)
  const between = standing(undefined).flatMap(step =>
    step.definition.name === 'decodeHTTPRequest' ? [step, ...scouting] : [step],
  )
  return [...standing('first'), ...scouting, ...between, ...standing('last')]
}

const stageOf = ({ source, args }: PipelineDefinition): StageKind =>
  kindOf[source] ?? (isUDP(args[1]) ? 'messages' : 'bytes')

const kindOf: Partial<Record<PipelineDefinition['source'], StageKind>> = {
  pipeline: 'any',
  read: 'bytes',
  subscribe: 'messages',
  task: 'messages',
}
