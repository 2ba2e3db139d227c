import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { TrafficError } from '../../runtime/errors.ts'
import { Data, StreamEnd } from '../../runtime/event.ts'
import { show } from '../../runtime/options.ts'
import type { DialectModule } from '../../runtime/script/dialect-modules.ts'
import { scope } from '../../runtime/script/scope.ts'
import { type Context, cloneContext } from '../context.ts'
import { type Callback, PrebuiltPipeline } from '../filters/definition.ts'
import type { Program, Source } from '../program.ts'
import { ReadSession } from '../sources/read.ts'
import { awaitResult, giveArguments } from '../start-arguments.ts'
import { definitionOf, ScriptBuilder, stepsOf } from './builder.ts'
import type { PipelineDefinition, ScriptDefinition } from './script-definition.ts'
import { SpawnedSession } from './spawned-session.ts'

/** What runs now: a program that has started. */
type Running = NonNullable<ScriptDefinition['assembled']>

/** Pipelines that callbacks may write and run while the program runs: each has its layout and its ledgers for good. */
const mostWritten = 1000

/**
 * What a script of Pipy's third generation says in statements: pipelines that it begins with `pipy.listen(…)`, and work
 * that it starts. Said while the script loads, that is done when the program starts, and at once afterwards.
 */
export class Statements {
  readonly builder: ScriptBuilder
  private readonly waiting: { readonly pipeline: PrebuiltPipeline; start(running: Running): void }[] = []
  private readonly exits: (() => unknown)[] = []
  private readonly listeners = new Map<string, PipelineDefinition>()
  private readonly written = new WeakSet<PrebuiltPipeline>()
  private writtenCount = 0
  private running: Running | undefined

  constructor(module: DialectModule) {
    this.builder = new ScriptBuilder(undefined, true, module)
    this.definition.newSources = () => this.sourcesIn()
  }

  get definition(): ScriptDefinition {
    return definitionOf(this.builder) as ScriptDefinition
  }

  /** Nothing was said. */
  get isEmpty(): boolean {
    return this.definition.pipelines.length === 0 && this.waiting.length === 0 && this.exits.length === 0
  }

  /** Begins a pipeline, or ends what listens there when there is none. */
  listen(site: Error, port: unknown, rest: readonly unknown[]): void {
    const given = [...rest]
    const protocol = typeof given[0] === 'string' ? given.shift() : undefined
    const options = isOptions(given[0]) && given.length > 1 ? (given.shift() as object) : undefined
    const [target] = given
    const where = String(port)
    if (target === undefined || target === null) {
      if (rest.length === 0)
        throw new TrafficError(
          'BadOption',
          `pipy.listen wants a port and a pipeline, as in pipy.listen(8000, $ => $.…), and got ${show(port)} alone`,
        )
      this.close(where)
      return
    }
    const steps = stepsOf(buildOf('pipy.listen', target))
    if (!port) return
    const settings = { ...options, ...(protocol === undefined ? {} : { protocol }) }
    const args = [port, settings]
    this.close(where)
    const definition: PipelineDefinition = { source: 'listen', name: `listen-${where}`, args, site, steps }
    this.listeners.set(where, definition)
    this.begin(definition)
  }

  /** Begins a pipeline that is fed a message once, at an interval or at a signal. */
  task(site: Error, given: readonly unknown[]): void {
    const target = given.at(-1)
    const [when, options] = given.slice(0, -1)
    const steps = stepsOf(buildOf('pipy.task', target))
    this.begin({ source: 'task', name: `task-${when ?? 'once'}`, args: [when, options], site, steps })
  }

  /** Runs a pipeline over the bytes of a file. */
  read(path: unknown, target: unknown, args: readonly unknown[]): Promise<unknown> {
    if (typeof path !== 'string' || path === '')
      throw new TrafficError('BadOption', `pipy.read wants the path of a file, and got ${show(path)}`)
    const pipeline =
      target instanceof PrebuiltPipeline ? target : new PrebuiltPipeline(buildOf('pipy.read', target))
    return this.run(pipeline, async running => {
      const { program } = running
      const context = contextOf(program)
      const handle = await open(path).catch(error => {
        throw new TrafficError('ReadError', (error as Error).message, error)
      })
      return new Promise(resolve => {
        let result: unknown
        const stream = createReadStream('', { fd: handle })
        const layout = running.layoutOf(pipeline)
        const session = new ReadSession(program, layout, stream, context, () => resolve(result))
        giveArguments(session, args)
        awaitResult(session, given => {
          result = given
        })
      })
    })
  }

  /** Runs a pipeline by itself: what its onEnd gives, or, when it was fed, what it has put out. */
  spawn(pipeline: PrebuiltPipeline, args: readonly unknown[], events: unknown): Promise<unknown> {
    return this.run(
      pipeline,
      running =>
        new Promise(resolve => {
          const { program } = running
          const session = new SpawnedSession(program, running.layoutOf(pipeline), contextOf(program), {
            collects: events !== undefined,
            resolve,
          })
          giveArguments(session, args)
          session.feed(events === undefined ? new Data() : [events, new StreamEnd()].flat(3))
        }),
    )
  }

  /** Has `run` called when all traffic is over. */
  atExit(run: () => unknown): void {
    this.exits.push(run)
  }

  private run<T>(pipeline: PrebuiltPipeline, work: (running: Running) => Promise<T>): Promise<T> {
    const { running } = this
    if (running !== undefined) {
      this.count(pipeline)
      return work(running)
    }
    return new Promise((resolve, reject) => {
      this.waiting.push({ pipeline, start: started => void work(started).then(resolve, reject) })
    })
  }

  private count(pipeline: PrebuiltPipeline): void {
    if (this.written.has(pipeline)) return
    if (this.writtenCount === mostWritten)
      throw new TrafficError(
        'RuntimeError',
        `callbacks have run ${mostWritten} different pipelines; write each once, with pipeline($ => …) outside of the callback, and spawn that`,
      )
    this.writtenCount++
    this.written.add(pipeline)
  }

  private begin(definition: PipelineDefinition): void {
    const { running } = this
    if (running === undefined) {
      this.definition.pipelines.push(definition)
      return
    }
    // What an older program still says when a newer one has taken over is of no use to anybody.
    if (running.program.isDraining) return
    const source = running.add(definition)
    source?.start().catch(error => this.failed(running, source, error))
  }

  private failed({ program }: Running, source: Source, error: unknown): void {
    drop(program, source)
    program.reportFault('listen', TrafficError.from(error, 'ListenFailed'))
  }

  private close(where: string): void {
    const definition = this.listeners.get(where)
    if (definition === undefined) return
    this.listeners.delete(where)
    const { pipelines } = this.definition
    const at = pipelines.indexOf(definition)
    if (this.running === undefined) {
      if (at >= 0) pipelines.splice(at, 1)
      return
    }
    const source = this.running.sourceOf(definition)
    if (source !== undefined) drop(this.running.program, source)
  }

  /** Stand first and last among the sources of a program, to know when it starts and when its traffic is over. */
  private sourcesIn(): readonly [Source, Source] {
    const running = this.definition.assembled as Running
    const { pipelines } = this.definition
    const known = pipelines.length
    // What is wrong with them is told with all else, before anything runs.
    for (const { pipeline } of this.waiting) running.layoutOf(pipeline)
    const first: Source = {
      listening: undefined,
      isIdle: true,
      start: async () => {
        this.running = running
      },
      stop: () => {},
    }
    const last: Source = {
      listening: undefined,
      isIdle: this.waiting.length === 0,
      // All that listens does so by now: what runs by itself may connect to it.
      start: async () => {
        for (const each of this.waiting) each.start(running)
        // Said after the script was read and before it started.
        for (const definition of pipelines.slice(known)) this.begin(definition)
      },
      stop: () => {},
      finish: () => {
        for (const exit of this.exits) exit()
      },
    }
    return [first, last]
  }
}

function drop(program: Program, source: Source): void {
  source.stop()
  const at = program.sources.indexOf(source)
  if (at >= 0) program.sources.splice(at, 1)
}

/** That of the callback that runs, as it is now, or a new one. */
const contextOf = (program: Program): Context =>
  scope.current === undefined ? program.newContext(undefined) : cloneContext(scope.current as Context)

const isOptions = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !(value instanceof PrebuiltPipeline)

function buildOf(name: string, target: unknown): Callback {
  if (target instanceof PrebuiltPipeline) return target.build
  if (typeof target === 'function') return target as Callback
  throw new TrafficError(
    'BadOption',
    `${name} wants a pipeline last, as $ => $… or what pipeline($ => …) gave, and got ${show(target)}`,
  )
}

const all = new WeakMap<object, Statements>()

/** Those of the script that a file belongs to. */
export function statementsOf(module: DialectModule): Statements {
  let statements = all.get(module.script)
  if (statements === undefined) {
    statements = new Statements(module)
    all.set(module.script, statements)
  }
  return statements
}

/** The same, if there are any. */
export const statementsFor = (module: DialectModule): Statements | undefined => all.get(module.script)
