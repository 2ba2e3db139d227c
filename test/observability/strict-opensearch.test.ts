/**
 * The strict server as OpenSearch, in the hands of the official client: that it is content is the only proof there can be here.
 * And our sink with it, which sends nothing that only Elasticsearch knows.
 */

import { Client } from '@opensearch-project/opensearch'
import test, { type ExecutionContext } from 'ava'
import { Client as Client9 } from 'es9'
import { everyThirdItem, type StrictElasticsearch, whole } from '../support/elasticsearch/index.ts'
import { startElasticsearch } from '../support/elasticsearch.ts'
import { entries, openSink } from '../support/sinks.ts'

const now = '2026-11-21T10:00:00Z'
const dataStream = 'logs-traffic-default'

const start = (t: ExecutionContext): Promise<StrictElasticsearch> =>
  startElasticsearch(t, { isOpenSearch: true })

const documents = (count: number): object[] =>
  Array.from({ length: count }, (_, n) => ({ '@timestamp': now, n }))

/** Writes documents by the client's own helper, each with its number as its id. */
const bulk = (client: Client, index: string, datasource: object[], dropped: number[] = []) =>
  client.helpers.bulk({
    datasource,
    onDocument: (document: unknown) => ({
      create: { _index: index, _id: String((document as { n?: number }).n) },
    }),
    onDrop: drop => dropped.push(drop.status),
    wait: 1,
    retries: 3,
  })

test('the client sets up a data stream, stores documents by bulk, and finds and counts them', async t => {
  const server = await start(t)
  const client = new Client({ node: server.url })
  t.is((await client.info()).body.version.distribution, 'opensearch')
  await client.indices.putIndexTemplate({
    name: 'numbers',
    body: {
      index_patterns: ['numbers-*'],
      data_stream: {},
      priority: 500,
      template: { mappings: { properties: { n: { type: 'long' } } } },
    },
  })
  await client.indices.createDataStream({ name: 'numbers-one' })
  const dropped: number[] = []
  const all = [...documents(25), ...documents(1), { '@timestamp': now, n: 'many' }]
  t.like(await bulk(client, 'numbers-one', all, dropped), { total: 27, successful: 25, failed: 2 })
  t.deepEqual(dropped, [409, 400])
  t.is((await client.count({ index: 'numbers-one' })).body.count, 25)
  const found = await client.search({ index: 'numbers-*', body: { query: { term: { n: { value: 7 } } } } })
  t.deepEqual(
    found.body.hits.hits.map(hit => hit._id),
    ['7'],
  )
})

test('the client is refused as it expects: a whole 503, each third item', async t => {
  const server = await start(t)
  const client = new Client({ node: server.url, maxRetries: 3 })
  server.faults = [whole(503, { times: 2 })]
  t.like(await bulk(client, 'one', documents(3)), { successful: 3 })
  server.faults = [everyThirdItem(400)]
  const dropped: number[] = []
  await bulk(client, 'two', documents(9), dropped)
  t.deepEqual(dropped, [400, 400, 400])
})

test('a client of Elasticsearch finds that it is none', async t => {
  const server = await start(t)
  await t.throwsAsync(new Client9({ node: server.url }).count())
})

test('the sink sets up its data stream there, and writes to it', async t => {
  const server = await start(t)
  const sink = openSink(t, 'elasticsearch', {
    node: server.url,
    dataStream,
    template: true,
    batchCount: 20,
    batchInterval: '5ms',
  })
  sink.write(...entries(50))
  await sink.untilSettled(50)
  t.like(sink.row, { accepted: 50, delivered: 50 })
  t.true(server.store.indices.get(dataStream)?.isDataStream)
  const client = new Client({ node: server.url })
  t.is((await client.count({ index: dataStream })).body.count, 50)
})

test('compatibleWith is refused there, which is told, and documents wait', async t => {
  const server = await start(t)
  const sink = openSink(t, 'elasticsearch', {
    node: server.url,
    dataStream,
    compatibleWith: 9,
    batchCount: 20,
    batchInterval: '5ms',
    retryDelay: '2ms',
  })
  sink.write(...entries(1))
  const line = await sink.logs.next(({ message }) => /406/.test(message))
  t.regex(line.message, /not supported/)
})
