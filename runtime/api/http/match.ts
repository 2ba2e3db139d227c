import { TrafficError } from '../../errors.ts'
import { show } from '../../options.ts'

/**
 * Matches paths: a function that gives the path's parts by name, or null when it does not fit. `{name}` stands for one
 * segment, `*` at the end for all that follows, given as '*'.
 *
 * @example
 *   const match = new http.Match('/users/{id}/*')
 *   match('/users/7/posts/1') // { id: '7', '*': 'posts/1' }
 */
export type Match = (path: string) => Record<string, string> | null

type Segment = { readonly text: string } | { readonly name: string } | { readonly rest: true }

function parse(pattern: unknown): Segment[] {
  if (typeof pattern !== 'string' || !pattern.startsWith('/'))
    throw new TrafficError(
      'BadOption',
      `Match wants a pattern like '/users/{id}/*', and got ${show(pattern)}`,
    )
  const parts = pattern.slice(1).split('/')
  return parts.map((part, i): Segment => {
    if (part === '*' && i === parts.length - 1) return { rest: true }
    const name = /^\{(\w+)\}$/.exec(part)?.[1]
    if (name !== undefined) return { name }
    if (/[{}*]/.test(part))
      throw new TrafficError(
        'BadOption',
        `in the pattern ${show(pattern)} of Match '${part}' must be text, '{name}', or '*' at the end`,
      )
    return { text: part }
  })
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function makeMatch(pattern: string): Match {
  const segments = parse(pattern)
  return path => {
    const query = path.indexOf('?')
    const parts = (query < 0 ? path : path.slice(0, query)).split('/').slice(1)
    const found: Record<string, string> = {}
    for (const [i, segment] of segments.entries()) {
      if ('rest' in segment) {
        found['*'] = parts.slice(i).join('/')
        return found
      }
      const part = parts[i]
      if (part === undefined || ('text' in segment && part !== segment.text)) return null
      if ('name' in segment) {
        if (part === '') return null
        found[segment.name] = decode(part)
      }
    }
    return parts.length === segments.length ? found : null
  }
}

/** @throws TrafficError `BadOption` when `pattern` is none. */
export const Match = function Match(pattern: string): Match {
  return makeMatch(pattern)
} as unknown as { new (pattern: string): Match }
