/** The text of `/metrics`, in both forms, read by a strict reader. */

import test from 'ava'
import { expose } from '../../../observability/metrics/exposition.ts'
import { familiesOf } from '../../../observability/metrics/families.ts'
import type { MetricSnapshot } from '../../../runtime/api/stats/registry.ts'
import { readExposition } from '../../support/exposition.ts'

const latency: MetricSnapshot = {
  name: 'my-latency',
  type: 'histogram',
  labelNames: ['route.name', '2nd'],
  buckets: [1, 10],
  series: [
    {
      labels: ['/a"\\\n', ''],
      value: 17.5,
      counts: [1, 2, 3],
      exemplars: [
        undefined,
        { value: 2.5, timeMs: 1_700_000_000_500, traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` },
        undefined,
      ],
    },
  ],
}
const restarts: MetricSnapshot = {
  name: 'sluice_thread_restarts_total',
  type: 'counter',
  labelNames: [],
  buckets: [],
  series: [{ labels: [], value: 7, counts: [] }],
}
const nothing: MetricSnapshot = { ...restarts, name: 'sluice_dead_letters_total', series: [] }

test('a histogram has cumulative buckets, names are as Prometheus wants them, and labels without a value are left out', t => {
  const { text, contentType } = expose(familiesOf([latency]), undefined)
  t.is(contentType, 'text/plain; version=0.0.4; charset=utf-8')
  t.deepEqual(text.split('\n').slice(1, -1), [
    '# TYPE my_latency histogram',
    'my_latency_bucket{route_name="/a\\"\\\\\\n",le="1"} 1',
    'my_latency_bucket{route_name="/a\\"\\\\\\n",le="10"} 3',
    'my_latency_bucket{route_name="/a\\"\\\\\\n",le="+Inf"} 6',
    'my_latency_sum{route_name="/a\\"\\\\\\n"} 17.5',
    'my_latency_count{route_name="/a\\"\\\\\\n"} 6',
  ])
  t.is(readExposition(text, false).get('my_latency')?.samples[0]?.labels.route_name, '/a"\\\n')
})

test("Sluice's own come first with their help, and what has no values is left out", t => {
  const { text } = expose(familiesOf([latency, nothing, restarts]), 'text/plain')
  t.deepEqual([...readExposition(text, false).keys()], ['sluice_thread_restarts_total', 'my_latency'])
  t.regex(text, /^# HELP sluice_thread_restarts_total Worker threads replaced/)
  t.regex(text, /^sluice_thread_restarts_total 7$/m)
})

test('who asks for OpenMetrics gets it, with the trace of a request in its bucket', t => {
  const { text, contentType } = expose(
    familiesOf([latency, restarts]),
    'application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.1',
  )
  t.is(contentType, 'application/openmetrics-text; version=1.0.0; charset=utf-8')
  const families = readExposition(text, true)
  t.deepEqual([...families.keys()], ['sluice_thread_restarts', 'my_latency'])
  t.is(families.get('sluice_thread_restarts')?.samples[0]?.name, 'sluice_thread_restarts_total')
  t.deepEqual(
    families.get('my_latency')?.samples.map(({ labels, exemplar }) => [labels.le, exemplar]),
    [
      ['1.0', undefined],
      ['10.0', { trace_id: 'a'.repeat(32), span_id: 'b'.repeat(16) }],
      ['+Inf', undefined],
      [undefined, undefined],
      [undefined, undefined],
    ],
  )
})

test('names of a script that Prometheus cannot tell apart, and labels that it has itself, do not break a scrape', t => {
  const counter = (name: string, ...labelNames: string[]): MetricSnapshot => ({
    name,
    type: 'counter',
    labelNames,
    buckets: [],
    series: [{ labels: labelNames.map(() => 'x'), value: 1, counts: [] }],
  })
  const metrics = [
    counter('a-b'),
    counter('a.b'),
    counter('hits'),
    counter('hits_total'),
    counter('my_latency_count'),
    counter('my_latency_bucket'),
    counter('labels', 'x-y', 'x.y', 'x.y', '__name__', 'a:b'),
    { ...latency, labelNames: ['le', '2nd'] },
    restarts,
    { ...counter('sluice_thread_restarts'), type: 'gauge' as const },
  ]
  for (const accept of [undefined, 'application/openmetrics-text']) {
    const { text } = expose(familiesOf(metrics), accept)
    const read = readExposition(text, accept !== undefined)
    t.is(read.size, metrics.length)
    const names = [...read.values()].flatMap(({ samples }) => [...new Set(samples.map(({ name }) => name))])
    t.is(new Set(names).size, names.length, 'no sample could be one of another metric')
  }
})
