import { TrafficError } from '../../errors.ts'
import { show } from '../../options.ts'

export type MetricType = 'counter' | 'gauge' | 'histogram'

/** One line of values: those of one combination of labels. The same shape for all types. */
export interface Series {
  readonly labels: readonly string[]
  /** Of a counter or gauge; of a histogram the sum of what was observed. */
  value: number
  /** Of a histogram: observations in each bucket, and last those above all. */
  readonly counts: number[]
  /** False until it has been given a value: not shown then, unless it is all there is. */
  isTouched: boolean
  /** Of a histogram: the last traced observation of each bucket; null when none was. */
  exemplars: (Exemplar | undefined)[] | null
}

/** One observation by name: the trace that it was made in. */
export interface Exemplar {
  readonly value: number
  readonly timeMs: number
  /** As in the header `traceparent`. */
  readonly traceparent: string
}

/** All values of one metric at a time, as plain data that can cross threads. */
export interface MetricSnapshot {
  readonly name: string
  readonly type: MetricType
  readonly labelNames: readonly string[]
  /** Upper limits of a histogram's buckets. */
  readonly buckets: readonly number[]
  readonly series: readonly {
    readonly labels: readonly string[]
    readonly value: number
    readonly counts: readonly number[]
    readonly exemplars?: readonly (Exemplar | undefined)[] | undefined
  }[]
}

/** Combinations of labels kept for one metric; more are counted together, as labels that clients choose have no end. */
export const maxSeries = 10_000
/** The label of those that are. */
const overflowLabel = 'overflow'

/** What `Metric` objects of the same name write to. */
export class MetricStore {
  readonly name: string
  readonly type: MetricType
  readonly labelNames: readonly string[]
  readonly buckets: readonly number[]
  /** Grows when series are taken out: who remembers one looks it up again. */
  epoch = 0
  private readonly series = new Map<string, Series>()

  constructor(name: string, type: MetricType, labelNames: readonly string[], buckets: readonly number[]) {
    this.name = name
    this.type = type
    this.labelNames = labelNames
    this.buckets = buckets
  }

  /** The values of a combination of labels. */
  of(labels: readonly string[]): Series {
    const key = labels.join('\0')
    const known = this.series.get(key)
    if (known !== undefined) return known
    // All of them: any one may be what a client has sent.
    if (this.series.size >= maxSeries && labels.some(label => label !== overflowLabel))
      return this.of(this.labelNames.map(() => overflowLabel))
    const counts = this.type === 'histogram' ? new Array<number>(this.buckets.length + 1).fill(0) : []
    const series: Series = { labels, value: 0, counts, isTouched: false, exemplars: null }
    this.series.set(key, series)
    return series
  }

  /** The same, to be shown from now on, whatever its values. */
  touch(labels: readonly string[]): Series {
    const series = this.of(labels)
    series.isTouched = true
    return series
  }

  /** Forgets the values of all combinations that begin with these labels. */
  clear(labels: readonly string[]): void {
    for (const [key, series] of this.series)
      if (labels.every((label, i) => series.labels[i] === label)) this.series.delete(key)
    this.epoch++
  }

  isLike(type: MetricType, labelNames: readonly string[], buckets: readonly number[]): boolean {
    return type === this.type && isSame(labelNames, this.labelNames) && isSame(buckets, this.buckets)
  }

  snapshot(): MetricSnapshot {
    const { name, type, labelNames, buckets } = this
    const shown = [...this.series.values()].filter(series => series.isTouched || labelNames.length === 0)
    return {
      name,
      type,
      labelNames,
      buckets,
      series: shown.map(({ labels, value, counts, exemplars }) => ({
        labels,
        value,
        counts: [...counts],
        ...(exemplars === null ? undefined : { exemplars: [...exemplars] }),
      })),
    }
  }
}

/** Counts one sample of a histogram. Gives the bucket that it fell into. */
export function observe(series: Series, buckets: readonly number[], sample: number): number {
  let bucket = 0
  while (bucket < buckets.length && !(sample <= (buckets[bucket] as number))) bucket++
  series.counts[bucket] = (series.counts[bucket] as number) + 1
  series.value += sample
  return bucket
}

const isSame = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((value, i) => value === b[i])

/**
 * The metrics of this thread. One that is declared again, as a script does when it is loaded anew, goes on with its
 * values if it is declared the same way, and starts over if it is not.
 */
class StatsRegistry {
  private readonly stores = new Map<string, MetricStore>()

  define(
    name: string,
    type: MetricType,
    labelNames: readonly string[] = [],
    buckets: readonly number[] = [],
  ): MetricStore {
    if (typeof name !== 'string' || !/^[a-z_:]/i.test(name))
      throw new TrafficError(
        'BadOption',
        `a metric wants a name that begins with a letter, and got ${show(name)}`,
      )
    if (!Array.isArray(labelNames) || labelNames.some(label => typeof label !== 'string'))
      throw new TrafficError('BadOption', `the metric ${name} wants an array of label names`)
    const known = this.stores.get(name)
    if (known?.isLike(type, labelNames, buckets)) return known
    const store = new MetricStore(name, type, [...labelNames], [...buckets])
    this.stores.set(name, store)
    return store
  }

  snapshot(): MetricSnapshot[] {
    return [...this.stores.values()].map(store => store.snapshot())
  }
}

export const statsRegistry = new StatsRegistry()

/** Names that Sluice's own metrics begin with. */
const ownPrefixes = ['sluice_', 'http_server_', 'http_client_']

/** @throws TrafficError `BadOption` when a script's metric would be taken for one of Sluice's own. */
export function checkName(name: unknown): void {
  const prefix = typeof name === 'string' && ownPrefixes.find(each => name.startsWith(each))
  if (prefix)
    throw new TrafficError(
      'BadOption',
      `the metric ${name} has a name that begins with '${prefix}'; take another`,
    )
}
