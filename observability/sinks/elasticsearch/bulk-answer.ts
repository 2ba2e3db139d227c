import { duplicate, type ItemVerdict, stored } from '../destination.ts'

interface BulkItem {
  readonly status?: unknown
  readonly error?: {
    readonly type?: unknown
    readonly reason?: unknown
    readonly caused_by?: { readonly reason?: unknown }
  }
}

/** What the answer says of each of so many documents; text when it says nothing that makes sense. */
export function readBulkAnswer(text: string, documents: number): readonly ItemVerdict[] | string {
  let answer: { items?: unknown }
  try {
    answer = JSON.parse(text)
  } catch {
    return `the answer to a bulk request is no JSON: ${excerpt(text)}`
  }
  const items = answer?.items
  if (!Array.isArray(items) || items.length !== documents)
    return `the answer to a bulk request of ${documents} documents has ${Array.isArray(items) ? items.length : 'no'} items`
  return items.map(verdictOf)
}

function verdictOf(item: { readonly create?: BulkItem }): ItemVerdict {
  const result = item?.create
  const status = typeof result?.status === 'number' ? result.status : 0
  if (status >= 200 && status < 300) return stored
  const reason = `${status} ${reasonOf(result)}`
  switch (status) {
    // Its id is ours: what is there is what this writer, or one before it, has stored.
    case 409:
      return duplicate
    case 429:
      return { kind: 'later', reason, cause: 'congestion' }
    // Missing index or data stream, no right to write, a block on writing: nothing that the document could mend.
    case 401:
    case 403:
    case 404:
      return { kind: 'later', reason, cause: 'configuration' }
  }
  return status >= 400 && status < 500
    ? { kind: 'rejected', reason }
    : { kind: 'later', reason, cause: 'fault' }
}

/** Of a reason: it stands in dead letters, once for each document. */
const mostReason = 2_000

function reasonOf(result: BulkItem | undefined): string {
  const { type, reason, caused_by } = result?.error ?? {}
  const cause = typeof caused_by?.reason === 'string' ? ` (${caused_by.reason})` : ''
  const text = `${typeof type === 'string' ? type : 'without a reason'}${typeof reason === 'string' ? `: ${reason}` : ''}${cause}`
  return text.length > mostReason ? `${text.slice(0, mostReason)}...` : text
}

/** What a refusal of a whole request says for itself. */
export function reasonIn(text: string): string {
  try {
    const { error } = JSON.parse(text) as { error?: BulkItem['error'] | string }
    if (typeof error === 'string') return excerpt(error)
    if (error !== undefined && error !== null) return reasonOf({ error })
  } catch {
    // A proxy in front of it answers what it likes.
  }
  return excerpt(text)
}

const excerpt = (text: string): string =>
  (text.length > 200 ? `${text.slice(0, 197)}...` : text).replaceAll('\n', ' ')
