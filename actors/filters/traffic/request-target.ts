import type { HeadRecord } from './exchange-record.ts'
import { textToJSON } from './json-writer.ts'
import { redactURL } from './redact-form.ts'
import type { Redaction } from './redaction.ts'

/** What a request asks for. */
export interface Target {
  readonly method: string
  readonly target: string
  readonly scheme: string | undefined
  readonly authority: string | undefined
}

const absolute = /^([a-z][a-z\d+.-]*):\/\/(?:[^/?#@]*@)?([^/?#]*)/i

export function targetOf({ raw, firstEnd, secondEnd, made }: HeadRecord): Target {
  const method = made === null ? raw.slice(0, firstEnd) : made.method
  const target = made === null ? raw.slice(firstEnd + 1, secondEnd) : made.target
  if (target.startsWith('/')) return { method, target, scheme: undefined, authority: undefined }
  const match = method === 'CONNECT' ? null : absolute.exec(target)
  return {
    method,
    target,
    scheme: match?.[1]?.toLowerCase(),
    authority: method === 'CONNECT' ? target : match?.[2],
  }
}

const pathOf = (url: string): string => url.replace(absolute, '')

/** The members of `url`. */
export function urlJSON(
  { target, scheme, authority }: Target,
  host: string,
  isSecure: boolean,
  redaction: Redaction,
): string {
  const original = redactURL(target, redaction)
  const ownScheme = scheme ?? (isSecure ? 'https' : 'http')
  const place = textToJSON(authority ?? host)
  const text = textToJSON(original)
  const path = text.startsWith('/') ? text : textToJSON(pathOf(original))
  const query = path.indexOf('?')
  let json = `"original":"${text}","scheme":"${ownScheme}"`
  if (query < 0) json += `,"path":"${path}"`
  else json += `,"path":"${path.slice(0, query)}","query":"${path.slice(query + 1)}"`
  if (place === '') return json
  const colon = place.lastIndexOf(':')
  const hasPort = colon > place.lastIndexOf(']')
  const port = hasPort ? Number(place.slice(colon + 1)) : Number.NaN
  json += `,"domain":"${hasPort ? place.slice(0, colon) : place}"`
  if (port >= 0 && port < 65536) json += `,"port":${port}`
  return path.startsWith('/') ? `${json},"full":"${ownScheme}://${place}${path}"` : json
}
