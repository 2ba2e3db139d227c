import type { MetricFamily, MetricSample } from '../observability/prometheus.ts'
import { scriptMetrics } from '../observability/script-metrics.ts'
import type { MetricSnapshot } from '../runtime/api/stats/registry.ts'
import type { ThreadStatus } from './protocol.ts'
import type { StatsArchive } from './stats-archive.ts'
import type { ServingThread, Threads } from './threads.ts'

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
}

export interface StatusSources {
  readonly threads: Threads
  readonly stats: StatsArchive
  readonly threadCount: number
  readonly stage: string
  readonly generation: number
  readonly upMs: number
}

/** A thread that is busy for longer than this is left out, so that a scrape is never held up by one. */
const answerMs = 1000

export async function readStatus(from: StatusSources): Promise<NodeStatus> {
  const answers = await Promise.all(from.threads.ready.map(readThread))
  const statuses = answers.filter(status => status !== undefined)
  return {
    stage: from.stage,
    pid: process.pid,
    upSeconds: Math.round(from.upMs) / 1000,
    generation: from.generation,
    threadCount: from.threadCount,
    restarts: from.threads.restarts,
    threads: statuses.map(({ stats: _, ...status }) => status),
    stats: from.stats.update(statuses),
  }
}

const readThread = (thread: ServingThread): Promise<ThreadStatus | undefined> =>
  thread.dialogue.ask<ThreadStatus>({ kind: 'status' }, answerMs).catch(() => undefined)

/** The same as metrics. Counters of a thread start over when it is replaced, which Prometheus expects of counters. */
export function nodeMetrics(node: NodeStatus): readonly MetricFamily[] {
  const perThread = (value: (status: NodeStatus['threads'][number]) => number | undefined): MetricSample[] =>
    node.threads.flatMap(status => {
      const reading = value(status)
      return reading === undefined ? [] : [{ labels: { thread: status.thread }, value: reading }]
    })
  const gauge = (name: string, help: string, samples: readonly MetricSample[]): MetricFamily => ({
    name,
    help,
    type: 'gauge',
    samples,
  })
  const counter = (name: string, help: string, samples: readonly MetricSample[]): MetricFamily => ({
    name,
    help,
    type: 'counter',
    samples,
  })
  const alone = (value: number): MetricSample[] => [{ labels: {}, value }]
  return [
    gauge('sluice_up_seconds', 'Time since the process started.', alone(node.upSeconds)),
    gauge('sluice_threads', 'Worker threads that should serve.', alone(node.threadCount)),
    gauge('sluice_threads_serving', 'Worker threads that serve.', alone(node.threads.length)),
    counter('sluice_thread_restarts_total', 'Worker threads replaced after they died.', alone(node.restarts)),
    gauge('sluice_script_generation', 'Loads of the script, reloads included.', alone(node.generation)),
    gauge(
      'sluice_sessions',
      'Sessions that are open.',
      perThread(status => status.sessions),
    ),
    gauge(
      'sluice_listener_connections',
      'Connections that are open, by listening address.',
      connections(node),
    ),
    counter(
      'sluice_dead_letters_total',
      'Messages to actors that were gone.',
      perThread(status => status.deadLetters),
    ),
    ...ledgerMetrics(node, counter, gauge),
    gauge(
      'sluice_event_loop_utilization',
      'Share of time that the event loop was busy since the last reading.',
      perThread(status => status.utilization),
    ),
    gauge('sluice_event_loop_delay_seconds', 'How late callbacks came since the last reading.', delays(node)),
    gauge(
      'sluice_heap_bytes',
      'JavaScript heap in use.',
      perThread(status => status.heapBytes),
    ),
    ...scriptMetrics(node.stats),
  ]
}

const connections = (node: NodeStatus): MetricSample[] =>
  node.threads.flatMap(({ thread, listeners }) =>
    listeners.map(({ address, port, connections: value }) => ({ labels: { thread, address, port }, value })),
  )

const delays = (node: NodeStatus): MetricSample[] =>
  node.threads.flatMap(({ thread, delay }) =>
    delay === undefined
      ? []
      : [
          { labels: { thread, quantile: 'mean' }, value: delay.meanMs / 1000 },
          { labels: { thread, quantile: '0.99' }, value: delay.p99Ms / 1000 },
          { labels: { thread, quantile: 'max' }, value: delay.maxMs / 1000 },
        ],
  )

type MakeFamily = (name: string, help: string, samples: readonly MetricSample[]) => MetricFamily

/** The ledger of each edge: what was accepted is always somewhere among the others. */
function ledgerMetrics(node: NodeStatus, counter: MakeFamily, gauge: MakeFamily): MetricFamily[] {
  const rows = node.threads.flatMap(({ thread, edges }) =>
    edges.map(edge => ({ edge, labels: { thread, kind: edge.kind, from: edge.from, to: edge.to } })),
  )
  const of = (field: 'accepted' | 'delivered' | 'duplicate' | 'deadLettered' | 'inFlight'): MetricSample[] =>
    rows.map(({ edge, labels }) => ({ labels, value: edge[field] }))
  const dropped = rows.flatMap(({ edge, labels }) =>
    Object.entries(edge.dropped).map(([reason, value]) => ({ labels: { ...labels, reason }, value })),
  )
  return [
    counter('sluice_edge_accepted_total', 'Messages given to an edge.', of('accepted')),
    counter('sluice_edge_delivered_total', 'Messages that reached the receiver of an edge.', of('delivered')),
    counter('sluice_edge_duplicate_total', 'Messages recognized as delivered before.', of('duplicate')),
    counter('sluice_edge_dead_lettered_total', 'Messages whose receiver was gone.', of('deadLettered')),
    counter('sluice_edge_dropped_total', 'Messages dropped, by reason.', dropped),
    gauge('sluice_edge_in_flight', 'Messages accepted and not yet delivered.', of('inFlight')),
  ]
}
