/** Loads a user's script into the current thread. */

import { readFileSync, realpathSync, statSync } from 'node:fs'
import { extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { codebase } from './codebase.ts'
import { type DialectModule, DialectModules } from './dialect-modules.ts'
import { knownScript, rememberScript } from './known-scripts.ts'
import { generationUrl, installHooks, withFilesRead } from './module-hooks.ts'
import { type ReportContext, ScriptError } from './script-error.ts'
import { moduleSyntaxError, scriptKind } from './script-kind.ts'
import { unusedVariables } from './unused-variables.ts'

export interface LoadOptions {
  /** Grows with each reload: every generation has its own instances of the script's files. */
  readonly generation: number
  /** What a dialect script finds as global names, `pipy` among them. */
  readonly dialectGlobals: Readonly<Record<string, unknown>>
  /** What each file of a dialect script finds besides, made for that file. */
  readonly moduleGlobals?: ((module: DialectModule) => Readonly<Record<string, unknown>>) | undefined
  /** Takes what may be a mistake in modules that a dialect script uses, as `file:line: text`. */
  readonly warn?: ((text: string) => void) | undefined
  /** URL of the module that `import … from 'sluice'` means. */
  readonly sluiceModule: string
  /** Tells whether a value is what a script must give. Default: any object. */
  readonly isBuilder?: ((value: unknown) => boolean) | undefined
  /** Names of the context variables that a builder declares, to tell of those that are not used. */
  readonly variablesOf?: ((builder: unknown) => readonly string[]) | undefined
  /** Methods of the builder, for advice on a mistyped one. */
  readonly methods?: readonly string[] | undefined
}

export interface LoadedScript {
  /** Two ways to write the same thing: an ES module that exports a builder, or Pipy's dialect. */
  readonly kind: 'module' | 'dialect'
  /** The builder that the script made. */
  readonly value: unknown
  /** `file:` URL of the script, without the generation. */
  readonly url: string
  /** What may be a mistake, as `file:line: text`. */
  readonly warnings: readonly string[]
}

/**
 * Loads a script: `.ts` and `.mts` files and JavaScript files with imports or exports as ES modules, other
 * JavaScript files that call `pipy` as dialect.
 *
 * @throws ScriptError, and nothing else, whatever is wrong with the script.
 */
export async function loadScript(path: string, options: LoadOptions): Promise<LoadedScript> {
  const file = findScript(path)
  codebase.enter(file)
  const source = readSource(file)
  rememberScript(file, { source })
  const url = pathToFileURL(file).href
  const kind = isTypeScript(file) ? 'module' : scriptKind(file, source)
  if (kind === 'dialect') return loadDialect(file, options)
  installHooks(options.sluiceModule)
  const { exports, files } = await importModule(file, url, options)
  if (!('default' in exports))
    throw new ScriptError({
      code: 'ScriptError',
      message: 'the script has no default export',
      cure: 'Export what it built: `export default sluice()…`.',
      file,
    })
  const value = builderOf(exports.default, file, options, 'the default export')
  return { kind, value, url, warnings: unusedVariables(options.variablesOf?.(value) ?? [], files) }
}

/**
 * Runs a script in Pipy's dialect at once. Modules that it uses are loaded when its builder asks for them.
 *
 * @throws ScriptError, and nothing else, whatever is wrong with the script.
 */
export function loadDialect(path: string, options: LoadOptions): LoadedScript {
  const file = findScript(path)
  codebase.enter(file)
  installHooks(options.sluiceModule)
  const warnings: string[] = []
  let warn = (text: string): void => void warnings.push(text)
  const modules = new DialectModules(file, {
    globals: module => ({ ...options.dialectGlobals, ...options.moduleGlobals?.(module) }),
    read: readSource,
    accept: (value, of) => builderOf(value, of, options, of === file ? 'the script' : 'the module'),
    explain: (thrown, of) => ScriptError.of(thrown, reportContext(of, options)),
    warn: text => warn(text),
  })
  const { value } = modules.load(file)
  warn = options.warn ?? (() => {})
  return { kind: 'dialect', value, url: pathToFileURL(file).href, warnings }
}

const isTypeScript = (file: string): boolean => /\.m?ts$/.test(file)

const reportContext = (file: string, options: LoadOptions): ReportContext => ({
  file,
  names: Object.keys(options.dialectGlobals),
  methods: options.methods,
})

/** What the module exports, and the files that were read for it, itself the first. */
function importModule(
  file: string,
  url: string,
  options: LoadOptions,
): Promise<{ exports: Record<string, unknown>; files: readonly string[] }> {
  const { generation } = options
  return withFilesRead(generation, async files => {
    try {
      const exports = (await import(generationUrl(url, generation))) as Record<string, unknown>
      return { exports, files: [...files] }
    } catch (thrown) {
      const error = ScriptError.of(thrown, reportContext(file, options))
      if (thrown instanceof SyntaxError && error.report.line === undefined)
        throw findSyntaxError(files) ?? error
      throw error
    }
  })
}

/** V8 does not tell where a module has a syntax error: another parser looks through the files that were read. */
function findSyntaxError(files: readonly string[]): ScriptError | undefined {
  for (const file of files) {
    const error = moduleSyntaxError(file, knownScript(file)?.source ?? '')
    if (error) return error
  }
  return undefined
}

function builderOf(value: unknown, file: string, options: LoadOptions, what: string): unknown {
  const accepts = options.isBuilder ?? ((given: unknown) => typeof given === 'object' && given !== null)
  if (accepts(value)) return value
  const shown =
    value === undefined
      ? 'nothing'
      : value instanceof Promise
        ? 'a promise'
        : `a value of type ${typeof value}`
  throw new ScriptError({
    code: 'ScriptError',
    message: `${what} gives ${shown}, not pipelines`,
    cure: 'End it with what `sluice()…` or `pipy()…` returned.',
    file,
  })
}

/** Absolute path of a script, symbolic links resolved as Node does for its modules. */
function findScript(path: string): string {
  const file = resolve(path)
  const refuse = (message: string, cure: string): never => {
    throw new ScriptError({ code: 'ScriptError', message, cure, file })
  }
  const stats = statSync(file, { throwIfNoEntry: false })
  if (stats === undefined) return refuse('there is no such file', 'Check the path of the script.')
  if (stats.isDirectory()) return refuse('this is a directory', 'Name the script in it, like main.ts.')
  const extension = extname(file)
  if (!['.ts', '.mts', '.js', '.mjs'].includes(extension)) {
    const kind = extension === '' ? 'has no extension' : `is a ${extension} file`
    refuse(`a script is a .ts, .mts, .js or .mjs file, and this ${kind}`, 'Check the path of the script.')
  }
  if (isTypeScript(file) && file.includes('/node_modules/'))
    refuse('TypeScript under node_modules is not supported', 'Move the script, or compile it to JavaScript.')
  return realpathSync(file)
}

function readSource(file: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/^\uFEFF/, '')
  } catch (error) {
    throw new ScriptError(
      {
        code: 'ScriptError',
        message: `the file cannot be read: ${(error as Error).message}`,
        cure: 'Check its permissions.',
        file,
      },
      error,
    )
  }
}
