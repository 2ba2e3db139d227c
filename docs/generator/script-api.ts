import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { declarationOf } from './declarations.ts'
import { code, page } from './markdown.ts'

interface Section {
  readonly title: string
  readonly file: string
  readonly names: readonly string[]
}

const read = (file: string): string => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')

/** What a barrel names, a section for each file: `export { Cache, type CacheOptions } from './cache.ts'`. */
function sectionsOf(folder: string, prefix = ''): Section[] {
  const statements = read(`${folder}/index.ts`).matchAll(/^export (type )?\{([^}]*)\} from '\.\/(.*)'$/gm)
  return [...statements].flatMap(([, isTypes, list, file]) => {
    const all = (list as string).split(',').map(name => name.trim())
    const values = isTypes ? [] : all.filter(name => !name.startsWith('type '))
    // `dialect…` are what unmodified scripts of Pipy find under the name without it.
    const shown = values.filter(name => !name.startsWith('dialect')).map(name => prefix + name)
    if (shown.length === 0) return []
    const names = all.map(name => name.replace(/^type /, '')).filter(name => !name.startsWith('dialect'))
    return { title: shown.join(', '), file: `${folder}/${file}`, names }
  })
}

const api = 'runtime/api'

/** What is shown of the script API, and where it is declared. */
export const sections: readonly Section[] = [
  {
    title: 'Events and messages',
    file: 'runtime/event.ts',
    names: ['Message', 'MessageStart', 'MessageEnd', 'StreamEnd'],
  },
  { title: 'Bytes', file: 'runtime/data.ts', names: ['Data'] },
  { title: 'Heads of HTTP', file: 'actors/script/types.ts', names: ['HTTPRequestHead', 'HTTPResponseHead'] },
  { title: 'The context', file: 'actors/context.ts', names: ['Builtins', 'ThreadInfo'] },
  { title: 'The connection', file: 'actors/inbound.ts', names: ['Inbound'] },
  ...sectionsOf(`${api}/algo`, 'algo.'),
  {
    title: 'What balancers of targets by name have in common',
    file: `${api}/algo/sticky-balancer.ts`,
    names: ['StickyBalancer', 'Targets', 'Unhealthy', 'BorrowedTarget'],
  },
  ...sectionsOf(`${api}/crypto`, 'crypto.'),
  ...sectionsOf(`${api}/http`, 'http.'),
  ...sectionsOf(`${api}/logging`, 'logging.'),
  {
    title: 'What loggers have in common',
    file: `${api}/logging/logger.ts`,
    names: ['Logger'],
  },
  { title: 'Options of toFile', file: `${api}/logging/file-target.ts`, names: ['FileOptions'] },
  {
    title: 'Options of toHTTP',
    file: `${api}/logging/http-target.ts`,
    names: ['HTTPOptions', 'BatchOptions'],
  },
  {
    title: 'Options of toSyslog',
    file: `${api}/logging/syslog-target.ts`,
    names: ['SyslogPriority', 'SyslogOptions'],
  },
  ...sectionsOf(`${api}/stats`, 'stats.'),
  { title: 'What metrics have in common', file: `${api}/stats/metric.ts`, names: ['Metric'] },
  { title: 'Members of sluice', file: `${api}/instance.ts`, names: ['Instance'] },
  ...sectionsOf(api).map(section =>
    section.names.includes('dataJSON') ? { ...section, title: 'JSON', names: ['DataJSON'] } : section,
  ),
  { title: 'pipeline', file: 'actors/script/builder.ts', names: ['pipeline'] },
  { title: 'Hub', file: 'actors/filters/compose/swap.ts', names: ['Hub'] },
  { title: 'VerbatimString', file: 'runtime/codec/resp/values.ts', names: ['VerbatimString'] },
]

/** The file itself, or the one that it has the name from. */
function whereDeclared(file: string, name: string): string {
  const from = new RegExp(`^export [^;]*?\\b${name}\\b[^;}]*\\} from '\\./(.*)'$`, 'm').exec(read(file))?.[1]
  return from === undefined ? file : join(dirname(file), from)
}

export function scriptApiPage(): string {
  return page(
    'Script API',
    "What a script gets with `import … from 'sluice'`, besides the filters. In Pipy's dialect the same are global names. Everything is per thread: each thread has loaded the script for itself.",
    '`console` writes to the log: `log` and `info` with level info, `warn`, `error` and `debug` with theirs.',
    ...sections.map(({ title, file, names }) => {
      const declarations = names.map(name => declarationOf(read(whereDeclared(file, name)), name))
      return `## ${title}\n\n${code('ts', declarations.join('\n\n'))}`
    }),
  )
}
