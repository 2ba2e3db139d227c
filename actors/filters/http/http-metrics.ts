// Hot path: `ended` runs once per exchange on either side. A histogram's series is found by comparing with the last one.

import { type MetricStore, observe, type Series, statsRegistry } from '../../../runtime/api/stats/registry.ts'
import { wallMs } from '../../../runtime/clock.ts'
import type { TraceContext } from '../../../runtime/trace/trace-context.ts'
import type { ConnectionMetrics } from '../../connection-metrics.ts'
import { methodLabel } from './known-methods.ts'

/**
 * Seconds. Those of OpenTelemetry's conventions (5 ms to 10 s), and three below: a proxy on the same machine is done
 * before the first of them.
 */
const buckets = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
]

const exchange = ['http_request_method', 'http_response_status_code', 'error_type']
const served = statsRegistry.define(
  'http_server_request_duration_seconds',
  'histogram',
  ['server_port', 'http_route', ...exchange],
  buckets,
)
const serving = statsRegistry.define('http_server_active_requests', 'gauge', ['server_port'])
const sent = statsRegistry.define(
  'http_client_request_duration_seconds',
  'histogram',
  ['server_address', 'server_port', ...exchange],
  buckets,
)
const sending = statsRegistry.define('http_client_active_requests', 'gauge')

/** The durations of the exchanges of one listener, or with one upstream, in this thread. */
export class ExchangeDurations {
  private readonly store: MetricStore
  private readonly place: readonly string[]
  private method = ''
  private status = -1
  private fault = ''
  private last: Series | null = null

  constructor(store: MetricStore, place: readonly string[]) {
    this.store = store
    this.place = place
  }

  /** @param status 0: none was sent or came; @param fault code of what ended it; '': nothing */
  ended(method: string, status: number, fault: string, ms: number, trace: TraceContext | null): void {
    if (this.last === null || status !== this.status || method !== this.method || fault !== this.fault)
      this.last = this.seriesOf(method, status, fault)
    const bucket = observe(this.last, buckets, ms / 1000)
    if (trace?.isRecorded === true) this.exemplify(this.last, bucket, ms, trace)
  }

  private seriesOf(method: string, status: number, fault: string): Series {
    this.method = method
    this.status = status
    this.fault = fault
    const error = fault !== '' ? fault : status >= 500 ? String(status) : ''
    return this.store.touch([...this.place, methodLabel(method), status === 0 ? '' : String(status), error])
  }

  private exemplify(series: Series, bucket: number, ms: number, trace: TraceContext): void {
    series.exemplars ??= new Array(buckets.length + 1).fill(undefined)
    series.exemplars[bucket] = { value: ms / 1000, timeMs: wallMs(), traceparent: trace.traceparent }
  }
}

/** Routes that are told apart on one port: scripts may make them of what clients send, which has no end. */
const mostRoutes = 100

/** What is counted of one listening port. */
export class ServerMetrics {
  /** Of requests whose route has no name. */
  readonly durations: ExchangeDurations
  private readonly port: string
  private readonly routes = new Map<string, ExchangeDurations>()
  /** Requests that are being served, as its `value`. */
  readonly active: Series

  constructor(port: string) {
    this.port = port
    this.durations = new ExchangeDurations(served, [port, ''])
    this.active = serving.touch([port])
  }

  ofRoute(route: string): ExchangeDurations {
    const known = this.routes.get(route)
    if (known !== undefined) return known
    if (this.routes.size >= mostRoutes && route !== 'other') return this.ofRoute('other')
    const durations = new ExchangeDurations(served, [this.port, route])
    this.routes.set(route, durations)
    return durations
  }
}

const servers = new Map<number, ServerMetrics>()

/** The counters of a listening port in this thread; 0 stands for sessions that have none, like tasks. */
export function serverMetrics(port: number): ServerMetrics {
  let metrics = servers.get(port)
  if (metrics === undefined) {
    metrics = new ServerMetrics(port === 0 ? '' : String(port))
    servers.set(port, metrics)
  }
  return metrics
}

const clients = new WeakMap<ConnectionMetrics, ExchangeDurations>()
const noUpstream = new ExchangeDurations(sent, ['', ''])

/** The durations of requests to an upstream; null: no connection was made. */
export function clientDurations(upstream: ConnectionMetrics | null): ExchangeDurations {
  if (upstream === null) return noUpstream
  let durations = clients.get(upstream)
  if (durations === undefined) {
    durations = new ExchangeDurations(sent, upstream.labels)
    clients.set(upstream, durations)
  }
  return durations
}

/** Requests to upstreams that are under way in this thread, as its `value`. */
export const activeClientRequests: Series = sending.of([])
