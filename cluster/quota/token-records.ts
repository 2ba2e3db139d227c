import type { ClusterRate } from '../../runtime/token-lessor.ts'

/** What the bucket of quotas has under the name of one: JSON, so that a person can read it. */
export interface TokenRecord {
  /** Tokens that nobody has leased. */
  readonly tokens: number
  /** When the period began, by the clock of whoever began it: milliseconds since the epoch. */
  readonly sinceMs: number
  /** Threads that lease: when each was last heard of, and whether it may keep a token beyond the period. */
  readonly holders: Readonly<Record<string, readonly [seenMs: number, keeps: 0 | 1]>>
}

/** A holder that was not heard of for so long is gone, and what it kept is the others'. */
export const goneMs = 60_000

/** No more than this share of a period is set aside for idle threads to keep. */
const keptShare = 1 / 4

const keptOf = (holders: TokenRecord['holders']): number =>
  Object.values(holders).reduce((sum, [, keeps]) => sum + keeps, 0)

/** No clock of a node is ahead by more. What claims a later time would keep everybody waiting until then. */
const aheadMs = 3_600_000

/** What the bucket has, of which anything may have been written; undefined when it is no record, or one of a time to come. */
export function readRecord(text: string, nowMs: number): TokenRecord | undefined {
  let value: Partial<Record<keyof TokenRecord, unknown>> | null
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  const { tokens, sinceMs, holders = {} } = typeof value === 'object' && value !== null ? value : {}
  if (typeof tokens !== 'number' || !(tokens >= 0) || !isTime(sinceMs, nowMs)) return undefined
  if (typeof holders !== 'object' || holders === null) return undefined
  const own = Object.entries(holders).filter(
    ([, holder]) => Array.isArray(holder) && isTime(holder[0], nowMs) && (holder[1] === 0 || holder[1] === 1),
  )
  return { tokens, sinceMs, holders: Object.fromEntries(own) }
}

const isTime = (value: unknown, nowMs: number): value is number =>
  typeof value === 'number' && value >= 0 && value <= nowMs + aheadMs

/** A quota that nobody has used. */
export const freshRecord = ({ initial }: ClusterRate, nowMs: number): TokenRecord => ({
  tokens: initial,
  sinceMs: nowMs,
  holders: {},
})

/**
 * The record at a time: with what the periods since have brought, less what idle threads may still have of those before.
 * A clock that is behind that of others lives in their period.
 */
export function recordAt(record: TokenRecord, rate: ClusterRate, nowMs: number): TokenRecord {
  const alive = Object.entries(record.holders).filter(([, [seenMs]]) => nowMs - seenMs < goneMs)
  const holders = Object.fromEntries(alive)
  const periods = Math.max(0, Math.floor((nowMs - record.sinceMs) / rate.perMs))
  if (periods === 0) return { ...record, tokens: Math.min(rate.max, record.tokens), holders }
  return {
    tokens: Math.max(0, Math.min(rate.max - keptOf(holders), record.tokens + periods * rate.produce)),
    sinceMs: record.sinceMs + periods * rate.perMs,
    holders,
  }
}

/** Takes tokens for a holder, and notes that it was heard of. No more than half of them, so that others find some. */
export function leaseFrom(
  record: TokenRecord,
  rate: ClusterRate,
  holder: string,
  wanted: number,
  nowMs: number,
): { readonly record: TokenRecord; readonly granted: number; readonly mayKeepOne: boolean } {
  const granted = record.tokens < 1 ? 0 : Math.floor(Math.min(wanted, Math.max(1, record.tokens / 2)))
  const others = Object.fromEntries(Object.entries(record.holders).filter(([name]) => name !== holder))
  const kept = record.holders[holder]?.[1] === 1
  const hasRoom = keptOf(others) + 1 <= rate.max * keptShare
  // One may be kept of what was granted now: who gets nothing has nothing to keep, unless it keeps already.
  const keeps = (kept || granted > 0) && hasRoom ? 1 : 0
  return {
    record: {
      tokens: record.tokens - granted,
      sinceMs: record.sinceMs,
      holders: { ...others, [holder]: [nowMs, keeps] },
    },
    granted,
    mayKeepOne: keeps === 1,
  }
}
