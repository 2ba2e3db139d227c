import { type Head, MessageStart } from '../../../runtime/event.ts'
import { forgetLength } from '../http/head-length.ts'

type Fields = Record<string, unknown>

interface HTTPHead {
  readonly status?: unknown
  readonly method?: unknown
  headers?: Fields
}

/** A field of a head, in lower case; undefined when it is not there or the head has no fields. */
export function fieldOf(head: Head, name: string): string | undefined {
  const value = (head as HTTPHead).headers?.[name]
  return value === undefined || value === null ? undefined : String(value).trim().toLowerCase()
}

/** The start of a message whose body changes, so that what its head says of the length no longer holds. */
export function withOtherLength(start: MessageStart): MessageStart {
  forgetLength(start.head)
  return start
}

/** The start of a message whose body gets another content-encoding. */
export function withEncoding(start: MessageStart, encoding: string | undefined): MessageStart {
  const changed = changeable(start.head)
  changed.headers ??= {}
  const { headers } = changed
  delete headers['content-length']
  // A strong validator names these very bytes (RFC 9110 §8.8.1).
  if (typeof headers.etag === 'string' && !headers.etag.startsWith('W/')) headers.etag = `W/${headers.etag}`
  if (encoding === undefined) delete headers['content-encoding']
  else {
    headers['content-encoding'] = encoding
    if (changed.status !== undefined) headers.vary = varyOn(headers.vary)
  }
  forgetLength(changed)
  return changed === start.head ? start : new MessageStart(changed)
}

/** The start of a response that might have been compressed for another client. */
export function varyingStart(start: MessageStart): MessageStart {
  const head = changeable(start.head)
  head.headers ??= {}
  head.headers.vary = varyOn(head.headers.vary)
  return head === start.head ? start : new MessageStart(head)
}

/** A head that a script wrote is copied: it may be the head of many messages. */
function changeable(head: Head): HTTPHead {
  const isOurs = typeof (head as { clone?: unknown }).clone === 'function'
  return isOurs ? head : { ...head, headers: { ...(head as HTTPHead).headers } }
}

/** Caches must not give the compressed body to clients that did not ask for it. */
function varyOn(vary: unknown): string {
  if (vary === undefined || vary === null || vary === '') return 'accept-encoding'
  const text = String(vary)
  return text === '*' || /(?:^|,)\s*accept-encoding\s*(?:,|$)/i.test(text) ? text : `${text}, accept-encoding`
}

/** Whether the body may be compressed: not when it is already, is a part of one, or is not to be changed. */
export function mayCompress(head: Head): boolean {
  const { status } = head as HTTPHead
  if (status === 206 || fieldOf(head, 'content-range') !== undefined) return false
  if (/\bno-transform\b/.test(fieldOf(head, 'cache-control') ?? '')) return false
  const encoding = fieldOf(head, 'content-encoding')
  return encoding === undefined || encoding === '' || encoding === 'identity'
}
