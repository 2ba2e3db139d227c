import type { Exemplar, MetricSnapshot } from './registry.ts'

type Row = {
  labels: readonly string[]
  value: number
  counts: number[]
  exemplars?: (Exemplar | undefined)[]
}

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
    for (const { labels, value, counts, exemplars } of metric.series) {
      const key = labels.join('\0')
      let row = entry.rows.get(key)
      if (row === undefined) {
        row = { labels, value, counts: [...counts] }
        entry.rows.set(key, row)
      } else {
        row.value += value
        for (const [i, count] of counts.entries()) row.counts[i] = (row.counts[i] as number) + count
      }
      if (exemplars !== undefined) row.exemplars = latest(row.exemplars, exemplars)
    }
  }
  return [...merged.values()].map(({ first, rows }) => ({ ...first, series: [...rows.values()] }))
}

/** Of each bucket the exemplar that is youngest. */
const latest = (
  a: readonly (Exemplar | undefined)[] | undefined,
  b: readonly (Exemplar | undefined)[],
): (Exemplar | undefined)[] =>
  a === undefined ? [...b] : b.map((each, i) => ((each?.timeMs ?? 0) > (a[i]?.timeMs ?? 0) ? each : a[i]))

const isSameKind = (a: MetricSnapshot, b: MetricSnapshot): boolean =>
  a.type === b.type &&
  String(a.labelNames) === String(b.labelNames) &&
  String(a.buckets) === String(b.buckets)
