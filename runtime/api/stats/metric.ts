import { checkName, type MetricStore, type MetricType, type Series, statsRegistry } from './registry.ts'

/** Sub-metrics that one metric remembers, all levels together; of those beyond, each `withLabels` makes a new object. */
const maxSubs = 10_000

/** Characters of a label; clients may send any number. */
const longest = 1024

const cut = (label: string): string => (label.length > longest ? `${label.slice(0, longest - 1)}…` : label)

/** A copy: a label is often cut out of a head, which lives as long as any part of it. */
const standAlone = (label: string): string => {
  const coding = /^[\0-\xff]*$/.test(label) ? 'latin1' : 'utf16le'
  return Buffer.from(label, coding).toString(coding)
}

/** A metric, or those of its values that have certain labels: what counters, gauges and histograms share. */
export abstract class Metric {
  protected readonly store: MetricStore
  private readonly labels: readonly string[]
  /** Sub-metrics by their next label, so that a label that comes again makes nothing new. */
  private readonly subs: Map<string, this>
  /** How many more are remembered: one number for a metric and all below it. */
  private readonly room: { subs: number }
  private cached: Series | undefined
  private cachedEpoch: number

  protected constructor(
    name: string,
    type: MetricType,
    labelNames?: readonly string[],
    buckets?: readonly number[],
  ) {
    checkName(name)
    this.store = statsRegistry.define(name, type, labelNames, buckets)
    this.labels = []
    this.subs = new Map()
    this.room = { subs: maxSubs }
    this.cached = undefined
    this.cachedEpoch = -1
    // One without labels is shown from the start, so that its absence means that nobody declared it.
    if (this.store.labelNames.length === 0) this.store.of([])
  }

  get name(): string {
    return this.store.name
  }

  /** The metric of these labels, in the order of the label names; what is left out stays open. */
  withLabels(...labels: readonly (string | number | boolean | null | undefined)[]): this {
    const open = this.store.labelNames.length - this.labels.length
    let metric: this = this
    for (let i = 0; i < labels.length && i < open; i++) metric = metric.sub(cut(String(labels[i] ?? '')))
    return metric
  }

  private sub(given: string): this {
    const known = this.subs.get(given)
    if (known !== undefined) return known
    const label = standAlone(given)
    // Not by its constructor, which declares a metric.
    const sub = Object.assign(Object.create(Object.getPrototypeOf(this)), {
      store: this.store,
      labels: [...this.labels, label],
      subs: new Map(),
      room: this.room,
      cached: undefined,
      cachedEpoch: -1,
    }) as this
    if (this.room.subs > 0) {
      this.room.subs--
      this.subs.set(label, sub)
    }
    return sub
  }

  /** Forgets the values of all labels. */
  clear(): void {
    this.store.clear(this.labels)
    this.subs.clear()
    if (this.labels.length === 0) this.room.subs = maxSubs
  }

  /** The values to write to. */
  protected get series(): Series {
    const { store } = this
    if (this.cached === undefined || this.cachedEpoch !== store.epoch) {
      this.cached = store.touch(this.labels)
      this.cachedEpoch = store.epoch
    }
    return this.cached
  }
}
