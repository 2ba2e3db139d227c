/**
 * Metrics as text: Prometheus' exposition format 0.0.4, and OpenMetrics 1.0, which has exemplars (the trace of one request
 * in each bucket of a histogram).
 */

import type { Exemplar } from '../../runtime/api/stats/registry.ts'
import type { MetricFamily } from './families.ts'

export interface Exposition {
  readonly contentType: string
  readonly text: string
}

/** In the form that a scraper asks for by its field Accept: OpenMetrics if it takes that, else Prometheus' own. */
export function expose(families: readonly MetricFamily[], accept: string | undefined): Exposition {
  return accept?.includes('application/openmetrics-text') === true
    ? {
        contentType: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
        text: `${families.map(family => textOf(family, true)).join('')}# EOF\n`,
      }
    : {
        contentType: 'text/plain; version=0.0.4; charset=utf-8',
        text: families.map(family => textOf(family, false)).join(''),
      }
}

function textOf(family: MetricFamily, isOpen: boolean): string {
  const { name, type, help } = family
  // OpenMetrics has the name of a counter without its end, and every sample of one with it.
  const base = isOpen && type === 'counter' ? name.replace(/_total$/, '') : name
  const head = `# HELP ${base} ${escapeHelp(help, isOpen)}\n# TYPE ${base} ${type}\n`
  const sample = type === 'counter' && isOpen ? `${base}_total` : name
  return head + family.series.map(series => samplesOf(family, series, sample, isOpen)).join('')
}

type Series = MetricFamily['series'][number]

function samplesOf(family: MetricFamily, series: Series, name: string, isOpen: boolean): string {
  const labels = family.labelNames.map((label, i): [string, string] => [label, series.labels[i] ?? ''])
  if (family.type !== 'histogram') return `${name}${labelsOf(labels)} ${series.value}\n`
  let text = ''
  let count = 0
  for (const [i, inBucket] of series.counts.entries()) {
    count += inBucket
    const limit = family.buckets[i]
    const le = limit === undefined ? '+Inf' : isOpen && Number.isInteger(limit) ? `${limit}.0` : String(limit)
    const exemplar = isOpen ? exemplarOf(series.exemplars?.[i]) : ''
    text += `${name}_bucket${labelsOf([...labels, ['le', le]])} ${count}${exemplar}\n`
  }
  const own = labelsOf(labels)
  return `${text}${name}_sum${own} ${series.value}\n${name}_count${own} ${count}\n`
}

const exemplarOf = (exemplar: Exemplar | undefined): string => {
  if (exemplar === undefined) return ''
  const [, traceId, spanId] = exemplar.traceparent.split('-')
  return ` # {trace_id="${traceId}",span_id="${spanId}"} ${exemplar.value} ${exemplar.timeMs / 1000}`
}

/** Labels without a value are as good as absent, and are. */
function labelsOf(labels: readonly (readonly [name: string, value: string])[]): string {
  const pairs = labels
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

const escapeLabel = (value: string): string =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')

const escapeHelp = (help: string, isOpen: boolean): string => {
  const text = help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
  return isOpen ? text.replaceAll('"', '\\"') : text
}
