/** What the strict server can be told to do wrong, one readable line each. */

/** One bulk request that has come in whole. */
export interface BulkCall {
  /** Counts the bulk requests, from 1. */
  readonly number: number
  /** Ids in the order of the items. */
  readonly ids: readonly (string | undefined)[]
}

/** What happens to a request in place of, or besides, what it asks for. */
export type Effect =
  | { readonly kind: 'status'; readonly status: number; readonly retryAfterSeconds?: number | undefined }
  /** Each item that gets a status is refused with it; the others are done. */
  | { readonly kind: 'items'; readonly statusOf: (id: string | undefined) => number | undefined }
  /** Nothing is done, and the connection is reset. */
  | { readonly kind: 'reset-before' }
  /** Everything is done, and the connection is reset before an answer. */
  | { readonly kind: 'reset-after' }
  /** Everything is done, and the answer breaks off. */
  | { readonly kind: 'half-answer' }
  /** Everything is done, and the answer is not JSON. */
  | { readonly kind: 'nonsense' }
  | { readonly kind: 'slow'; readonly ms: number }
  /** Everything is done, and the answer never comes. */
  | { readonly kind: 'silence' }

export type Fault = (call: BulkCall) => Effect | undefined

/** Which requests a fault is for. Default: all. */
export interface When {
  /** The first so many from now on. */
  readonly times?: number
  /** Each n-th. */
  readonly each?: number
}

const limited = ({ times = Number.POSITIVE_INFINITY, each = 1 }: When, effect: Effect): Fault => {
  let calls = 0
  let done = 0
  return () => {
    if (++calls % each !== 0 || done >= times) return undefined
    done++
    return effect
  }
}

/** The whole request is refused, and nothing of it done. */
export const whole = (status: number, when: When & { readonly retryAfterSeconds?: number } = {}): Fault =>
  limited(when, { kind: 'status', status, retryAfterSeconds: when.retryAfterSeconds })

export const resetHalfWay = (when: When = {}): Fault => limited(when, { kind: 'reset-before' })
export const resetBeforeAnswer = (when: When = {}): Fault => limited(when, { kind: 'reset-after' })
export const halfAnAnswer = (when: When = {}): Fault => limited(when, { kind: 'half-answer' })
export const nonsense = (when: When = {}): Fault => limited(when, { kind: 'nonsense' })
export const slow = (ms: number, when: When = {}): Fault => limited(when, { kind: 'slow', ms })
export const silence = (when: When = {}): Fault => limited(when, { kind: 'silence' })

/** Every n-th item that is tried, over all requests: the same one may succeed when it is tried again. */
export function everyNthItem(n: number, status: number): Fault {
  let items = 0
  return () => ({ kind: 'items', statusOf: () => (++items % n === 0 ? status : undefined) })
}

export const everyThirdItem = (status: number): Fault => everyNthItem(3, status)

/** The same items each time they are tried. */
export const itemsWhere =
  (picks: (id: string) => boolean, status: number): Fault =>
  () => ({
    kind: 'items',
    statusOf: id => (id !== undefined && picks(id) ? status : undefined),
  })

/** Items are refused with this status the first so many times that they are tried. */
export function eachItemAtFirst(status: number, times = 1): Fault {
  const tries = new Map<string | undefined, number>()
  return () => ({
    kind: 'items',
    statusOf: id => {
      const before = tries.get(id) ?? 0
      tries.set(id, before + 1)
      return before < times ? status : undefined
    },
  })
}
