import type { NatsSettings } from './bus/nats-settings.ts'

/** What makes a node one of a cluster, as plain data that goes to its threads. */
export interface ClusterSettings {
  readonly nats: NatsSettings
  /** Which cluster: nodes of different ones may share a NATS and know nothing of each other. */
  readonly cluster: string
  /** Unique in the cluster: where two nodes have the same, the newer one is it. */
  readonly node: string
  /** What the node is there for; undefined: for everything. */
  readonly roles: readonly string[] | undefined
  /** How often a node says that it lives. */
  readonly heartbeatMs: number
}

/**
 * A node that has been silent for so many heartbeats is taken for dead. Few enough that its keys move within seconds,
 * enough that a pause of the garbage collector or of the server does not move them.
 */
const heartbeatsToDeath = 5

export const deathMs = ({ heartbeatMs }: Pick<ClusterSettings, 'heartbeatMs'>): number =>
  heartbeatMs * heartbeatsToDeath
