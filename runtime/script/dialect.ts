/**
 * Pipy's dialect: one JavaScript expression or program that calls the global `pipy`, whose callbacks use the
 * variables declared there as if they were in scope.
 */

import vm from 'node:vm'
import { RequestHead, ResponseHead } from '../codec/http1/index.ts'
import { TrafficError } from '../errors.ts'
import { rewriteDialect, type SlotOf } from './dialect-rewrite.ts'
import { rememberScript } from './known-scripts.ts'
import { scope } from './scope.ts'
import { dialectFileSyntax } from './script-kind.ts'

export interface DialectResult {
  /** The value of the program's last expression; when that has none, what `pipy()` returned last, or what was built without it. */
  readonly value: unknown
  /** The value of the program's last expression, whatever it is. */
  readonly result: unknown
  /** What may be a mistake, as `file:line: text`. */
  readonly warnings: readonly string[]
  /** Context variables that the script declares. */
  readonly variables: readonly string[]
  /** It reads the arguments that `use` gives a module. */
  readonly usesArguments: boolean
}

/** Key of what `pipy` builds without being called, by `pipy.listen(…)` and the like. */
export const statementsOf = Symbol('statements')

/** What connects a file to the other modules of its program. */
export interface ModuleLinks {
  /** What another module exports, by the name that this one calls it. */
  load(from: string): object
  /** Takes what this one exports: functions that give the values, and modules that it takes over whole. */
  export(getters: Readonly<Record<string, () => unknown>>, wholes: readonly string[]): void
  /** Holds fiber variables while no callback runs. */
  readonly root: Record<string, unknown>
}

const noLinks: ModuleLinks = { load: () => ({}), export: () => {}, root: {} }

/**
 * Runs a dialect script.
 *
 * @param globals what the script finds as global names, `pipy` among them.
 * @param slotOf where on the context a variable lives: under its own name, when the script is one file.
 * @throws whatever the script throws; ScriptError when it uses a name that nobody declares.
 */
export function runDialect(
  file: string,
  source: string,
  globals: Readonly<Record<string, unknown>>,
  slotOf: SlotOf = name => name,
  links: ModuleLinks = noLinks,
): DialectResult {
  rememberScript(file, { source })
  let built: unknown
  const given: Record<string, unknown> = { ...globals, __filename: file }
  if (typeof globals.pipy === 'function')
    given.pipy = new Proxy(globals.pipy, {
      apply: (pipy, self, args) => {
        built = Reflect.apply(pipy, self, args)
        return built
      },
    })
  const rewritten = rewriteDialect(
    file,
    source,
    new Set(Object.keys(given)),
    slotOf,
    dialectFileSyntax(source),
  )
  rememberScript(file, { source, columnOf: rewritten.columnOf })
  const names = Object.keys(given).filter(name => !rewritten.topLevel.has(name))
  const run = vm.compileFunction(
    rewritten.text,
    [
      rewritten.now,
      rewritten.atLoad,
      rewritten.plain,
      rewritten.spread,
      rewritten.load,
      rewritten.export,
      ...names,
    ],
    { filename: file, importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER },
  )
  for (const slot of rewritten.fiberSlots) links.root[slot] ??= undefined
  const result: unknown = run(
    scope,
    rewritten.fiberSlots.length === 0 ? noContext : links.root,
    plain,
    spread,
    (from: string) => links.load(from),
    (getters: Parameters<ModuleLinks['export']>[0], wholes: readonly string[]) =>
      links.export(getters, wholes),
    ...names.map(name => given[name]),
  )
  const isObject = typeof result === 'object' && result !== null
  const statements = built === undefined ? Object(globals.pipy)[statementsOf] : undefined
  return {
    value: isObject && statements === undefined ? result : (built ?? statements),
    result,
    usesArguments: rewritten.usesArguments,
    variables: [...rewritten.variables.declared.keys()],
    warnings: rewritten.unused.map(
      name =>
        `${file}:${rewritten.variables.declared.get(name)?.line}: context variable '${name}' is declared and never used`,
    ),
  }
}

const plain = (value: unknown): unknown => value

/** A decoded head has accessors where Pipy's has properties: spread, it is what they give. */
const spread = (value: unknown): unknown =>
  value instanceof RequestHead || value instanceof ResponseHead ? value.toJSON() : value

/** Thrown by code that uses a context variable where there is no context. */
class NoContextError extends TrafficError {
  constructor(name: string) {
    super('ScriptError', `context variable '${name}' is used outside of a callback`)
  }

  override get cure(): string {
    return 'Its value is known while a callback runs: use it in one, or, after an await, in a function within it.'
  }
}

const refuse = (_: object, name: string | symbol): never => {
  throw new NoContextError(String(name))
}

/** Stands for the context where there is none. */
const noContext = new Proxy({}, { get: refuse, set: refuse, has: refuse, deleteProperty: refuse })
