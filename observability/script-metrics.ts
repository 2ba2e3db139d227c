import type { MetricSnapshot } from '../runtime/api/stats/registry.ts'
import type { MetricFamily, MetricSample } from './prometheus.ts'

/** The metrics of scripts in the form of Prometheus. */
export const scriptMetrics = (metrics: readonly MetricSnapshot[]): MetricFamily[] =>
  metrics.map(metric => ({
    name: nameOf(metric.name),
    help: helpOf(metric),
    type: metric.type,
    samples: metric.series.flatMap(series => samplesOf(metric, series)),
  }))

const ownHelp: Readonly<Record<string, string>> = {
  sluice_log_records_written_total: 'Records of loggers that their target has taken.',
  sluice_log_records_dropped_total: 'Records of loggers that were dropped, by target and reason.',
}

const helpOf = ({ name, type }: MetricSnapshot): string =>
  ownHelp[name] ?? `Declared by the script as stats.${type[0]?.toUpperCase()}${type.slice(1)}.`

function samplesOf(metric: MetricSnapshot, series: MetricSnapshot['series'][number]): MetricSample[] {
  const labels: Record<string, string> = {}
  for (const [i, label] of series.labels.entries()) labels[nameOf(metric.labelNames[i] as string)] = label
  if (metric.type !== 'histogram') return [{ labels, value: series.value }]
  let count = 0
  const buckets = series.counts.map((inBucket, i): MetricSample => {
    count += inBucket
    return { labels: { ...labels, le: metric.buckets[i] ?? '+Inf' }, value: count, suffix: '_bucket' }
  })
  return [
    ...buckets,
    { labels, value: series.value, suffix: '_sum' },
    { labels, value: count, suffix: '_count' },
  ]
}

/** Scripts name metrics as they like; Prometheus does not. */
const nameOf = (name: string): string => name.replace(/[^\w:]/g, '_').replace(/^(?=\d)/, '_')
