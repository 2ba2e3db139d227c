/**
 * The types of the builder are written by hand, since no table could give them; here they are held against the table.
 * What must not compile is in stages.ts.
 */

import { readFileSync } from 'node:fs'
import test from 'ava'
import { filterTable } from '../../actors/filters/index.ts'
import { pipelineOptions } from '../../actors/script/pipeline-options.ts'
import type { FilterName } from '../../actors/script/types.ts'
import { listenOptions } from '../../actors/sources/listen.ts'
import type { OptionSpecs } from '../../runtime/options.ts'

const parts = ['', 'branch-', 'compression-', 'option-', 'sink-', 'traffic-', 'tunnel-']
const source = parts
  .map(part => readFileSync(new URL(`../../actors/script/${part}types.ts`, import.meta.url), 'utf8'))
  .join('\n')

/** The methods of the interfaces of filters, with their comments; of overloads the first. */
const typed = new Map<string, string>()
for (const [, text] of source.matchAll(
  /^(?:interface \w+|export interface \w+Filters\w*)<V[^{]*\{\n([\s\S]*?)^\}/gm,
))
  for (const [, comment, name] of (text as string).matchAll(/\/\*\* (.*?) \*\/\n {2}(\w+)[<(:]/g))
    typed.set(name as string, comment as string)

test('the types know the filters of the table, and no others', t => {
  // Compiles only with names that the types have.
  const names: FilterName[] = filterTable.map(({ name }) => name as FilterName)
  t.deepEqual([...typed.keys()].sort(), [...names].sort())
})

for (const { name, summary } of filterTable) {
  test(`the comment of ${name} in the types is its summary`, t => {
    t.is(typed.get(name), summary)
  })
}

/** Names of the options in an interface. */
function optionsIn(name: string): string[] {
  const body = new RegExp(`^export interface ${name} \\{\\n([\\s\\S]*?)^\\}`, 'm').exec(source)?.[1] ?? ''
  return [...body.matchAll(/^ {2}(\w+)\?:/gm)].map(match => match[1] as string).sort()
}

const specsOf = (filter: string): OptionSpecs =>
  filterTable.find(({ name }) => name === filter)?.options ?? {}

const bodyLimit = (options: readonly string[]): string[] => [...options, 'bodyLimit'].sort()

const routed = (options: readonly string[]): string[] => [...options, 'route'].sort()

for (const [owner, typedOptions, specs] of [
  ['listen', optionsIn('ListenOptions'), listenOptions],
  ['pipeline', ['key', 'maxIdle', 'placement', ...optionsIn('ClusterOptions')].sort(), pipelineOptions],
  ['connect', optionsIn('ConnectOptions'), specsOf('connect')],
  ['demuxHTTP', routed(optionsIn('ServerOptions')), specsOf('demuxHTTP')],
  ['serveHTTP', bodyLimit(routed(optionsIn('ServerOptions'))), specsOf('serveHTTP')],
  ['muxHTTP', optionsIn('MuxHTTPOptions'), specsOf('muxHTTP')],
  ['mux', [...optionsIn('MuxOptions'), 'messageKey'].sort(), specsOf('mux')],
  ['muxQueue', [...optionsIn('MuxOptions'), 'blocking'].sort(), specsOf('muxQueue')],
  ['fork', optionsIn('ForkOptions'), specsOf('fork')],
  ['merge', optionsIn('MergeOptions'), specsOf('merge')],
  ['pack', optionsIn('PackOptions'), specsOf('pack')],
  ['tee', optionsIn('TeeOptions'), specsOf('tee')],
  ['decompressHTTP', optionsIn('DecompressOptions'), specsOf('decompressHTTP')],
  ['throttleDataRate', optionsIn('ThrottleOptions'), specsOf('throttleDataRate')],
] as const) {
  test(`the options of ${owner} in the types are those that it takes`, t => {
    t.deepEqual(typedOptions, Object.keys(specs).sort())
  })
}
