import { dialectGlobals as api } from '../../runtime/api/index.ts'
import { instance, withInstance } from '../../runtime/api/instance.ts'
import { execNow, listFiles, watchFiles } from '../../runtime/api/pipy-files.ts'
import { statementsOf as built } from '../../runtime/script/dialect.ts'
import type { DialectModule } from '../../runtime/script/dialect-modules.ts'
import { Hub } from '../filters/compose/swap.ts'
import { type Callback, PrebuiltPipeline } from '../filters/definition.ts'
import { pipeline, ScriptBuilder, siteOf } from './builder.ts'
import { sessionClass } from './called-session.ts'
import { type Statements, statementsOf } from './script-statements.ts'

/** Begins a script in Pipy's dialect; the same as `sluice`, but its callbacks find the context by themselves. */
const pipyOf = (module?: DialectModule): object =>
  withInstance(
    (variables?: object | (() => object)): ScriptBuilder => new ScriptBuilder(variables, true, module),
  )

/** A pipeline written by itself, which a script may also run by itself. */
class SpawnablePipeline extends PrebuiltPipeline {
  private readonly statements: Statements

  constructor(build: Callback, statements: Statements) {
    super(build)
    this.statements = statements
  }

  /** Runs it; onStart gets the arguments, and what onEnd gives is what the promise resolves to. */
  spawn(...args: unknown[]): Promise<unknown> {
    return this.statements.spawn(this, args, undefined)
  }

  /** Feeds it events and the end of the stream; without an onEnd the promise resolves to what came out. */
  process(...events: unknown[]): Promise<unknown> {
    return this.statements.spawn(this, [], events)
  }
}

/** What a script in Pipy's dialect finds as global names; the thread adds its console. */
export const dialectGlobals: Readonly<Record<string, unknown>> = {
  ...api,
  pipy: pipyOf(),
  pipeline: Object.assign((build: Parameters<typeof pipeline>[0]) => pipeline(build), { Hub }),
}

/** What each file of such a script finds in their place: a `pipy` that knows the file. */
export const dialectModuleGlobals = (module: DialectModule): Readonly<Record<string, unknown>> => {
  const statements = statementsOf(module)
  const write = (build: Parameters<typeof pipeline>[0]): SpawnablePipeline =>
    new SpawnablePipeline((pipeline(build) as unknown as PrebuiltPipeline).build, statements)
  return {
    pipy: Object.assign(pipyOf(module), {
      [built]: statements.builder,
      solve: (path: string) => module.solve(path),
      import: (path: string) => module.importFrom(path),
      listen: listenIn(statements),
      task: taskIn(statements),
      read: (path: unknown, target: unknown, ...args: unknown[]) => statements.read(path, target, args),
      exec: execNow,
      list: listFiles,
      watch: watchFiles,
      exit: (given?: unknown) =>
        typeof given === 'function'
          ? statements.atExit(given as () => unknown)
          : instance.exit(given as number),
    }),
    pipeline: Object.assign(write, { Hub }),
    Session: sessionClass(module),
  }
}

function listenIn(statements: Statements): (port: unknown, ...rest: unknown[]) => void {
  return function listen(port, ...rest) {
    statements.listen(siteOf(listen), port, rest)
  }
}

function taskIn(statements: Statements): (...given: unknown[]) => void {
  return function task(...given) {
    statements.task(siteOf(task), given)
  }
}
