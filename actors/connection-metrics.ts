import { type MetricStore, type Series, statsRegistry } from '../runtime/api/stats/registry.ts'

/** The connections of listeners, or of upstreams: how their metrics are called. */
export class ConnectionFamily {
  readonly open: MetricStore
  readonly made: MetricStore
  readonly io: MetricStore

  constructor(
    names: { readonly open: string; readonly made: string; readonly io: string },
    labels: readonly string[],
  ) {
    this.open = statsRegistry.define(names.open, 'gauge', labels)
    this.made = statsRegistry.define(names.made, 'counter', labels)
    this.io = statsRegistry.define(names.io, 'counter', [...labels, 'network_io_direction'])
  }
}

/** What this thread counts of the connections of one listener, or with one upstream. */
export class ConnectionMetrics {
  readonly labels: readonly string[]
  private readonly open: Series
  private readonly made: Series
  private readonly received: Series
  private readonly sent: Series

  constructor(family: ConnectionFamily, labels: readonly string[]) {
    this.labels = labels
    this.open = family.open.touch(labels)
    this.made = family.made.touch(labels)
    this.received = family.io.touch([...labels, 'receive'])
    this.sent = family.io.touch([...labels, 'transmit'])
  }

  opened(): void {
    this.open.value++
    this.made.value++
  }

  /** It is over, and had so many bytes. */
  closed({ receivedBytes, sentBytes }: { readonly receivedBytes: number; readonly sentBytes: number }): void {
    this.open.value--
    this.received.value += receivedBytes
    this.sent.value += sentBytes
  }
}
