/**
 * Every metric that Sluice has of itself. Names, units and attributes follow OpenTelemetry's conventions where there are
 * any (HTTP: semantic conventions 1.37); Prometheus' names are derived by OpenTelemetry's rules for it.
 */

import type { MetricType } from '../../runtime/api/stats/registry.ts'

export interface CatalogueEntry {
  /** By OpenTelemetry's rules: lower case, with dots. */
  readonly name: string
  readonly type: MetricType
  /** Of UCUM: 's', 'By', '{request}'; '' for what has none. */
  readonly unit: string
  /** Names of the labels, in Prometheus' spelling. */
  readonly labels: readonly string[]
  readonly help: string
  /** What a scrape shows only when there is something of the kind: an upstream, a cluster, a sink. */
  readonly when?: string
}

const entry = (
  name: string,
  type: MetricType,
  unit: string,
  labels: readonly string[],
  help: string,
  when?: string,
): CatalogueEntry => ({ name, type, unit, labels, help, ...(when === undefined ? undefined : { when }) })

const served = [
  'server_port',
  'http_route',
  'http_request_method',
  'http_response_status_code',
  'error_type',
] as const
const sent = [
  'server_address',
  'server_port',
  'http_request_method',
  'http_response_status_code',
  'error_type',
] as const
const upstream = ['server_address', 'server_port'] as const
const listener = ['address', 'port'] as const
const edge = ['kind', 'from', 'to'] as const
const sink = ['from', 'to'] as const

const traffic = 'there is HTTP traffic'
const connects = 'something connects to an upstream'
const shared = 'the script has shared pipelines'
const sinks = 'the script writes to sinks'
const cluster = 'the node is in a cluster'
const exported = 'telemetry is exported'

export const catalogue: readonly CatalogueEntry[] = [
  entry('sluice.up', 'gauge', 's', [], 'Time since the process started.'),
  entry('sluice.threads', 'gauge', '{thread}', [], 'Worker threads that should serve.'),
  entry('sluice.threads.serving', 'gauge', '{thread}', [], 'Worker threads that serve.'),
  entry('sluice.thread.restarts', 'counter', '{thread}', [], 'Worker threads replaced after they died.'),
  entry('sluice.script.generation', 'gauge', '', [], 'Loads of the script, reloads included.'),
  entry(
    'sluice.event_loop.utilization',
    'gauge',
    '',
    ['thread'],
    'Share of time that the event loop was busy since the last reading: near 1 for long means that the thread is the limit.',
  ),
  entry(
    'sluice.event_loop.delay',
    'gauge',
    's',
    ['thread', 'quantile'],
    'How late callbacks came since the last reading.',
  ),
  entry('sluice.heap', 'gauge', 'By', ['thread'], 'JavaScript heap in use.'),

  entry('sluice.sessions', 'gauge', '{session}', [], 'Sessions that are open.'),
  entry(
    'sluice.listener.connections',
    'gauge',
    '{connection}',
    listener,
    'Connections that are open, by listening address.',
  ),
  entry(
    'sluice.listener.accepted',
    'counter',
    '{connection}',
    listener,
    'Connections that were accepted, by listening address.',
  ),
  entry(
    'sluice.listener.io',
    'counter',
    'By',
    [...listener, 'network_io_direction'],
    'Bytes of connections, by listening address; those of TLS before encryption.',
  ),

  entry(
    'http.server.request.duration',
    'histogram',
    's',
    served,
    'From the head of a request to the last byte of its response handed to the connection, by listening port. `http_route` is what the option `route` of `demuxHTTP` and `serveHTTP` names; of more than 100 routes of a port, those that come later are counted as `other`.',
    traffic,
  ),
  entry(
    'http.server.active_requests',
    'gauge',
    '{request}',
    ['server_port'],
    'Requests that are being served, by listening port.',
    traffic,
  ),
  entry(
    'http.client.request.duration',
    'histogram',
    's',
    sent,
    'From a request to an upstream to the end of its response. Of more than 100 upstreams, those that come later are counted as `other`.',
    connects,
  ),
  entry(
    'http.client.active_requests',
    'gauge',
    '{request}',
    [],
    'Requests to upstreams whose responses are not complete.',
    connects,
  ),
  entry(
    'sluice.upstream.connections',
    'gauge',
    '{connection}',
    upstream,
    'Connections to upstreams that are open.',
    connects,
  ),
  entry(
    'sluice.upstream.opened',
    'counter',
    '{connection}',
    upstream,
    'Connections to upstreams that were made.',
    connects,
  ),
  entry(
    'sluice.upstream.failed',
    'counter',
    '{attempt}',
    [...upstream, 'error_type'],
    'Attempts to connect to upstreams that failed.',
    'an upstream cannot be reached',
  ),
  entry(
    'sluice.upstream.io',
    'counter',
    'By',
    [...upstream, 'network_io_direction'],
    'Bytes of connections to upstreams that have closed.',
    connects,
  ),

  entry('sluice.edge.accepted', 'counter', '{message}', edge, 'Messages given to an edge.'),
  entry(
    'sluice.edge.delivered',
    'counter',
    '{message}',
    edge,
    'Messages that reached the receiver of an edge.',
  ),
  entry('sluice.edge.duplicate', 'counter', '{message}', edge, 'Messages recognized as delivered before.'),
  entry(
    'sluice.edge.dead_lettered',
    'counter',
    '{message}',
    edge,
    'Messages whose receiver was gone, or would never take them.',
  ),
  entry('sluice.edge.dropped', 'counter', '{message}', [...edge, 'reason'], 'Messages dropped, by reason.'),
  entry(
    'sluice.edge.in_flight',
    'gauge',
    '{message}',
    edge,
    'Messages accepted and not yet delivered; of a stream, those that it keeps.',
  ),
  entry(
    'sluice.dead_letters',
    'counter',
    '{message}',
    [],
    'Messages to actors that were gone, or failed on them.',
  ),
  entry(
    'sluice.mailbox.waiting',
    'gauge',
    '{message}',
    ['pipeline'],
    'Messages that wait for actors of shared pipelines.',
    shared,
  ),
  entry('sluice.mailbox.age', 'gauge', 's', ['pipeline'], 'How long the oldest of them has waited.', shared),
  entry('sluice.actors', 'gauge', '{actor}', ['pipeline'], 'Actors of shared pipelines.', shared),
  entry(
    'sluice.actor.restarts',
    'counter',
    '{actor}',
    ['pipeline'],
    'Actors of shared pipelines that failed and began anew.',
    shared,
  ),

  entry(
    'sluice.sink.buffered',
    'gauge',
    'By',
    [...sink, 'where'],
    'Bytes that wait in a sink, in memory and on disk.',
    sinks,
  ),
  entry('sluice.sink.requests_in_flight', 'gauge', '{request}', sink, 'Requests of a sink under way.', sinks),
  entry('sluice.sink.requests', 'counter', '{request}', sink, 'Requests that a sink has made.', sinks),
  entry(
    'sluice.sink.failed_requests',
    'counter',
    '{request}',
    sink,
    'Requests that stored nothing, and were made again.',
    sinks,
  ),
  entry(
    'sluice.sink.retried',
    'counter',
    '{entry}',
    sink,
    'Entries that were refused for now, and written again.',
    sinks,
  ),
  entry('sluice.sink.sent', 'counter', 'By', sink, 'Bytes that a sink has sent.', sinks),
  entry('sluice.sink.troubled', 'gauge', '', sink, '1 while a sink can write nothing.', sinks),

  entry('sluice.cluster.connected', 'gauge', '', [], '1 while there is a connection to NATS.', cluster),
  entry(
    'sluice.cluster.in',
    'gauge',
    '',
    [],
    '1 while the other nodes take this one for alive, as far as it knows.',
    cluster,
  ),
  entry('sluice.cluster.members', 'gauge', '{node}', ['state'], 'Nodes of the cluster that live.', cluster),

  entry(
    'sluice.telemetry.accepted',
    'counter',
    '{item}',
    ['signal'],
    'Spans, log records and metric points to be exported.',
    exported,
  ),
  entry(
    'sluice.telemetry.exported',
    'counter',
    '{item}',
    ['signal'],
    'Those that the collector has taken.',
    exported,
  ),
  entry(
    'sluice.telemetry.dropped',
    'counter',
    '{item}',
    ['signal', 'reason'],
    'Those that were given up, by reason.',
    exported,
  ),
  entry(
    'sluice.telemetry.waiting',
    'gauge',
    '{item}',
    ['signal'],
    'Those that wait to be exported.',
    exported,
  ),

  entry(
    'sluice.log_records.written',
    'counter',
    '{record}',
    ['target'],
    'Records of `logging` of scripts that their target has taken.',
    'the script has loggers',
  ),
  entry(
    'sluice.log_records.dropped',
    'counter',
    '{record}',
    ['target', 'reason'],
    'Records of `logging` of scripts that were dropped, by target and reason.',
    'the script has loggers',
  ),
]

const suffixes: Readonly<Record<string, string>> = { s: '_seconds', By: '_bytes' }

/** The name that Prometheus has for it: dots become underscores, and unit and kind are said at the end. */
export const prometheusName = ({
  name,
  type,
  unit,
}: Pick<CatalogueEntry, 'name' | 'type' | 'unit'>): string =>
  name.replaceAll('.', '_') + (suffixes[unit] ?? '') + (type === 'counter' ? '_total' : '')

/** Sluice's own metrics by the name that Prometheus has for them. */
export const ownMetrics: ReadonlyMap<string, CatalogueEntry> = new Map(
  catalogue.map(each => [prometheusName(each), each]),
)
