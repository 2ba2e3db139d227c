/** Counters, gauges and histograms of a script, in one thread and over several. */

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test from 'ava'
import fc from 'fast-check'
import * as stats from '../../../runtime/api/stats/index.ts'
import { mergeSnapshots } from '../../../runtime/api/stats/merge.ts'
import { type MetricSnapshot, maxSeries, statsRegistry } from '../../../runtime/api/stats/registry.ts'

const snapshotOf = (name: string): MetricSnapshot | undefined =>
  statsRegistry.snapshot().find(metric => metric.name === name)
const values = (name: string): Record<string, number> =>
  Object.fromEntries(snapshotOf(name)?.series.map(({ labels, value }) => [labels.join(' '), value]) ?? [])

test('a counter counts by its labels', t => {
  const counter = new stats.Counter('requests', ['method', 'status'])
  counter.withLabels('GET', 200).increase()
  counter.withLabels('GET').withLabels('200').increase(2)
  counter.withLabels('POST', undefined).increase()
  t.is(counter.name, 'requests')
  t.is(counter.withLabels('GET', '200'), counter.withLabels('GET', '200'), 'made once')
  t.deepEqual(values('requests'), { 'GET 200': 3, 'POST ': 1 })
  counter.withLabels('GET', 200).zero()
  t.deepEqual(values('requests'), { 'GET 200': 0, 'POST ': 1 })
  counter.withLabels('GET').clear()
  t.deepEqual(values('requests'), { 'POST ': 1 })
  const kept = counter.withLabels('POST', '')
  counter.clear()
  t.deepEqual(values('requests'), {})
  kept.increase()
  t.deepEqual(values('requests'), { 'POST ': 1 })
})

test('one without labels is there from the start', t => {
  const gauge = new stats.Gauge('active')
  t.deepEqual(values('active'), { '': 0 })
  gauge.set(7)
  gauge.increase()
  gauge.decrease(3)
  t.deepEqual(values('active'), { '': 5 })
  gauge.zero()
  t.deepEqual(values('active'), { '': 0 })
  new stats.Gauge('by_label', ['a'])
  t.deepEqual(values('by_label'), {})
})

test('a histogram puts each sample in the first bucket that holds it', t => {
  const histogram = new stats.Histogram('latency', [1, 10, Number.POSITIVE_INFINITY], ['route'])
  for (const sample of [0, 1, 1.5, 10, 11, 100]) histogram.withLabels('/').observe(sample)
  t.like(snapshotOf('latency'), {
    type: 'histogram',
    buckets: [1, 10],
    series: [{ labels: ['/'], value: 123.5, counts: [2, 2, 2] }],
  })
  histogram.withLabels('/').zero()
  t.like(snapshotOf('latency'), { series: [{ value: 0, counts: [0, 0, 0] }] })
})

test('a metric declared again goes on, and starts over when it is declared otherwise', t => {
  new stats.Counter('again', ['a']).withLabels('x').increase()
  new stats.Counter('again', ['a']).withLabels('x').increase()
  t.deepEqual(values('again'), { x: 2 })
  new stats.Counter('again', ['b'])
  t.deepEqual(values('again'), {})
  new stats.Gauge('again')
  t.is(snapshotOf('again')?.type, 'gauge')
})

test('labels without end are counted together', t => {
  const counter = new stats.Counter('endless', ['id'])
  for (let i = 0; i < maxSeries + 500; i++) counter.withLabels(i).increase()
  const series = snapshotOf('endless')?.series ?? []
  t.is(series.length, maxSeries + 1)
  t.deepEqual(series.at(-1), { labels: ['overflow'], value: 500, counts: [] })
  const pairs = new stats.Counter('pairs', ['a', 'b'])
  for (let i = 0; i < maxSeries + 500; i++) pairs.withLabels('overflow', String(i)).increase()
  t.true(
    (snapshotOf('pairs')?.series.length ?? 0) <= maxSeries + 1,
    'also where a client says that it is what is over',
  )
})

test('labels that are cut out of long texts keep none of them alive, and long ones are cut', t => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const one = new stats.Counter('slices', ['path'])
  const two = new stats.Counter('pairs_of_slices', ['method', 'path'])
  collect()
  const before = process.memoryUsage().heapUsed
  for (let i = 0; i < 1000; i++) {
    // As a path is a part of the head that it came in.
    const head = Buffer.alloc(100_000, `GET /path/number/${i} HTTP/1.1\r\n`).toString('latin1')
    one.withLabels(head.slice(4, 30)).increase()
    two.withLabels('GET', head.slice(4, 30)).increase()
  }
  collect()
  t.true(process.memoryUsage().heapUsed - before < 20_000_000)
  const long = new stats.Counter('long', ['text'])
  long.withLabels('x'.repeat(5000)).increase()
  long.withLabels('x'.repeat(6000)).increase()
  long.withLabels('ü€'.repeat(400)).increase()
  t.deepEqual(
    snapshotOf('long')?.series.map(({ labels: [text = ''], value }) => [text.length, text.slice(-1), value]),
    [
      [1024, '…', 2],
      [800, '€', 1],
    ],
  )
})

test('what cannot be a metric is refused', t => {
  t.throws(() => new stats.Counter('sluice_x'), { message: /begins with 'sluice_'/ })
  t.throws(() => new stats.Counter(7 as never), { message: /got 7/ })
  t.throws(() => new stats.Counter('x', 'a' as never), { message: /array of label names/ })
  t.throws(() => new stats.Histogram('h', [2, 1]), { message: /ascending order/ })
  t.throws(() => new stats.Histogram('h', []), { message: /ascending order/ })
})

test('the values of threads are added, series by series', t => {
  const series = fc.record({
    labels: fc.tuple(fc.constantFrom('a', 'b', 'c')),
    value: fc.nat(),
    counts: fc.tuple(fc.nat(), fc.nat()),
  })
  const thread = fc.uniqueArray(series, { selector: one => one.labels[0] })
  fc.assert(
    fc.property(fc.array(thread), threads => {
      const shape = { name: 'h', type: 'histogram', labelNames: ['x'], buckets: [1] } as const
      const merged = mergeSnapshots(threads.map(rows => [{ ...shape, series: rows }]))
      for (const label of ['a', 'b', 'c']) {
        const rows = threads.flat().filter(row => row.labels[0] === label)
        const row = merged[0]?.series.find(one => one.labels[0] === label)
        t.is(row === undefined, rows.length === 0)
        if (row === undefined) continue
        t.is(
          row.value,
          rows.reduce((sum, one) => sum + one.value, 0),
        )
        t.is(
          row.counts[1],
          rows.reduce((sum, one) => sum + one.counts[1], 0),
        )
      }
    }),
  )
  const gauge: MetricSnapshot = { name: 'h', type: 'gauge', labelNames: [], buckets: [], series: [] }
  t.is(mergeSnapshots([[gauge], [{ ...gauge, type: 'counter' }]])[0]?.type, 'gauge')
})
