import { dialectGlobals } from '../runtime/api/index.ts'
import type { Logger } from '../runtime/log.ts'
import { loadScript } from '../runtime/script/loader.ts'
import { formatScriptError, ScriptError } from '../runtime/script/script-error.ts'

/** Loads what the script built, and tells the log what the loader has to warn of. */
export async function loadBuilder(script: string, generation: number, log: Logger): Promise<unknown> {
  const loaded = await loadScript(script, {
    generation,
    dialectGlobals,
    sluiceModule: new URL('../actors/index.ts', import.meta.url).href,
  })
  for (const warning of loaded.warnings)
    log.warn(String(warning), { code: 'ScriptWarning', source: 'script' })
  return loaded.value
}

/** Why a script cannot be used, for a terminal: file, line, the line itself, what to do. */
export function explainScript(thrown: unknown, file: string): string {
  return formatScriptError(ScriptError.of(thrown, { file }))
}
