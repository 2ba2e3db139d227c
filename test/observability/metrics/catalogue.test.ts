/** What a running node tells at `/metrics` is what the catalogue says, both ways. */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { catalogue, ownMetrics, prometheusName } from '../../../observability/metrics/catalogue.ts'
import { eventually } from '../../support/eventually.ts'
import { type ReadFamily, readExposition } from '../../support/exposition.ts'
import { startNatsServer } from '../../support/nats-server.ts'
import { OtlpReceiver } from '../../support/otlp-receiver.ts'
import { makeScript, type SluiceProcess, startSluice } from '../../support/sluice.ts'

const script = (origin: number): string => `
  import { logging, Message, sluice, stats } from 'sluice'
  const log = new logging.JSONLogger('audit').toFile('/dev/null')
  const orders = new stats.Counter('orders', ['kind'])
  export default sluice()
    .listen('127.0.0.1:0')
    .demuxHTTP().to($ => $
      .handleMessageStart(({ head }) => { orders.withLabels('a').increase(); log.log({ path: head.path })
        if (head.path === '/die') setTimeout(() => { throw new Error('as it was told') }) })
      .fork().to('log')
      .branch(
        ctx => false, $ => $,
        $ => $.muxHTTP(() => 'origin').to($ => $.connect('127.0.0.1:${origin}'))))
    .pipeline('log', { placement: 'node' })
      .replaceMessage(({ head }) => {
        if (head.path === '/fail') throw new Error('as it was told')
        return new Message({ id: 1 }, JSON.stringify({ path: head.path }))
      })
      .sink('file', { path: '/dev/null' })`

async function startOrigin(t: ExecutionContext): Promise<number> {
  const server = createServer((_, response) => response.end('hello'))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

const adminOf = async (sluice: SluiceProcess): Promise<string> =>
  /http:\S+/.exec((await sluice.line(/^Admin on/)).message)?.[0] as string

const scrape = async (admin: string): Promise<Map<string, ReadFamily>> =>
  readExposition(await (await fetch(`${admin}/metrics`)).text(), false)

/** What needs a fault that these tests do not make. */
const needsFault = new Set([
  'sluice.edge.dropped',
  'sluice.upstream.failed',
  'sluice.log_records.dropped',
  'sluice.telemetry.dropped',
])

/** What the catalogue has and a scrape does not. */
const absent = (families: ReadonlyMap<string, ReadFamily>): string[] =>
  catalogue
    .filter(entry => !families.has(prometheusName(entry)) && !needsFault.has(entry.name))
    .map(({ name }) => name)

test('a node shows what the catalogue has, with the labels that it says, and nothing else of its own', async t => {
  const origin = await startOrigin(t)
  const nats = await startNatsServer(t)
  const receiver = await OtlpReceiver.start(t)
  const sluice = startSluice(t, [
    makeScript(t, script(origin)),
    '--threads=2',
    '--admin-port=0',
    `--nats=${nats.url}`,
    `--otlp=${receiver.url}`,
    '--trace-sample=1',
  ])
  const admin = await adminOf(sluice)
  const port = await sluice.port()
  for (const path of ['/', '/', '/fail']) await (await fetch(`http://127.0.0.1:${port}${path}`)).text()
  const families = await eventually(
    () => scrape(admin),
    read => absent(read).length === 0,
  )

  const unknown = [...families.keys()].filter(name => name !== 'orders' && !ownMetrics.has(name))
  t.deepEqual(unknown, [])
  for (const [name, { type, help, samples }] of families) {
    const entry = ownMetrics.get(name)
    if (entry === undefined) continue
    t.is(type, entry.type, name)
    t.is(help, entry.help, name)
    for (const { labels } of samples) {
      const { le: _, ...own } = labels
      const beyond = Object.keys(own).filter(label => !entry.labels.includes(label))
      t.deepEqual(beyond, [], name)
    }
  }
  const sampleOf = (name: string, labels: Record<string, string> = {}): number | undefined =>
    families
      .get(name.replace(/_(count|sum|bucket)$/, ''))
      ?.samples.find(
        sample =>
          sample.name === name &&
          Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
      )?.value
  const ok = { http_request_method: 'GET', http_response_status_code: '200' }
  t.is(sampleOf('http_server_request_duration_seconds_count', { ...ok, server_port: String(port) }), 3)
  t.is(sampleOf('http_client_request_duration_seconds_count', { ...ok, server_port: String(origin) }), 3)
  t.is(sampleOf('http_server_active_requests'), 0)
  t.is(sampleOf('http_client_active_requests'), 0)
  t.is(sampleOf('orders', { kind: 'a' }), 3)
  t.true((sampleOf('sluice_listener_accepted_total', { port: String(port) }) ?? 0) >= 1)
  t.true((sampleOf('sluice_upstream_opened_total', { server_port: String(origin) }) ?? 0) >= 1)
  t.is(sampleOf('sluice_actor_restarts_total', { pipeline: 'log' }), 1)
  t.is(sampleOf('sluice_cluster_connected'), 1)
})

test('a collector gets the same metrics, with the names of the conventions, and once more at the end', async t => {
  const origin = await startOrigin(t)
  const receiver = await OtlpReceiver.start(t)
  const sluice = startSluice(t, [makeScript(t, script(origin)), `--otlp=${receiver.url}`], {
    env: { OTEL_METRIC_EXPORT_INTERVAL: '100' },
  })
  const port = await sluice.port()
  await (await fetch(`http://127.0.0.1:${port}/`)).text()
  const duration = await receiver.metrics.next(
    ({ name, points }) => name === 'http.server.request.duration' && points.some(({ count }) => count === 1),
  )
  t.is(duration.unit, 's')
  t.like(duration.points[0]?.attributes, {
    'http.request.method': 'GET',
    'http.response.status_code': 200,
    'server.port': port,
  })
  t.is(
    duration.points[0]?.bucketCounts.reduce((sum, each) => sum + each, 0),
    1,
  )
  await (await fetch(`http://127.0.0.1:${port}/`)).text()
  sluice.signal('SIGTERM')
  const last = await receiver.metrics.next(
    ({ name, points }) => name === 'http.server.request.duration' && points.some(({ count }) => count === 2),
  )
  t.is(last.resource['service.name'], 'sluice')
  t.is((await sluice.exited).code, 0)
})

test('a request that is traced is the exemplar of its bucket', async t => {
  const origin = await startOrigin(t)
  const receiver = await OtlpReceiver.start(t)
  const sluice = startSluice(t, [
    makeScript(t, script(origin)),
    '--admin-port=0',
    `--otlp=${receiver.url}`,
    '--trace-sample=0',
  ])
  const admin = await adminOf(sluice)
  const port = await sluice.port()
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  await (await fetch(`http://127.0.0.1:${port}/`)).text()
  await (
    await fetch(`http://127.0.0.1:${port}/`, {
      headers: { traceparent: `00-${traceId}-b7ad6b7169203331-01` },
    })
  ).text()
  const text = await (
    await fetch(`${admin}/metrics`, { headers: { accept: 'application/openmetrics-text' } })
  ).text()
  const exemplars = readExposition(text, true)
    .get('http_server_request_duration_seconds')
    ?.samples.flatMap(({ exemplar }) => exemplar?.trace_id ?? [])
  t.deepEqual(exemplars, [traceId])
})

test('a counter goes on over a reload of the script and the death of a thread', async t => {
  const origin = await startOrigin(t)
  const sluice = startSluice(t, [makeScript(t, script(origin)), '--admin-port=0', '--log-level=debug'])
  const admin = await adminOf(sluice)
  const port = await sluice.port()
  const forked = async (): Promise<number | undefined> =>
    (await scrape(admin))
      .get('sluice_edge_accepted_total')
      ?.samples.find(({ labels }) => labels.kind === 'fork')?.value
  const ask = async (): Promise<void> =>
    void (await (await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })).text())
  await ask()
  t.is(await forked(), 1)
  sluice.signal('SIGHUP')
  await sluice.line(/^Reloaded/)
  await ask()
  t.is(await forked(), 2)
  await fetch(`http://127.0.0.1:${port}/die`).catch(() => undefined)
  await sluice.line(/ThreadReady/)
  await ask()
  // What the thread counted after it was last looked at went with it.
  t.is(await forked(), 3)
})
