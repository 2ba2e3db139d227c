import type { Member } from './membership/member.ts'

/** What the main thread tells its threads about the cluster. A thread that starts is told all three at once. */
export type ClusterNote =
  /** Listen as this; undefined: as nothing, the node is no member any more. */
  | { readonly kind: 'cluster-self'; readonly incarnation: string | undefined }
  /** The nodes that live, this one included once it is in. */
  | { readonly kind: 'cluster-members'; readonly members: readonly Member[] }
  /** Until then (`processMs`) the other nodes take this one for alive: what comes later is not to be taken. */
  | { readonly kind: 'cluster-lease'; readonly untilMs: number }

/** What a thread answers: it listens as this incarnation, and these are the cluster pipelines that it hosts. */
export interface ClusterJoined {
  readonly kind: 'cluster-joined'
  readonly incarnation: string
  readonly pipelines: readonly string[]
}
