import { statsRegistry } from '../../../runtime/api/stats/registry.ts'
import { ConnectionFamily, ConnectionMetrics } from '../../connection-metrics.ts'

/** Upstreams that are told apart; targets that come from clients have no end. */
const mostUpstreams = 100

const labels = ['server_address', 'server_port']
const family = new ConnectionFamily(
  {
    open: 'sluice_upstream_connections',
    made: 'sluice_upstream_opened_total',
    io: 'sluice_upstream_io_bytes_total',
  },
  labels,
)
const failures = statsRegistry.define('sluice_upstream_failed_total', 'counter', [...labels, 'error_type'])

const upstreams = new Map<string, ConnectionMetrics>()
let others: ConnectionMetrics | undefined

/** The counters of an upstream in this thread. */
export function upstreamMetrics(host: string, port: number): ConnectionMetrics {
  const key = `${host} ${port}`
  let metrics = upstreams.get(key)
  if (metrics === undefined) {
    if (upstreams.size >= mostUpstreams) {
      others ??= new ConnectionMetrics(family, ['other', ''])
      return others
    }
    metrics = new ConnectionMetrics(family, [host, String(port)])
    upstreams.set(key, metrics)
  }
  return metrics
}

/** An attempt to connect has failed. */
export function countFailure(upstream: ConnectionMetrics, code: string): void {
  failures.touch([...upstream.labels, code]).value++
}
