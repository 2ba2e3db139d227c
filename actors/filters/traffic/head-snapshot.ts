import { parseFields } from '../../../runtime/codec/http1/fields.ts'
import { RequestHead, ResponseHead } from '../../../runtime/codec/http1/index.ts'
import type { HTTPRequestHead, HTTPResponseHead } from '../../script/types.ts'

/** Fields as scripts write them. */
export type Fields = Readonly<Record<string, unknown>>

/**
 * A head as it was when it passed by. Filters behind may change it; what it was decoded from stays: taking a snapshot of
 * a head that nobody has changed is keeping a reference to its text.
 */
export interface HeadSnapshot {
  readonly head: object
  /** The lines as received; '' for a head that a script made or changed, which has `copy` instead. */
  readonly raw: string
  readonly copy: CopiedHead | null
}

/** What is copied of a head. */
export interface CopiedHead {
  /** By lower-case name. */
  readonly headers: Fields
  readonly method?: string
  readonly path?: string
}

export function snapshotOf(head: object): HeadSnapshot {
  const copy = copyOf(head)
  return { head, raw: rawOf(head, copy), copy }
}

/** What must be copied of a head; null for one that is as it was received. */
export function copyOf(head: object): CopiedHead | null {
  if (head instanceof RequestHead || head instanceof ResponseHead) {
    if (!head.isLineChanged && !head.isChanged) return null
    return { ...head.toJSON(), headers: { ...head.headers } }
  }
  const { headers } = head as { headers?: Fields }
  const fields = Object.fromEntries(
    Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
  )
  return { ...head, headers: fields }
}

/** @param copy what had to be copied of it */
export const rawOf = (head: object, copy: CopiedHead | null): string =>
  copy === null ? (head as RequestHead | ResponseHead).raw : ''

/** What the snapshot of a request shows to a script. */
export function requestView({ head, raw, copy }: HeadSnapshot): HTTPRequestHead {
  if (copy !== null)
    return { method: 'GET', path: '/', protocol: 'HTTP/1.1', ...copy } as unknown as HTTPRequestHead
  const { firstEnd, secondEnd, lineEnd, protocol } = head as RequestHead
  const method = raw.slice(0, firstEnd)
  const path = raw.slice(firstEnd + 1, secondEnd)
  return { protocol, method, path, headers: parseFields(raw, lineEnd, []) }
}

/** What the snapshot of a response shows to a script. */
export function responseView({ head, raw, copy }: HeadSnapshot): HTTPResponseHead {
  if (copy !== null)
    return { protocol: 'HTTP/1.1', status: 200, statusText: '', ...copy } as unknown as HTTPResponseHead
  const { secondEnd, lineEnd, protocol, status } = head as ResponseHead
  const statusText = raw.slice(secondEnd, lineEnd - 2)
  return { protocol, status, statusText, headers: parseFields(raw, lineEnd, []) }
}
