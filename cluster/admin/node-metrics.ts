import { snapshotOf } from '../../observability/metrics/families.ts'
import type { TelemetryStatus } from '../../observability/telemetry.ts'
import type { MetricSnapshot } from '../../runtime/api/stats/registry.ts'
import type { ThreadStatus } from '../protocol.ts'
import type { ClusterStatus } from './node-status.ts'

type Row = readonly [labels: readonly (string | number)[], value: number]

/** What a thread tells of itself, as metrics: those that belong together are added over threads. */
export function threadMetrics(status: ThreadStatus): MetricSnapshot[] {
  const { thread, sessions, deadLetters, utilization, heapBytes, loads, sinks } = status
  return [
    snapshotOf('sluice_sessions', sessions),
    snapshotOf('sluice_dead_letters_total', deadLetters),
    snapshotOf('sluice_event_loop_utilization', [[[thread], utilization]]),
    snapshotOf('sluice_event_loop_delay_seconds', delays(status)),
    snapshotOf('sluice_heap_bytes', [[[thread], heapBytes]]),
    ...ledgerMetrics(status),
    snapshotOf(
      'sluice_actors',
      loads.map(({ pipeline, actors }): Row => [[pipeline], actors]),
    ),
    snapshotOf(
      'sluice_mailbox_waiting',
      loads.map(({ pipeline, waiting }): Row => [[pipeline], waiting]),
    ),
    snapshotOf(
      'sluice_sink_buffered_bytes',
      sinks.flatMap(({ from, to, memoryBytes, diskBytes }): Row[] => [
        [[from, to, 'memory'], memoryBytes],
        [[from, to, 'disk'], diskBytes],
      ]),
    ),
    snapshotOf(
      'sluice_sink_requests_in_flight',
      sinks.map(({ from, to, requestsInFlight }): Row => [[from, to], requestsInFlight]),
    ),
    snapshotOf(
      'sluice_sink_requests_total',
      sinks.map(({ from, to, requests }): Row => [[from, to], requests]),
    ),
    snapshotOf(
      'sluice_sink_failed_requests_total',
      sinks.map(({ from, to, failedRequests }): Row => [[from, to], failedRequests]),
    ),
    snapshotOf(
      'sluice_sink_retried_total',
      sinks.map(({ from, to, retriedEntries }): Row => [[from, to], retriedEntries]),
    ),
    snapshotOf(
      'sluice_sink_sent_bytes_total',
      sinks.map(({ from, to, sentBytes }): Row => [[from, to], sentBytes]),
    ),
    snapshotOf(
      'sluice_sink_troubled',
      sinks.map(({ from, to, trouble }): Row => [[from, to], trouble === undefined ? 0 : 1]),
    ),
  ]
}

const delays = ({ thread, delay }: ThreadStatus): Row[] =>
  delay === undefined
    ? []
    : [
        [[thread, 'mean'], delay.meanMs / 1000],
        [[thread, '0.99'], delay.p99Ms / 1000],
        [[thread, 'max'], delay.maxMs / 1000],
      ]

/** The ledger of each edge: what was accepted is always somewhere among the others. */
function ledgerMetrics({ edges }: ThreadStatus): MetricSnapshot[] {
  const of = (name: string, field: 'accepted' | 'delivered' | 'duplicate' | 'deadLettered' | 'inFlight') =>
    snapshotOf(
      name,
      edges.map((edge): Row => [[edge.kind, edge.from, edge.to], edge[field]]),
    )
  return [
    of('sluice_edge_accepted_total', 'accepted'),
    of('sluice_edge_delivered_total', 'delivered'),
    of('sluice_edge_duplicate_total', 'duplicate'),
    of('sluice_edge_dead_lettered_total', 'deadLettered'),
    of('sluice_edge_in_flight', 'inFlight'),
    snapshotOf(
      'sluice_edge_dropped_total',
      edges.flatMap(({ kind, from, to, dropped }) =>
        Object.entries(dropped).map(([reason, count]): Row => [[kind, from, to, reason], count]),
      ),
    ),
  ]
}

/** What only the main thread knows. */
export interface NodeReading {
  readonly upMs: number
  readonly threadCount: number
  readonly restarts: number
  readonly generation: number
  readonly threads: readonly ThreadStatus[]
  readonly telemetry: TelemetryStatus | undefined
  readonly cluster: ClusterStatus | undefined
}

/** The metrics of the node as a whole. */
export function nodeMetrics(node: NodeReading): MetricSnapshot[] {
  return [
    snapshotOf('sluice_up_seconds', Math.round(node.upMs) / 1000),
    snapshotOf('sluice_threads', node.threadCount),
    snapshotOf('sluice_threads_serving', node.threads.length),
    snapshotOf('sluice_thread_restarts_total', node.restarts),
    snapshotOf('sluice_script_generation', node.generation),
    snapshotOf('sluice_mailbox_age_seconds', oldest(node.threads)),
    ...telemetryMetrics(node.telemetry),
    ...(node.cluster === undefined ? [] : clusterMetrics(node.cluster)),
  ]
}

/** Of each pipeline the actor that is worst, over all threads. */
function oldest(threads: readonly ThreadStatus[]): Row[] {
  const ages = new Map<string, number>()
  for (const { pipeline, waitingMs } of threads.flatMap(({ loads }) => loads))
    ages.set(pipeline, Math.max(ages.get(pipeline) ?? 0, waitingMs))
  return [...ages].map(([pipeline, ms]) => [[pipeline], ms / 1000])
}

/** Spans, log records and readings on their way to a collector: what was accepted is always somewhere among the others. */
function telemetryMetrics(telemetry: TelemetryStatus | undefined): MetricSnapshot[] {
  const ledgers = Object.entries(telemetry ?? {})
  const of = (name: string, field: 'accepted' | 'exported' | 'waiting') =>
    snapshotOf(
      name,
      ledgers.map(([signal, ledger]): Row => [[signal], ledger[field]]),
    )
  return [
    of('sluice_telemetry_accepted_total', 'accepted'),
    of('sluice_telemetry_exported_total', 'exported'),
    of('sluice_telemetry_waiting', 'waiting'),
    snapshotOf(
      'sluice_telemetry_dropped_total',
      ledgers.flatMap(([signal, { dropped }]) =>
        Object.entries(dropped).map(([reason, count]): Row => [[signal, reason], count]),
      ),
    ),
  ]
}

function clusterMetrics({ isConnected, isIn, members }: ClusterStatus): MetricSnapshot[] {
  const states = Map.groupBy(members, ({ state }) => state)
  return [
    snapshotOf('sluice_cluster_connected', isConnected ? 1 : 0),
    snapshotOf('sluice_cluster_in', isIn ? 1 : 0),
    snapshotOf(
      'sluice_cluster_members',
      [...states].map(([state, { length }]): Row => [[state], length]),
    ),
  ]
}
