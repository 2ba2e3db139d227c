/** The rules of the house that a reader relies on: see ARCHITECTURE in docs/ and the README of each folder. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')

/** From the ground up: a floor imports from itself and from those before it. */
const floors = ['runtime', 'actors', 'observability', 'cluster'] as const

interface SourceFile {
  readonly path: string
  readonly floor: (typeof floors)[number]
  /** Without comments and texts, so that prose about a banned name is not taken for its use. */
  readonly code: string
  /** What it imports: paths from the root, or names of packages. */
  readonly imports: readonly string[]
}

const files: readonly SourceFile[] = floors.flatMap(floor =>
  readdirSync(join(root, floor), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .map(name => read(floor, join(floor, name))),
)

function read(floor: SourceFile['floor'], path: string): SourceFile {
  const text = readFileSync(join(root, path), 'utf8')
  const specifiers = [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*['"]([^'"]+)['"]/g)].map(
    match => match[1] as string,
  )
  const imports = specifiers.map(specifier =>
    specifier.startsWith('.') ? relative(root, resolve(root, dirname(path), specifier)) : specifier,
  )
  const code = text
    .replace(/'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g, "''")
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/(^|\s)\/\/.*$/gm, '')
  return { path, floor, code, imports }
}

/** Files that break a rule, as one readable list. */
const offenders = (breaks: (file: SourceFile) => string | undefined): string[] =>
  files.flatMap(file => {
    const how = breaks(file)
    return how === undefined ? [] : [`${file.path}: ${how}`]
  })

test('no floor imports a higher one', t => {
  const isHigher = (floor: string, name: string): boolean =>
    floors.indexOf(name.split('/')[0] as never) > floors.indexOf(floor as never)
  t.deepEqual(
    offenders(file => file.imports.find(name => isHigher(file.floor, name))),
    [],
  )
})

test('no floor imports tests, benches or examples', t => {
  t.deepEqual(
    offenders(file => file.imports.find(name => /^(test|bench|examples|docs)\//.test(name))),
    [],
  )
})

for (const [packages, home] of [
  [/^piscina$/, 'runtime/pool/'],
  [/^(nats|@nats-io\/)/, 'cluster/'],
  [/^@opentelemetry\//, 'observability/'],
] as const) {
  test(`packages like ${packages.source} are imported in ${home} only`, t => {
    t.deepEqual(
      offenders(file =>
        file.path.startsWith(home) ? undefined : file.imports.find(name => packages.test(name)),
      ),
      [],
    )
  })
}

for (const [what, use, homes] of [
  // `os.env` is the window of scripts on the environment.
  ['process.env', /\bprocess\.env\b/, ['cluster/cli.ts', 'runtime/api/os.ts']],
  ['process.exit', /\bprocess\.exit\b/, ['cluster/cli.ts']],
  ['console', /\bconsole\.\w+\(/, ['observability/']],
  ['the system clock', /\bDate\.now\b|\bnew Date\(\)/, ['runtime/clock.ts']],
  ['timers', /\bset(Timeout|Interval)\(/, ['runtime/clock.ts']],
] as const) {
  test(`${what} is used in ${homes.join(', ')} only`, t => {
    t.deepEqual(
      offenders(file =>
        homes.some(home => file.path.startsWith(home)) ? undefined : use.exec(file.code)?.[0],
      ),
      [],
    )
  })
}

test('no default exports, no export *, no enum', t => {
  const banned = /^export (default|\*)|^(export )?(const )?enum\b/m
  t.deepEqual(
    offenders(file => banned.exec(file.code)?.[0]),
    [],
  )
})

test('relative imports name the file with its extension', t => {
  t.deepEqual(
    offenders(file =>
      file.imports.find(name => floors.some(floor => name.startsWith(`${floor}/`)) && !name.endsWith('.ts')),
    ),
    [],
  )
})

test('each floor and each folder on it says in a README what it is for', t => {
  const folders = new Set(files.flatMap(({ path }) => [path.split('/')[0] as string, dirname(path)]))
  const isDeep = (folder: string): boolean => folder.split('/').length > 2
  t.deepEqual(
    [...folders].filter(folder => !isDeep(folder) && !existsSync(join(root, folder, 'README.md'))),
    [],
  )
})

test('files are short: most fit a few screens, none but a codec is long', t => {
  const byLength = files
    .map(({ path }) => ({ path, lines: readFileSync(join(root, path), 'utf8').split('\n').length }))
    .sort((a, b) => a.lines - b.lines)
  const at = (share: number): number => byLength[Math.floor(byLength.length * share)]?.lines ?? 0
  t.true(at(0.5) <= 150, `half of the files have more than ${at(0.5)} lines`)
  t.true(at(0.9) <= 350, `one in ten files has more than ${at(0.9)} lines`)
  t.deepEqual(
    byLength.filter(({ path, lines }) => lines > 600 && !path.startsWith('runtime/codec/')),
    [],
  )
})
