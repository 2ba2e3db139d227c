import { URLSearchParams } from './url-search-params.ts'

const defaultPorts: Readonly<Record<string, string>> = {
  'ftp:': '21',
  'gopher:': '70',
  'http:': '80',
  'https:': '443',
  'ws:': '80',
  'wss:': '443',
}

interface Reference {
  /** With its colon; '' when there is none. */
  readonly protocol: string
  /** What follows `//`; undefined when there is no such part. */
  readonly authority: string | undefined
  /** Path and query. */
  readonly path: string
  /** With its `#`; '' when there is none. */
  readonly hash: string
}

/** Splits a reference as RFC 3986, appendix B does. */
function split(text: string): Reference {
  const scheme = /^[a-z][a-z\d+.-]*:/i.exec(text)
  // 'host:80/x' is not a scheme named 'host', since what follows the colon is a port.
  const protocol = scheme !== null && !/^\d+(?:[/?#]|$)/.test(text.slice(scheme[0].length)) ? scheme[0] : ''
  const rest = text.slice(protocol.length)
  const hashAt = rest.indexOf('#')
  const hash = hashAt < 0 ? '' : rest.slice(hashAt)
  const body = hashAt < 0 ? rest : rest.slice(0, hashAt)
  if (!body.startsWith('//')) return { protocol, authority: undefined, path: body, hash }
  const end = body.slice(2).search(/[/?]/)
  const authority = end < 0 ? body.slice(2) : body.slice(2, end + 2)
  return { protocol, authority, path: body.slice(2 + authority.length), hash }
}

/** A path relative to another, as RFC 3986 §5.2 wants it. */
function resolvePath(path: string, base: string): string {
  const query = base.indexOf('?')
  const basePath = query < 0 ? base : base.slice(0, query)
  if (path === '') return base
  if (path.startsWith('?')) return basePath + path
  if (path.startsWith('/')) return path
  const pathEnd = path.indexOf('?')
  const own = pathEnd < 0 ? path : path.slice(0, pathEnd)
  const kept: string[] = []
  const segments = `${basePath.slice(0, basePath.lastIndexOf('/') + 1) || '/'}${own}`.split('/').slice(1)
  for (const [i, segment] of segments.entries()) {
    if (segment === '..') kept.pop()
    else if (segment !== '.') kept.push(segment)
    if ((segment === '..' || segment === '.') && i === segments.length - 1) kept.push('')
  }
  return `/${kept.join('/')}${pathEnd < 0 ? '' : path.slice(pathEnd)}`
}

/**
 * The parts of a URL, read-only. Unlike the one of browsers it takes what a request has, a path alone, never throws,
 * leaves percent-encoding as it is, and knows the port that a scheme stands for.
 *
 * @example
 *   new URL('http://user:pw@example.com/a/b?x=1#top').host // 'example.com'
 *   new URL(msg.head.path).searchParams.get('x')
 */
export class URL {
  /** Full URL. */
  readonly href: string
  /** Scheme and host: 'http://example.com:8080'. */
  readonly origin: string
  /** Scheme with its colon; 'http:' when there is none. */
  readonly protocol: string
  /** Name and password: 'user:password'. */
  readonly auth: string
  readonly username: string
  readonly password: string
  /** Host, and port when one is given. */
  readonly host: string
  /** Host without the port. */
  readonly hostname: string
  /** Port, that of the scheme when none is given: '80'. */
  readonly port: string
  /** Path with query; '/' when there is none. */
  readonly path: string
  /** Path without query. */
  readonly pathname: string
  /** Query with its question mark. */
  readonly search: string
  /** Query without its question mark. */
  readonly query: string
  /** Fragment with its number sign. */
  readonly hash: string
  private params: URLSearchParams | undefined

  /** @param base what a `url` without host is relative to. */
  constructor(url: string | { toString(): string }, base?: string | { toString(): string }) {
    const own = split(String(url))
    const from = own.authority === undefined && base !== undefined ? split(String(base)) : undefined
    const authority = (from ?? own).authority ?? ''
    const path = from === undefined ? own.path : resolvePath(own.path, from.path)
    const at = authority.lastIndexOf('@')
    const host = authority.slice(at + 1)
    const port = /:(\d*)$/.exec(host)
    this.auth = at < 0 ? '' : authority.slice(0, at)
    const colon = this.auth.indexOf(':')
    this.username = colon < 0 ? this.auth : this.auth.slice(0, colon)
    this.password = colon < 0 ? '' : this.auth.slice(colon + 1)
    this.protocol = ((from ?? own).protocol || 'http:').toLowerCase()
    this.host = host
    this.hostname = port === null ? host : host.slice(0, port.index)
    this.port = port?.[1] || (defaultPorts[this.protocol] ?? '')
    this.path = path === '' ? '/' : path.startsWith('?') ? `/${path}` : path
    const mark = this.path.indexOf('?')
    this.pathname = mark < 0 ? this.path : this.path.slice(0, mark)
    this.search = mark < 0 ? '' : this.path.slice(mark)
    this.query = this.search.slice(1)
    this.hash = own.hash
    this.origin = `${this.protocol}//${host}`
    this.href = `${this.protocol}//${this.auth === '' ? '' : `${this.auth}@`}${host}${this.path}${this.hash}`
  }

  /** Names and values of the query. */
  get searchParams(): URLSearchParams {
    this.params ??= new URLSearchParams(this.query)
    return this.params
  }

  toString(): string {
    return this.href
  }

  toJSON(): string {
    return this.href
  }
}
