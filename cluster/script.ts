import { builderMethods, definitionOf } from '../actors/script/builder.ts'
import { dialectGlobals, dialectModuleGlobals } from '../actors/script/dialect-globals.ts'
import { scriptConsole } from '../observability/script-console.ts'
import type { Logger } from '../runtime/log.ts'
import { loadScript } from '../runtime/script/loader.ts'
import { formatScriptError, ScriptError } from '../runtime/script/script-error.ts'
import { ScriptProblems } from '../runtime/script/script-problems.ts'

/** What a script finds in the thread, put there once. */
export function prepareGlobals(log: Logger): void {
  globalThis.console = scriptConsole(log)
}

/** Loads what the script built, and tells the log what the loader has to warn of. */
export async function loadBuilder(script: string, generation: number, log: Logger): Promise<unknown> {
  const warn = (text: string): void => log.warn(text, { code: 'ScriptWarning', source: 'script' })
  const loaded = await loadScript(script, {
    generation,
    dialectGlobals: { ...dialectGlobals, console: globalThis.console },
    moduleGlobals: dialectModuleGlobals,
    warn,
    sluiceModule: new URL('../actors/index.ts', import.meta.url).href,
    isBuilder: value => definitionOf(value) !== undefined,
    variablesOf: value => Object.keys(definitionOf(value)?.variables ?? {}),
    methods: builderMethods,
  })
  for (const warning of loaded.warnings) warn(warning)
  return loaded.value
}

/** Why a script cannot be used, for a terminal: file, line, the line itself, what to do. */
export function explainScript(thrown: unknown, file: string): string {
  const problems = thrown instanceof ScriptProblems ? thrown.problems : [thrown]
  return problems
    .map(problem => ScriptError.of(problem, { file, methods: builderMethods }).report)
    .sort((a, b) => a.file.localeCompare(b.file) || (a.line ?? 0) - (b.line ?? 0))
    .map(formatScriptError)
    .join('\n\n')
}
