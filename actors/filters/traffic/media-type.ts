/** Kinds of bodies that a script may ask for by one word. */
export type BodyKind = 'json' | 'text' | 'xml' | 'form' | 'binary'

/** What a body is, by its Content-Type. */
export interface MediaType {
  /** Lower case, without parameters; '' when there is none. */
  readonly name: string
  readonly kind: BodyKind
  readonly charset: string
}

const charsetOf = /;\s*charset\s*=\s*"?([^\s;"]+)/i

/** Types seen, since they are few. Bounded, because clients may invent some. */
const known = new Map<string, MediaType>()
const mostKnown = 256

/** The one asked for last, since most have the same, and to compare costs less than to look up. */
let lastText = ''
let lastType: MediaType = { name: '', kind: 'binary', charset: 'utf-8' }

export function mediaTypeOf(contentType: string): MediaType {
  if (contentType === lastText) return lastType
  let type = known.get(contentType)
  if (type === undefined) {
    type = read(contentType)
    if (known.size < mostKnown && contentType.length < 128) known.set(contentType, type)
  }
  lastText = contentType
  lastType = type
  return type
}

function read(contentType: string): MediaType {
  const semicolon = contentType.indexOf(';')
  const name = (semicolon < 0 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase()
  const charset = charsetOf.exec(contentType)?.[1]?.toLowerCase() ?? 'utf-8'
  return { name, kind: kindOf(name), charset }
}

const texts: ReadonlySet<string> = new Set([
  'application/ecmascript',
  'application/graphql',
  'application/javascript',
  'application/sql',
  'application/toml',
  'application/x-sh',
  'application/yaml',
])

function kindOf(name: string): BodyKind {
  const subtype = name.slice(name.indexOf('/') + 1)
  if (subtype === 'json' || subtype.endsWith('+json') || subtype === 'x-ndjson' || subtype === 'jsonl')
    return 'json'
  if (subtype === 'xml' || subtype.endsWith('+xml')) return 'xml'
  if (name === 'application/x-www-form-urlencoded') return 'form'
  return name.startsWith('text/') || texts.has(name) ? 'text' : 'binary'
}
