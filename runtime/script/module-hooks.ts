/**
 * How scripts' imports are resolved and read in this thread: 'sluice' is this program, each generation of a script
 * has its own instances of the script's files, and stack traces show plain paths.
 */

import { readFileSync } from 'node:fs'
import { createRequire, type LoadHookSync, type ResolveHookSync, registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import { rememberScript, traceName } from './known-scripts.ts'
import { hasModuleSyntax } from './script-kind.ts'
import { stripTypes } from './strip-types.ts'

const generationPattern = /\?generation=\d+$/
const require = createRequire(import.meta.url)

/** Files read so far by the generations that are being loaded. */
const filesRead = new Map<number, string[]>()

/** Runs `load`, and tells it which of the script's own files its generation has read so far. */
export async function withFilesRead<T>(
  generation: number,
  load: (files: readonly string[]) => Promise<T>,
): Promise<T> {
  const files: string[] = []
  filesRead.set(generation, files)
  try {
    return await load(files)
  } finally {
    filesRead.delete(generation)
  }
}

function remember(url: string, file: string, source: string): void {
  filesRead.get(Number(url.slice(url.lastIndexOf('=') + 1)))?.push(file)
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
  if (/\.m?[jt]s$/.test(file)) {
    const source = readFileSync(file, 'utf8')
    const isTypeScript = file.endsWith('ts')
    // What a file says counts, and not the "type" of whatever package.json happens to lie above it.
    if (isTypeScript || file.endsWith('.mjs') || hasModuleSyntax(source)) {
      remember(url, file, source)
      const text = isTypeScript ? stripTypes(source, file) : `${source}\n//# sourceURL=${traceName(file)}`
      return { format: 'module', source: text, shortCircuit: true }
    }
  }
  // Node keeps CommonJS modules by path, whatever the URL says: an older generation's would be found.
  delete require.cache[file]
  return next(url, context)
}
