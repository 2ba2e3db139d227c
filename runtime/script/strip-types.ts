import { stripTypeScriptTypes } from 'node:module'
import { traceName } from './known-scripts.ts'

/**
 * JavaScript for TypeScript: types become blanks, so lines and columns stay.
 *
 * @param file absolute path, shown in stack traces instead of the module's URL.
 * @throws SyntaxError whose stack begins with `file:line` and the offending line.
 */
export function stripTypes(source: string, file: string): string {
  // Node strips types by itself, but then its stack traces show the URL with the generation. Doing it through this
  // function emits a warning, once per thread, that a person who starts a proxy can do nothing about.
  const emitWarning = process.emitWarning
  process.emitWarning = () => {}
  try {
    return stripTypeScriptTypes(source, { mode: 'strip', sourceUrl: traceName(file) })
  } finally {
    process.emitWarning = emitWarning
  }
}
