/**
 * How scripts' imports are resolved and read in this thread: 'sluice' is this program, each generation of a script
 * has its own instances of the script's files, and stack traces show plain paths.
 */

import { readFileSync } from 'node:fs'
import { createRequire, type LoadHookSync, type ResolveHookSync, registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import { rememberScript } from './known-scripts.ts'
import { stripTypes } from './strip-types.ts'

const generationPattern = /\?generation=\d+$/
const require = createRequire(import.meta.url)

/** Script files read in each generation; only the last two are kept. */
const filesRead = new Map<number, string[]>()

/** The script's own files that a generation has read so far. */
export const localFiles = (generation: number): readonly string[] => filesRead.get(generation) ?? []

function remember(url: string, file: string, source: string): void {
  const generation = Number(url.slice(url.lastIndexOf('=') + 1))
  const files = filesRead.get(generation) ?? []
  files.push(file)
  filesRead.set(generation, files)
  for (const old of filesRead.keys()) if (filesRead.size > 2) filesRead.delete(old)
  rememberScript(file, { source })
}

/** Folders of Sluice itself, which has one instance whatever the generation of the script that imports it. */
const ownFolders = ['actors', 'cluster', 'observability', 'runtime'].map(
  floor => new URL(`../../${floor}/`, import.meta.url).href,
)

let sluiceUrl: string | undefined
let installed = false

/** Makes `import … from 'sluice'` mean the module at `url`, for all scripts of this thread. */
export function installHooks(url: string): void {
  sluiceUrl = url
  if (installed) return
  installed = true
  registerHooks({ resolve, load })
}

/** The URL of a script's file in one generation. */
export const generationUrl = (url: string, generation: number): string => `${url}?generation=${generation}`

const resolve: ResolveHookSync = (specifier, context, next) => {
  if (specifier === 'sluice' && sluiceUrl !== undefined) return { url: sluiceUrl, shortCircuit: true }
  const resolved = next(specifier, context)
  const generation = generationPattern.exec(context.parentURL ?? '')
  return generation && isLocal(resolved.url) ? { ...resolved, url: resolved.url + generation[0] } : resolved
}

const isLocal = (url: string): boolean =>
  url.startsWith('file:') &&
  !url.includes('?') &&
  !url.includes('/node_modules/') &&
  !ownFolders.some(folder => url.startsWith(folder))

const load: LoadHookSync = (url, context, next) => {
  if (!generationPattern.test(url)) return next(url, context)
  const file = fileURLToPath(url.replace(generationPattern, ''))
  if (/\.m?ts$/.test(file)) {
    const source = readFileSync(file, 'utf8')
    remember(url, file, source)
    return { format: 'module', source: stripTypes(source, file), shortCircuit: true }
  }
  // Node keeps CommonJS modules by path, whatever the URL says: an older generation's would be found.
  delete require.cache[file]
  const loaded = next(url, context)
  if (loaded.format !== 'module' || loaded.source === undefined) return loaded
  const source = textOf(loaded.source)
  remember(url, file, source)
  return { ...loaded, source: `${source}\n//# sourceURL=${file}` }
}

const textOf = (source: string | ArrayBuffer | NodeJS.TypedArray): string =>
  typeof source === 'string'
    ? source
    : Buffer.from(
        source instanceof ArrayBuffer
          ? new Uint8Array(source)
          : new Uint8Array(source.buffer, source.byteOffset, source.byteLength),
      ).toString('utf8')
