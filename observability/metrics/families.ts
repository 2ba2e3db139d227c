import type { MetricSnapshot } from '../../runtime/api/stats/registry.ts'
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
  return [
    ...own,
    ...scripts.map(metric => ({
      ...metric,
      name: validName(metric.name),
      labelNames: metric.labelNames.map(validName),
      otelName: metric.name,
      unit: '',
      help: `Declared by the script as stats.${metric.type[0]?.toUpperCase()}${metric.type.slice(1)}.`,
    })),
  ]
}

/** Scripts name metrics as they like; Prometheus does not. */
const validName = (name: string): string => name.replace(/[^\w:]/g, '_').replace(/^(?=\d)/, '_')

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
