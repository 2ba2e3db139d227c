/**
 * Pipy's dialect: one JavaScript expression or program that calls the global `pipy`, whose callbacks use the
 * variables declared there as if they were in scope.
 */

import vm from 'node:vm'
import { TrafficError } from '../errors.ts'
import { rewriteDialect, type SlotOf } from './dialect-rewrite.ts'
import { rememberScript } from './known-scripts.ts'
import { scope } from './scope.ts'

export interface DialectResult {
  /** The value of the program's last expression, or what `pipy()` returned last when that has none. */
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
  const rewritten = rewriteDialect(file, source, new Set(Object.keys(given)), slotOf)
  rememberScript(file, { source, columnOf: rewritten.columnOf })
  const names = Object.keys(given).filter(name => !rewritten.topLevel.has(name))
  const run = vm.compileFunction(
    rewritten.text,
    [rewritten.now, rewritten.atLoad, rewritten.plain, ...names],
    { filename: file, importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER },
  )
  const result: unknown = run(scope, noContext, plain, ...names.map(name => given[name]))
  return {
    value: typeof result === 'object' && result !== null ? result : built,
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
