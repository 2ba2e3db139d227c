/** Metrics of scripts at `/metrics`: added over threads, and kept when a thread is replaced. */

import test from 'ava'
import { StatsArchive } from '../../../cluster/admin/stats-archive.ts'
import type { MetricSnapshot } from '../../../runtime/api/stats/registry.ts'
import { makeScript, startSluice } from '../../support/sluice.ts'

const counter = (value: number): MetricSnapshot[] => [
  { name: 'hits', type: 'counter', labelNames: [], buckets: [], series: [{ labels: [], value, counts: [] }] },
]
const gauge = (value: number): MetricSnapshot[] =>
  counter(value).map(metric => ({ ...metric, type: 'gauge' }))

test('what a thread counted stays counted when it dies or does not answer, what it had open does not', t => {
  const sum = (archive: StatsArchive, ...threads: [number, number, MetricSnapshot[]][]): number | undefined =>
    archive.update(threads.map(([thread, incarnation, stats]) => ({ thread, incarnation, stats })))[0]
      ?.series[0]?.value
  const counted = new StatsArchive()
  t.is(sum(counted, [0, 1, counter(3)], [1, 1, counter(4)]), 7)
  t.is(sum(counted, [1, 1, counter(5)]), 8)
  t.is(sum(counted, [0, 2, counter(0)], [1, 1, counter(5)]), 8)
  t.is(sum(counted, [0, 3, counter(1)]), 9)
  const open = new StatsArchive()
  t.is(sum(open, [0, 1, gauge(3)], [1, 1, gauge(4)]), 7)
  t.is(sum(open, [0, 2, gauge(1)]), 5)
})

test("a script's counter is at the admin port, added over threads", async t => {
  const script = makeScript(
    t,
    `import { Message, sluice, stats } from 'sluice'
    const seen = new stats.Counter('seen', ['path'])
    export default sluice().listen(0).serveHTTP(req => {
      seen.withLabels(req.head.path).increase()
      return new Message('ok')
    })`,
  )
  const sluice = startSluice(t, [script, '--threads=2', '--admin-port=0'])
  const admin = await sluice.line(/^Admin on/)
  const port = await sluice.port()
  for (let i = 0; i < 10; i++)
    await fetch(`http://127.0.0.1:${port}/x`, { headers: { connection: 'close' } }).then(r => r.text())
  const text = await fetch(`${/http:\S+/.exec(admin.message)?.[0]}/metrics`).then(r => r.text())
  t.regex(text, /^seen\{path="\/x"\} 10$/m)
})
