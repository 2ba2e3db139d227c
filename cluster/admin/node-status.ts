import type { ActorList } from '../../actors/host.ts'
import { ownMetrics } from '../../observability/metrics/catalogue.ts'
import { familiesOf, type MetricFamily } from '../../observability/metrics/families.ts'
import type { TelemetryStatus } from '../../observability/telemetry.ts'
import type { MetricSnapshot } from '../../runtime/api/stats/registry.ts'
import type { ClusterNode } from '../cluster-node.ts'
import type { Member } from '../membership/member.ts'
import type { ThreadStatus } from '../protocol.ts'
import type { ServingThread, Threads } from '../threads.ts'
import { nodeMetrics, threadMetrics } from './node-metrics.ts'
import type { StatsArchive } from './stats-archive.ts'

/** What a node tells of itself at `/api/v1/status`. */
export interface NodeStatus {
  readonly stage: string
  readonly pid: number
  readonly upSeconds: number
  /** Loads of the script: 1, and one more with each reload. */
  readonly generation: number
  /** How many threads there should be. */
  readonly threadCount: number
  /** Threads replaced since the process started. */
  readonly restarts: number
  /** Those that serve; a thread that is starting, or did not answer in time, is missing. */
  readonly threads: readonly Omit<ThreadStatus, 'stats'>[]
  /** Metrics that the script declared, added over threads. */
  readonly stats: readonly MetricSnapshot[]
  /** What became of spans and log records that are exported; undefined: none are. */
  readonly telemetry: TelemetryStatus | undefined
  /** Undefined: the node is alone. */
  readonly cluster: ClusterStatus | undefined
}

export interface ClusterStatus {
  readonly name: string
  readonly node: string
  /** This life of the node; undefined: another node has taken its name. */
  readonly incarnation: string | undefined
  /** Whether the other nodes take this one for alive, as far as it knows. */
  readonly isIn: boolean
  readonly isConnected: boolean
  /** The nodes that live, this one included. */
  readonly members: readonly Member[]
}

export interface StatusSources {
  readonly threads: Threads
  readonly stats: StatsArchive
  readonly threadCount: number
  readonly stage: string
  readonly generation: number
  readonly upMs: number
  readonly cluster: ClusterNode | undefined
  readonly telemetry: TelemetryStatus | undefined
}

/** A thread that is busy for longer than this is left out, so that a scrape is never held up by one. */
const answerMs = 1000

/** A node as it is just now, in the two forms in which it is told. */
export interface NodeView {
  readonly status: NodeStatus
  readonly metrics: readonly MetricFamily[]
}

export async function readNode(from: StatusSources): Promise<NodeView> {
  const answers = await Promise.all(from.threads.ready.map(readThread))
  const threads = answers.filter(status => status !== undefined)
  const { generation, threadCount, telemetry, upMs } = from
  const { restarts } = from.threads
  const cluster = from.cluster?.status
  const counted = from.stats.update(
    threads.map(status => ({ ...status, stats: [...status.stats, ...threadMetrics(status)] })),
  )
  const node = nodeMetrics({ upMs, threadCount, restarts, generation, threads, telemetry, cluster })
  return {
    status: {
      stage: from.stage,
      pid: process.pid,
      upSeconds: Math.round(upMs) / 1000,
      generation,
      threadCount,
      restarts,
      threads: threads.map(({ stats: _, ...status }) => status),
      stats: counted.filter(({ name }) => !ownMetrics.has(name)),
      telemetry,
      cluster,
    },
    metrics: familiesOf([...node, ...counted]),
  }
}

const readThread = (thread: ServingThread): Promise<ThreadStatus | undefined> =>
  thread.dialogue.ask<ThreadStatus>({ kind: 'status' }, answerMs).catch(() => undefined)

/** The actors of shared pipelines on a thread. */
export type ThreadActors = ActorList & { readonly thread: number }

/** What threads that answer in time have. */
export async function readActors(
  threads: readonly ServingThread[],
  limit: number,
  pipeline: string | undefined,
): Promise<ThreadActors[]> {
  const answers = await Promise.all(
    threads.map(async ({ slot, dialogue }) => {
      const list = await dialogue
        .ask<ActorList>({ kind: 'actors', limit, pipeline }, answerMs)
        .catch(() => undefined)
      return list && { ...list, thread: slot }
    }),
  )
  return answers.filter(answer => answer !== undefined)
}
