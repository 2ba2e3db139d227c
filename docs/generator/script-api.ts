import { readFileSync } from 'node:fs'
import { declarationOf } from './declarations.ts'
import { code, page } from './markdown.ts'

/** What is shown of the script API, and where it is declared. */
export const sections = [
  {
    title: 'Events and messages',
    file: 'runtime/event.ts',
    names: ['Message', 'MessageStart', 'MessageEnd', 'StreamEnd'],
  },
  { title: 'Bytes', file: 'runtime/data.ts', names: ['Data'] },
  { title: 'Heads of HTTP', file: 'actors/script/types.ts', names: ['HTTPRequestHead', 'HTTPResponseHead'] },
  { title: 'The context', file: 'actors/context.ts', names: ['Builtins', 'ThreadInfo'] },
  { title: 'The connection', file: 'actors/inbound.ts', names: ['Inbound'] },
  { title: 'algo.URLRouter', file: 'runtime/api/algo/url-router.ts', names: ['URLRouter'] },
  {
    title: 'algo.LoadBalancer',
    file: 'runtime/api/algo/load-balancer.ts',
    names: ['LoadBalancer', 'LoadBalancerOptions', 'Resource'],
  },
  {
    title: 'Balancers of targets by name',
    file: 'runtime/api/algo/sticky-balancer.ts',
    names: ['StickyBalancer'],
  },
  {
    title: 'algo.RoundRobinLoadBalancer',
    file: 'runtime/api/algo/round-robin-load-balancer.ts',
    names: ['RoundRobinLoadBalancer'],
  },
  {
    title: 'algo.LeastWorkLoadBalancer',
    file: 'runtime/api/algo/least-work-load-balancer.ts',
    names: ['LeastWorkLoadBalancer'],
  },
  {
    title: 'algo.HashingLoadBalancer',
    file: 'runtime/api/algo/hashing-load-balancer.ts',
    names: ['HashingLoadBalancer'],
  },
  { title: 'algo.Cache', file: 'runtime/api/algo/cache.ts', names: ['Cache', 'CacheOptions'] },
  { title: 'algo.ResourcePool', file: 'runtime/api/algo/resource-pool.ts', names: ['ResourcePool'] },
  { title: 'algo.Percentile', file: 'runtime/api/algo/percentile.ts', names: ['Percentile'] },
  { title: 'algo.hash', file: 'runtime/api/algo/hash.ts', names: ['hash'] },
  { title: 'JSON', file: 'runtime/api/json.ts', names: ['DataJSON'] },
  { title: 'os', file: 'runtime/api/os.ts', names: ['os', 'FileStats'] },
  { title: 'Hub', file: 'actors/filters/compose/swap.ts', names: ['Hub'] },
  { title: 'VerbatimString', file: 'runtime/codec/resp/values.ts', names: ['VerbatimString'] },
  { title: 'repeat', file: 'runtime/api/repeat.ts', names: ['repeat'] },
] as const

const read = (file: string): string => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')

export function scriptApiPage(): string {
  return page(
    'Script API',
    "What a script gets with `import … from 'sluice'`, besides the filters. In Pipy's dialect the same are global names. Everything is per thread: each thread has loaded the script for itself.",
    '`console` writes to the log: `log` and `info` with level info, `warn`, `error` and `debug` with theirs.',
    ...sections.map(({ title, file, names }) => {
      const source = read(file)
      return `## ${title}\n\n${code('ts', names.map(name => declarationOf(source, name)).join('\n\n'))}`
    }),
  )
}
