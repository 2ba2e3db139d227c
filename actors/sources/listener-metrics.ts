import { ConnectionFamily, ConnectionMetrics } from '../connection-metrics.ts'

const family = new ConnectionFamily(
  {
    open: 'sluice_listener_connections',
    made: 'sluice_listener_accepted_total',
    io: 'sluice_listener_io_bytes_total',
  },
  ['address', 'port'],
)

const listeners = new Map<string, ConnectionMetrics>()

/** The counters of a listening address in this thread: they go on when the script is loaded anew. */
export function listenerMetrics(address: string, port: number): ConnectionMetrics {
  const key = `${address} ${port}`
  let metrics = listeners.get(key)
  if (metrics === undefined) {
    metrics = new ConnectionMetrics(family, [address, String(port)])
    listeners.set(key, metrics)
  }
  return metrics
}
