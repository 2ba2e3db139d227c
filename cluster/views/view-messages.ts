/**
 * What whoever looks at a cluster asks its nodes, and what they answer: JSON, so that `nats request` shows it as well.
 * Every node answers for itself; the question has a `reply`, at which all answers come together.
 */

import type { ActorList, LedgerRow } from '../../actors/host.ts'
import type { Member } from '../membership/member.ts'

export const viewVersion = 1

/** Where all nodes of a cluster hear questions. */
export const viewSubject = (cluster: string): string => `sluice.${cluster}.view`

export type View = 'nodes' | 'actors' | 'edges'

export interface ViewQuestion {
  readonly view: View
  /** Rows that each node may answer with. */
  readonly limit: number
  /** Only the actors of this pipeline. */
  readonly pipeline?: string | undefined
}

export interface NodeSummary {
  readonly stage: string
  readonly pid: number
  readonly upSeconds: number
  /** Version of Sluice. */
  readonly version: string
  /** Of the script: 1, and one more with each reload. */
  readonly generation: number
  readonly threads: number
  readonly threadsServing: number
  readonly restarts: number
  readonly sessions: number
  readonly connections: number
  readonly deadLetters: number
  readonly listeners: readonly string[]
}

export interface ViewAnswer {
  readonly version: number
  readonly node: string
  /** This life of the node; null: another node has taken its name, and it is no member any more. */
  readonly incarnation?: string | null | undefined
  /** Who is there, as the node that answers sees it. */
  readonly members?: readonly Member[] | undefined
  readonly summary?: NodeSummary | undefined
  /** By thread. */
  readonly actors?: readonly (ActorList & { readonly thread: number })[] | undefined
  /** All threads together. */
  readonly edges?: readonly LedgerRow[] | undefined
  /** Rows that there was no room for. */
  readonly omitted?: number | undefined
}

/** Rows that none of these had room for. */
export const omittedOf = (answers: readonly ViewAnswer[]): number =>
  answers.reduce((sum, { omitted }) => sum + (omitted ?? 0), 0)
