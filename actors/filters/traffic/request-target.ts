import type { RequestHead } from '../../../runtime/codec/http1/index.ts'
import type { HeadSnapshot } from './head-snapshot.ts'
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

export function targetOf({ head, raw, copy }: HeadSnapshot): Target {
  const { firstEnd, secondEnd } = head as RequestHead
  const method = copy === null ? raw.slice(0, firstEnd) : (copy.method ?? 'GET')
  const target = copy === null ? raw.slice(firstEnd + 1, secondEnd) : (copy.path ?? '/')
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
