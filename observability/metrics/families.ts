import type { MetricSnapshot, MetricType } from '../../runtime/api/stats/registry.ts'
import { ownMetrics } from './catalogue.ts'

/** A metric with all that is shown of it. */
export interface MetricFamily extends MetricSnapshot {
  readonly help: string
  /** The name that OpenTelemetry has for it. */
  readonly otelName: string
  readonly unit: string
}

/** Metrics as they are told: Sluice's own by the catalogue, in its order, then those of the script. Empty ones are left out. */
export function familiesOf(metrics: readonly MetricSnapshot[]): MetricFamily[] {
  const byName = new Map(metrics.map(metric => [metric.name, metric]))
  const own: MetricFamily[] = []
  for (const [name, { help, unit, name: otelName }] of ownMetrics) {
    const metric = byName.get(name)
    if (metric !== undefined && metric.series.length > 0) own.push({ ...metric, help, unit, otelName })
  }
  const scripts = metrics.filter(({ name, series }) => !ownMetrics.has(name) && series.length > 0)
  const taken = new Set(own.flatMap(({ name, type }) => samplesOf(name, type)))
  return [
    ...own,
    ...scripts.map(metric => ({
      ...metric,
      name: freeName(validName(metric.name), metric.type, taken),
      labelNames: labelsOf(metric),
      otelName: metric.name,
      unit: '',
      help: `Declared by the script as stats.${metric.type[0]?.toUpperCase()}${metric.type.slice(1)}.`,
    })),
  ]
}

/** Scripts name metrics as they like; Prometheus does not. */
const validName = (name: string): string => name.replace(/[^\w:]/g, '_').replace(/^(?=\d)/, '_')

/** Two names may become the same: the later one gets another, since a name that comes twice costs the whole scrape. */
function freeName(name: string, type: MetricType, taken: Set<string>): string {
  let free = name
  for (let i = 2; samplesOf(free, type).some(sample => taken.has(sample)); i++) free = `${name}_${i}`
  for (const sample of samplesOf(free, type)) taken.add(sample)
  return free
}

/** What the samples of a metric are called, in either form. */
const samplesOf = (name: string, type: MetricType): readonly string[] =>
  type === 'histogram'
    ? [name, `${name}_bucket`, `${name}_sum`, `${name}_count`]
    : type === 'counter'
      ? [name, name.replace(/_total$/, ''), `${name.replace(/_total$/, '')}_total`]
      : [name]

/** Labels have no colons, those that begin with two underscores are Prometheus' own, and so is that of a bucket. */
function labelsOf({ labelNames, type }: MetricSnapshot): string[] {
  const taken = new Set(type === 'histogram' ? ['le'] : [])
  return labelNames.map(given => {
    const name = validName(given)
      .replaceAll(':', '_')
      .replace(/^_{2,}/, '_')
    let free = name
    for (let i = 2; taken.has(free); i++) free = `${name}_${i}`
    taken.add(free)
    return free
  })
}

/** A metric with one value and no labels, or with rows of labels and value. */
export function snapshotOf(
  name: string,
  rows: number | readonly (readonly [labels: readonly (string | number)[], value: number])[],
): MetricSnapshot {
  const entry = ownMetrics.get(name)
  if (entry === undefined) throw new TypeError(`'${name}' is not in the catalogue`)
  const list = typeof rows === 'number' ? ([[[], rows]] as const) : rows
  return {
    name,
    type: entry.type,
    labelNames: entry.labels,
    buckets: [],
    series: list.map(([labels, value]) => ({ labels: labels.map(String), value, counts: [] })),
  }
}
