// Hot path: no closures, no regular expressions, no throws. `parseFields` runs once per message in routing scripts.

import { Buffer } from 'node:buffer'
import { isSpace, trimmed } from '../../optional-space.ts'

/**
 * Fields by lower-case name. Repeated fields are joined, but `set-cookie` is a list when repeated.
 *
 * Instances stay in V8's fast mode, and as nothing is inherited, a field named `__proto__` or `constructor` is only
 * a field.
 */
export interface Headers {
  [name: string]: string | string[] | undefined
}

export const Headers = (() => {
  function Headers() {}
  Headers.prototype = Object.create(null)
  return Headers
})() as unknown as { new (): Headers; readonly prototype: Headers }

/** Fields as a script may give them. */
export type HeaderFields = { [name: string]: unknown }

/** Fields that describe framing or this one connection; `Headers` never has them, encoders write them themselves. */
const excluded = [
  'connection',
  'content-length',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
] as const

/** Also not part of a trailer section, RFC 9110 §6.5.1: they would change how or where the message is understood. */
const excludedFromTrailers: ReadonlySet<string> = new Set([
  ...excluded,
  'authorization',
  'cache-control',
  'content-encoding',
  'content-range',
  'content-type',
  'expect',
  'host',
  'max-forwards',
  'range',
  'trailer',
  'upgrade',
])

export const isExcludedFromTrailers = (lowerName: string): boolean => excludedFromTrailers.has(lowerName)

const common =
  'accept accept-charset accept-encoding accept-language accept-ranges access-control-allow-credentials ' +
  'access-control-allow-headers access-control-allow-methods access-control-allow-origin ' +
  'access-control-expose-headers access-control-max-age access-control-request-headers ' +
  'access-control-request-method age allow alt-svc authorization baggage cache-control content-disposition ' +
  'content-encoding content-language content-location content-range content-security-policy content-type cookie ' +
  'date dnt etag expect expires forwarded from host if-match if-modified-since if-none-match if-range ' +
  'if-unmodified-since last-modified link location max-forwards origin permissions-policy pragma priority ' +
  'proxy-authenticate proxy-authorization range referer referrer-policy retry-after sec-ch-ua sec-ch-ua-mobile ' +
  'sec-ch-ua-platform sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user sec-websocket-accept ' +
  'sec-websocket-extensions sec-websocket-key sec-websocket-protocol sec-websocket-version server server-timing ' +
  'set-cookie strict-transport-security timing-allow-origin trace-id traceparent tracestate trailer upgrade ' +
  'upgrade-insecure-requests user-agent vary via warning www-authenticate x-content-type-options ' +
  'x-forwarded-for x-forwarded-host x-forwarded-proto x-frame-options x-powered-by x-real-ip x-request-id ' +
  'x-requested-with x-xss-protection'

/**
 * Lower-case name of each spelling seen; '' for the excluded ones. It learns spellings until it is full: the bound is
 * what keeps a client that invents names from growing it.
 */
const names = new Map<string, string>()
const maxNames = 1024

const titleCase = (name: string): string =>
  name
    .split('-')
    .map(word => word.charAt(0).toUpperCase() + word.slice(1))
    .join('-')

for (const name of common.split(' ')) names.set(name, name).set(titleCase(name), name)
for (const name of excluded) names.set(name, '').set(titleCase(name), '')
names.set('ETag', 'etag').set('WWW-Authenticate', 'www-authenticate').set('TE', '').set('DNT', 'dnt')

function learnName(spelling: string): string {
  const lower = spelling.toLowerCase()
  const name = names.get(lower) ?? lower
  // A slice of a head would keep the whole head alive: the key is a copy of its own.
  if (names.size < maxNames && spelling.length < 64)
    names.set(Buffer.from(spelling, 'latin1').toString('latin1'), name)
  return name
}

/** Lower-case name of a spelling, '' when encoders write that field themselves. */
export function lowerNameOf(spelling: string): string {
  return names.get(spelling) ?? learnName(spelling)
}

/** One more field; one of the same name is joined with it. */
export function addField(headers: Headers, name: string, value: string): void {
  const present = headers[name]
  if (present === undefined) headers[name] = value
  else if (typeof present !== 'string') present.push(value)
  else if (name === 'set-cookie') headers[name] = [present, value]
  else headers[name] = `${present}${name === 'cookie' ? '; ' : ', '}${value}`
}

/**
 * Parses validated field lines, each ended by CRLF, from `at` to the end of `raw`.
 *
 * @param seen receives name, value, name, value in order, so that it can be told later whether the object is still as
 *   parsed. It is cut to nothing when fields were joined.
 */
export function parseFields(raw: string, at: number, seen: (string | undefined)[]): Headers {
  const headers = new Headers()
  const length = raw.length
  let count = 0
  let hasJoined = false
  while (at < length) {
    const colon = raw.indexOf(':', at)
    const lineEnd = raw.indexOf('\r', colon)
    const spelling = raw.slice(at, colon)
    const name = names.get(spelling) ?? learnName(spelling)
    at = lineEnd + 2
    if (name === '') continue
    let start = colon + 1
    let end = lineEnd
    while (start < end && isSpace(raw.charCodeAt(start))) start++
    while (end > start && isSpace(raw.charCodeAt(end - 1))) end--
    const value = raw.slice(start, end)
    if (headers[name] === undefined) {
      headers[name] = value
      seen[count++] = name
      seen[count++] = value
    } else {
      addField(headers, name, value)
      hasJoined = true
    }
  }
  if (hasJoined) seen.length = 0
  return headers
}

/** Parses a trailer section; fields that may not be there are left out. Undefined when nothing remains. */
export function parseTrailers(raw: string): Headers | undefined {
  if (raw === '') return undefined
  const headers = parseFields(raw, 0, [])
  let count = 0
  for (const name in headers) {
    if (excludedFromTrailers.has(name)) delete headers[name]
    else count++
  }
  return count === 0 ? undefined : headers
}

/** Index of the line after the one that `at` is in. */
const nextLine = (raw: string, at: number): number => raw.indexOf('\n', at) + 1

/** Whether the line at `at` is a field of this lower-case name. */
function isField(raw: string, at: number, name: string): boolean {
  if (raw.charCodeAt(at + name.length) !== 0x3a) return false
  for (let i = 0; i < name.length; i++) {
    const code = raw.charCodeAt(at + i)
    if ((code >= 0x41 && code <= 0x5a ? code | 0x20 : code) !== name.charCodeAt(i)) return false
  }
  return true
}

/** Value of one field without parsing the others; repeated ones are joined as `parseFields` does. */
export function findField(raw: string, from: number, name: string): string | undefined {
  let found: string | undefined
  for (let at = from; at < raw.length; at = nextLine(raw, at)) {
    if (!isField(raw, at, name)) continue
    const value = trimmed(raw, at + name.length + 1, raw.indexOf('\r', at))
    found = found === undefined ? value : `${found}${name === 'cookie' ? '; ' : ', '}${value}`
  }
  return found
}

/** The same head without the fields of these lower-case names. */
export function dropFields(raw: string, from: number, dropped: readonly string[]): string {
  let kept = 0
  let text = ''
  for (let at = from; at < raw.length; ) {
    const next = nextLine(raw, at)
    for (let i = 0; i < dropped.length; i++) {
      if (!isField(raw, at, dropped[i] as string)) continue
      text += raw.slice(kept, at)
      kept = next
      break
    }
    at = next
  }
  return kept === 0 ? raw : text + raw.slice(kept)
}
