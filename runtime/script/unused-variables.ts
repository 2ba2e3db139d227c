/** Context variables that a TypeScript or JavaScript module declares, and nobody reads or writes. */

import { knownScript } from './known-scripts.ts'

/**
 * Warnings, as `file:line: text`. A variable is taken to be used when its name stands anywhere else in the script's files:
 * a mistake may be missed, and what is used is never called unused.
 *
 * @param files those of the script, the main one first
 */
export function unusedVariables(names: readonly string[], files: readonly string[]): string[] {
  const sources = files.map(file => ({ file, source: knownScript(file)?.source ?? '' }))
  return names.flatMap(name => {
    const word = new RegExp(`(?<![\\w$])${name.replaceAll('$', '\\$')}(?![\\w$])`, 'g')
    const places = sources.flatMap(({ file, source }) =>
      [...source.matchAll(word)].map(({ index }) => ({
        file,
        line: source.slice(0, index).split('\n').length,
      })),
    )
    const [place] = places
    return places.length === 1 && place !== undefined
      ? [`${place.file}:${place.line}: context variable '${name}' is declared and never used`]
      : []
  })
}
