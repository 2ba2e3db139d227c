import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { builderMethods, definitionOf } from '../../actors/script/builder.ts'
import { dialectGlobals, dialectModuleGlobals } from '../../actors/script/dialect-globals.ts'
import { loadDialect } from '../../runtime/script/loader.ts'
import { makeFolder } from './sluice.ts'

/** Loads `main.js` of these files as a script of Pipy's first generation, in the test's own thread. */
export function loadFirstGeneration(t: ExecutionContext, files: Readonly<Record<string, string>>): unknown {
  return loadDialect(join(makeFolder(t, files), 'main.js'), {
    generation: 1,
    dialectGlobals,
    moduleGlobals: dialectModuleGlobals,
    sluiceModule: new URL('../../actors/index.ts', import.meta.url).href,
    isBuilder: given => definitionOf(given) !== undefined,
    methods: builderMethods,
  }).value
}
