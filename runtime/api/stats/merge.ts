import type { MetricSnapshot } from './registry.ts'

type Row = { labels: readonly string[]; value: number; counts: number[] }

/**
 * The snapshots of several threads as one: values of the same name and labels are added. Where threads have declared
 * a name in different ways, as while a script is reloaded, the first one's way is taken.
 */
export function mergeSnapshots(threads: readonly (readonly MetricSnapshot[])[]): MetricSnapshot[] {
  const merged = new Map<string, { first: MetricSnapshot; rows: Map<string, Row> }>()
  for (const metric of threads.flat()) {
    const entry = merged.get(metric.name) ?? { first: metric, rows: new Map<string, Row>() }
    merged.set(metric.name, entry)
    if (!isSameKind(metric, entry.first)) continue
    for (const { labels, value, counts } of metric.series) {
      const key = labels.join('\0')
      const row = entry.rows.get(key)
      if (row === undefined) entry.rows.set(key, { labels, value, counts: [...counts] })
      else {
        row.value += value
        for (const [i, count] of counts.entries()) row.counts[i] = (row.counts[i] as number) + count
      }
    }
  }
  return [...merged.values()].map(({ first, rows }) => ({ ...first, series: [...rows.values()] }))
}

const isSameKind = (a: MetricSnapshot, b: MetricSnapshot): boolean =>
  a.type === b.type &&
  String(a.labelNames) === String(b.labelNames) &&
  String(a.buckets) === String(b.buckets)
