// Hot path: `find` may run once per request; it makes no arrays, uses no regular expression, and touches each
// segment of the path once.

import { TrafficError } from '../../errors.ts'

interface Rule<T> {
  /** As it was written. */
  readonly text: string
  readonly value: T
}

/** Rules of one host: whole paths, and a tree of segments for those that end in `/*`. */
interface Paths<T> {
  readonly exact: Map<string, Rule<T>>
  readonly below: Segment<T>
}

interface Segment<T> {
  readonly children: Map<string, Segment<T>>
  /** The rule that ends in `/*` here. */
  rule: Rule<T> | undefined
}

const slashCode = 0x2f

const newSegment = <T>(): Segment<T> => ({ children: new Map(), rule: undefined })
const newPaths = <T>(): Paths<T> => ({ exact: new Map(), below: newSegment() })

/**
 * Finds the value whose rule fits a request's host and path best.
 *
 * A rule is `/path` (any host) or `host/path`. The host may begin with `*.`, which stands for one label. The path
 * may end in `/*`, which stands for the path before it and all below. Tried in this order, and within each first
 * the rule that is the whole path, then the longest that ends in `/*`: the host as written, the host with `*.`,
 * any host. Queries and the port of the host do not count; host names are the same in small and capital letters.
 *
 * @example
 *   const router = new algo.URLRouter({ '/api/*': 'api:8080', 'www.example.com/*': 'web:8080' })
 *   router.find('www.example.com', '/index.html?a=1') // 'web:8080'
 */
export class URLRouter<T = unknown> {
  private readonly anyHost = newPaths<T>()
  private readonly hosts = new Map<string, Paths<T>>()
  /** By the labels after `*.`. */
  private readonly wildcards = new Map<string, Paths<T>>()

  /** @throws TrafficError `BadOption` when a key is not a rule. */
  constructor(rules?: Readonly<Record<string, T>> | null) {
    for (const [rule, value] of Object.entries(rules ?? {})) this.add(rule, value)
  }

  /**
   * Adds a rule, or gives one that is there another value.
   *
   * @throws TrafficError `BadOption` when `rule` has no `/`, a port, or a `*` where none may stand.
   */
  add(rule: string, value: T): void {
    const slash = rule.indexOf('/')
    const host = rule.slice(0, Math.max(0, slash)).toLowerCase()
    const path = rule.slice(slash)
    const segments = path.split('/').slice(1)
    const last = segments.pop()
    const fault = faultOf(slash, host, segments)
    if (fault !== undefined) throw new TrafficError('BadOption', `invalid URL pattern '${rule}': ${fault}`)
    const paths = this.pathsOf(host)
    if (last !== '*') {
      paths.exact.set(path, { text: rule, value })
      return
    }
    let at = paths.below
    for (const segment of segments) {
      if (segment === '') continue
      const next: Segment<T> = at.children.get(segment) ?? newSegment()
      at.children.set(segment, next)
      at = next
    }
    at.rule = { text: rule, value }
  }

  private pathsOf(host: string): Paths<T> {
    if (host === '') return this.anyHost
    const [table, key] = host.startsWith('*.') ? [this.wildcards, host.slice(2)] : [this.hosts, host]
    const paths = table.get(key) ?? newPaths<T>()
    table.set(key, paths)
    return paths
  }

  /**
   * The value of the rule that fits best; undefined when none does.
   *
   * @param parts of `host/path`, joined with `/`; null and undefined ones are left out.
   */
  find(...parts: readonly (string | null | undefined)[]): T | undefined
  find(first?: string | null, second?: string | null, ...more: readonly unknown[]): T | undefined {
    return this.fitting(first, second, more)?.value
  }

  /**
   * The rule that `find` goes by, as it was written, like '/api/*'; undefined when none fits. There are as few of them as
   * rules: a name for the route of a request in traces and metrics.
   *
   * @param parts as for `find`.
   */
  findRule(...parts: readonly (string | null | undefined)[]): string | undefined
  findRule(first?: string | null, second?: string | null, ...more: readonly unknown[]): string | undefined {
    return this.fitting(first, second, more)?.text
  }

  private fitting(
    first: string | null | undefined,
    second: string | null | undefined,
    more: readonly unknown[],
  ): Rule<T> | undefined {
    const isHostAndPath =
      typeof first === 'string' &&
      typeof second === 'string' &&
      more.length === 0 &&
      second.charCodeAt(0) === slashCode &&
      first.indexOf('/') < 0
    if (isHostAndPath) return this.findIn(first, second)
    const url = joined([first, second, ...more])
    const slash = url.indexOf('/')
    return slash < 0 ? undefined : this.findIn(url.slice(0, slash), url.slice(slash))
  }

  private findIn(hostAndPort: string, pathAndQuery: string): Rule<T> | undefined {
    const query = pathAndQuery.indexOf('?')
    const path = query < 0 ? pathAndQuery : pathAndQuery.slice(0, query)
    if (hostAndPort !== '' && (this.hosts.size > 0 || this.wildcards.size > 0)) {
      const port = hostAndPort.lastIndexOf(':')
      const host = (port < 0 ? hostAndPort : hostAndPort.slice(0, port)).toLowerCase()
      const named = this.hosts.get(host)
      const own = named && best(named, path)
      if (own !== undefined) return own
      const dot = this.wildcards.size > 0 ? host.indexOf('.') : -1
      const wild = dot < 0 ? undefined : this.wildcards.get(host.slice(dot + 1))
      const found = wild && best(wild, path)
      if (found !== undefined) return found
    }
    return best(this.anyHost, path)
  }
}

function faultOf(slash: number, host: string, parents: readonly string[]): string | undefined {
  if (slash < 0) return "it needs a '/', as in '/path' or 'host/path'"
  if (host.includes(':')) return 'a host has no port here'
  if (host.lastIndexOf('*') > 0 || (host.startsWith('*') && !host.startsWith('*.')))
    return "'*' stands for the whole first label of a host, as in '*.example.com'"
  if (parents.includes('*')) return "'*' can only be the last segment of a path"
  return undefined
}

function best<T>({ exact, below }: Paths<T>, path: string): Rule<T> | undefined {
  const whole = exact.get(path)
  if (whole !== undefined) return whole
  let at = below
  let longest = at.rule
  let start = 1
  while (at.children.size > 0) {
    const slash = path.indexOf('/', start)
    const end = slash < 0 ? path.length : slash
    const next = at.children.get(path.slice(start, end))
    if (next === undefined) break
    at = next
    if (at.rule !== undefined) longest = at.rule
    if (end + 1 >= path.length) break
    start = end + 1
  }
  return longest
}

/** Parts of a URL with exactly one slash between two of them. */
function joined(parts: readonly unknown[]): string {
  let url = ''
  for (const part of parts) {
    if (part === null || part === undefined) continue
    const text = String(part)
    if (url === '') url = text
    else if (url.endsWith('/')) url += text.startsWith('/') ? text.slice(1) : text
    else url += text.startsWith('/') ? text : `/${text}`
  }
  return url
}
