/**
 * Where a quota that holds for a whole cluster gets its tokens from. This floor knows no cluster: a thread that is in
 * one says who lends them (`tokenLessor.current`).
 */

import { after } from './clock.ts'

/** A quota of the cluster. Whoever knows it by the same name has the same. */
export interface ClusterRate {
  readonly name: string
  readonly initial: number
  readonly max: number
  readonly produce: number
  readonly perMs: number
}

export interface TokenLease {
  /** Tokens that are the holder's now; 0 when there are none left in this period. */
  readonly tokens: number
  /** How long they are: until the period ends. One of them may be kept beyond, if `mayKeepOne` says so. */
  readonly validMs: number
  readonly mayKeepOne: boolean
  /** Threads of all nodes that lease of this quota. */
  readonly holders: number
}

export interface TokenLessor {
  /** Threads of this process, each of which leases for itself. */
  readonly threads: number
  /** Rejects when the cluster cannot be reached. */
  lease(rate: ClusterRate, wanted: number): Promise<TokenLease>
  /** Sets it to what there was at first, for all. */
  reset(rate: ClusterRate): Promise<void>
}

/** The lessor of this thread; undefined in a process that is in no cluster. */
export const tokenLessor: { current: TokenLessor | undefined } = { current: undefined }

const warming = new Set<Promise<unknown>>()

/** Says that a quota has asked for its first tokens. */
export function warmUp(first: Promise<unknown>): void {
  const isOver = (): void => void warming.delete(first)
  warming.add(first)
  first.then(isOver, isOver)
}

/** Resolves when every quota so far has its first tokens, or was told that there are none; at the limit at the latest. */
export async function allWarm(limitMs: number): Promise<void> {
  if (warming.size === 0) return
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const cancel = after(limitMs, resolve)
  await Promise.race([Promise.allSettled(warming), late])
  cancel()
}
