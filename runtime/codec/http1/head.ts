// Hot path: one object and one string per message; everything else is made when it is touched.

import { findField, type HeaderFields, Headers, lowerNameOf, parseFields } from './fields.ts'
import { Framing } from './framing.ts'

/** What a head is made from. The decoders' section reader is one, and so is any other head. */
export interface HeadFacts {
  readonly httpMinor: number
  readonly lineEnd: number
  readonly contentLength: number
  readonly isChunked: boolean
  readonly upgrade: string | undefined
}

/**
 * What heads of both kinds share: the lines as received, and fields that are parsed when asked for.
 *
 * `raw` is what is forwarded when nobody changed anything: the start line and the field lines, each ended by CRLF,
 * without the fields that concern one connection only (RFC 9110 §7.6.1) and without the empty line.
 */
abstract class DecodedHead {
  raw: string
  readonly httpMinor: number
  /** Index in `raw` behind the start line. */
  readonly lineEnd: number
  /** Value of Content-Length; -1 without. In an answer to HEAD it tells of a body that does not come. */
  readonly contentLength: number
  readonly isChunked: boolean
  /** Value of Upgrade, when Connection nominates it (RFC 9110 §7.8). */
  readonly upgrade: string | undefined
  /** How the body that follows is delimited. */
  framing: Framing
  /** Whether the peer lets the connection go on after this message, RFC 9112 §9.3. */
  keepAlive: boolean
  /** True when the start line was set by someone: it is then written from the properties. */
  isLineChanged = false
  protected version: string | undefined = undefined
  protected fields: Headers | undefined = undefined
  /** Names and values as parsed, to tell whether `fields` was changed; empty when that cannot be told. */
  protected seen: (string | undefined)[] | undefined = undefined

  constructor(raw: string, facts: HeadFacts, framing: Framing, keepAlive: boolean) {
    this.raw = raw
    this.httpMinor = facts.httpMinor
    this.lineEnd = facts.lineEnd
    this.contentLength = facts.contentLength
    this.isChunked = facts.isChunked
    this.upgrade = facts.upgrade === '' ? undefined : facts.upgrade
    this.framing = framing
    this.keepAlive = keepAlive
  }

  get isHTTP10(): boolean {
    return this.httpMinor === 0
  }

  /** The peer's version. Setting it has no effect on the wire: we speak our own (RFC 9110 §2.5). */
  get protocol(): string {
    return this.version ?? (this.httpMinor === 0 ? 'HTTP/1.0' : 'HTTP/1.1')
  }

  set protocol(protocol: string) {
    this.version = protocol
  }

  /** Fields by lower-case name, without those of framing and connection. May be changed, or replaced. */
  get headers(): Headers {
    return this.fields ?? this.parse()
  }

  set headers(headers: HeaderFields) {
    this.fields = (headers ?? new Headers()) as Headers
    this.seen = undefined
  }

  private parse(): Headers {
    const seen: string[] = []
    const fields = parseFields(this.raw, this.lineEnd, seen)
    if (this.upgrade !== undefined) {
      fields.upgrade = this.upgrade
      if (seen.length > 0) seen.push('upgrade', this.upgrade)
    }
    this.seen = seen
    this.fields = fields
    return fields
  }

  /** True when someone has had hold of `headers`, and so may have changed them. */
  get isTouched(): boolean {
    return this.fields !== undefined
  }

  /** True when `headers` says something else than `raw`, as far as can be told. */
  get isChanged(): boolean {
    const fields = this.fields
    if (fields === undefined) return false
    const seen = this.seen
    if (seen === undefined) return true
    let at = 0
    for (const name in fields) {
      if (seen[at] !== name || seen[at + 1] !== fields[name]) return true
      at += 2
    }
    return at === 0 || at !== seen.length
  }

  /**
   * The lines, when they say all that `toJSON` would, which is as long as nobody has changed anything; else undefined.
   * `parsePlainHead` makes the same of them.
   */
  get lines(): string | undefined {
    if (this.isLineChanged || this.version !== undefined || this.upgrade !== undefined) return undefined
    return this.fields !== undefined && this.isChanged ? undefined : this.raw
  }

  /** Names and values as parsed and thus known to be valid, in order. */
  get parsed(): readonly (string | undefined)[] | undefined {
    return this.seen
  }

  /** One field, found without parsing the others. */
  header(name: string): string | undefined {
    const lower = lowerNameOf(name)
    if (this.fields !== undefined) {
      const value = this.fields[lower] as unknown
      return value === undefined || value === null
        ? undefined
        : Array.isArray(value)
          ? value.join(', ')
          : String(value)
    }
    if (lower === 'upgrade') return this.upgrade
    return lower === '' ? undefined : findField(this.raw, this.lineEnd, lower)
  }

  protected copyTo(copy: DecodedHead): void {
    copy.isLineChanged = this.isLineChanged
    copy.version = this.version
    if (this.fields === undefined || !this.isChanged) return
    const fields = new Headers()
    for (const name in this.fields) {
      const value = this.fields[name]
      fields[name] = Array.isArray(value) ? value.slice() : value
    }
    copy.fields = fields
  }
}

export interface RequestFacts extends HeadFacts {
  readonly method: string
  /** Offset behind the method in the start line. */
  readonly firstEnd: number
  /** Offset behind the request-target in the start line. */
  readonly secondEnd: number
  readonly hostCount: number
  readonly expectsContinue: boolean
  readonly acceptsTrailers: boolean
  /** Whether a field tells of a trace, like `traceparent`, or is carried along with it, like `baggage`. */
  readonly hasTrace: boolean
}

/** Head of a decoded request. */
export class RequestHead extends DecodedHead implements RequestFacts {
  readonly firstEnd: number
  readonly secondEnd: number
  readonly hostCount: number
  /** Whether the client waits for 100 (Continue) before it sends the body, RFC 9110 §10.1.1. */
  readonly expectsContinue: boolean
  /** Whether the client said `TE: trailers`. */
  readonly acceptsTrailers: boolean
  readonly hasTrace: boolean
  private verb: string
  private target: string | undefined = undefined
  private ownScheme: string | undefined = undefined
  private ownAuthority: string | undefined = undefined

  constructor(raw: string, facts: RequestFacts, framing: Framing, keepAlive: boolean) {
    super(raw, facts, framing, keepAlive)
    this.verb = facts.method
    this.firstEnd = facts.firstEnd
    this.secondEnd = facts.secondEnd
    this.hostCount = facts.hostCount
    this.expectsContinue = facts.expectsContinue
    this.acceptsTrailers = facts.acceptsTrailers
    this.hasTrace = facts.hasTrace
  }

  get method(): string {
    return this.verb
  }

  set method(method: string) {
    this.verb = method
    this.isLineChanged = true
  }

  /** The request-target as received: usually a path with query, a whole URI when the client takes us for its proxy. */
  get path(): string {
    if (this.target === undefined) this.target = this.raw.slice(this.firstEnd + 1, this.secondEnd)
    return this.target
  }

  set path(path: string) {
    this.target = path
    this.isLineChanged = true
  }

  /** `http` or `https` when the target was a whole URI. */
  get scheme(): string | undefined {
    if (this.ownScheme !== undefined) return this.ownScheme
    const target = this.raw.slice(this.firstEnd + 1, this.secondEnd)
    return this.isAbsolute ? target.slice(0, target.indexOf(':')).toLowerCase() : undefined
  }

  set scheme(scheme: string | undefined) {
    this.ownScheme = scheme
  }

  /** Host and port when the target was a whole URI, or that of a CONNECT. */
  get authority(): string | undefined {
    if (this.ownAuthority !== undefined) return this.ownAuthority
    const target = this.raw.slice(this.firstEnd + 1, this.secondEnd)
    if (this.raw.startsWith('CONNECT ')) return target
    return this.isAbsolute ? splitTarget(target).authority : undefined
  }

  set authority(authority: string | undefined) {
    this.ownAuthority = authority
  }

  /** Whether the target is in absolute-form, RFC 9112 §3.2.2. */
  get isAbsolute(): boolean {
    const code = this.raw.charCodeAt(this.firstEnd + 1) | 0x20
    return code === 0x68 /* h */ && !this.raw.startsWith('CONNECT ')
  }

  clone(): RequestHead {
    const copy = new RequestHead(this.raw, this, this.framing, this.keepAlive)
    this.copyTo(copy)
    copy.target = this.target
    copy.ownScheme = this.ownScheme
    copy.ownAuthority = this.ownAuthority
    return copy
  }

  toJSON(): { protocol: string; method: string; path: string; headers: Headers } {
    return { protocol: this.protocol, method: this.method, path: this.path, headers: this.headers }
  }
}

/** Authority and origin-form of a target in absolute-form, whose syntax has been checked. */
export function splitTarget(target: string): { authority: string; path: string } {
  const start = target.indexOf('//') + 2
  let end = start
  while (end < target.length && target[end] !== '/' && target[end] !== '?') end++
  const rest = target.slice(end)
  return { authority: target.slice(start, end), path: rest.startsWith('/') ? rest : `/${rest}` }
}

export interface ResponseFacts extends HeadFacts {
  readonly status: number
  /** Offset of the reason phrase in the start line. */
  readonly secondEnd: number
}

/** Head of a decoded response. */
export class ResponseHead extends DecodedHead implements ResponseFacts {
  readonly secondEnd: number
  private code: number
  private reason: string | undefined = undefined

  constructor(raw: string, facts: ResponseFacts, framing: Framing, keepAlive: boolean) {
    super(raw, facts, framing, keepAlive)
    this.code = facts.status
    this.secondEnd = facts.secondEnd
  }

  get status(): number {
    return this.code
  }

  /** Setting it forgets the reason phrase, which told of the old one. */
  set status(status: number) {
    if (status !== this.code) this.reason = ''
    this.code = status
    this.isLineChanged = true
  }

  get statusText(): string {
    if (this.reason === undefined) this.reason = this.raw.slice(this.secondEnd, this.lineEnd - 2)
    return this.reason
  }

  set statusText(reason: string) {
    this.reason = reason
    this.isLineChanged = true
  }

  /** True when no body follows, whatever the fields say: 1xx, 204, 304 and answers to HEAD and CONNECT. */
  get isBodiless(): boolean {
    return this.framing === Framing.none
  }

  clone(): ResponseHead {
    const copy = new ResponseHead(this.raw, this, this.framing, this.keepAlive)
    this.copyTo(copy)
    copy.code = this.code
    copy.reason = this.reason
    return copy
  }

  toJSON(): { protocol: string; status: number; statusText: string; headers: Headers } {
    return {
      protocol: this.protocol,
      status: this.status,
      statusText: this.statusText,
      headers: this.headers,
    }
  }
}
