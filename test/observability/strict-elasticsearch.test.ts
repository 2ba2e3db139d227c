/**
 * The strict server in the hands of the official clients: that those of two majors are content with it is the only proof
 * there can be here that it speaks Elasticsearch.
 */

import test from 'ava'
import { Client as Client8 } from 'es8'
import { Client as Client9 } from 'es9'
import {
  eachItemAtFirst,
  everyThirdItem,
  halfAnAnswer,
  type StrictElasticsearch,
  slow,
  whole,
} from '../support/elasticsearch/index.ts'
import { startElasticsearch } from '../support/elasticsearch.ts'

const clients = { 8: Client8 as unknown as typeof Client9, 9: Client9 } as const
const majors = [8, 9] as const

const connect = (major: 8 | 9, server: StrictElasticsearch, options: object = {}): Client9 =>
  new clients[major]({ node: server.url, maxRetries: 3, ...options })

const documents = (count: number): object[] =>
  Array.from({ length: count }, (_, n) => ({ '@timestamp': '2026-11-21T10:00:00Z', n }))

const now = '2026-11-21T10:00:00Z'

/** Writes documents by the client's own helper, each with its number as its id. */
const bulk = (client: Client9, index: string, datasource: object[], dropped: unknown[] = []) =>
  client.helpers.bulk<{ n?: number }>({
    datasource: datasource as { n?: number }[],
    onDocument: document => ({ create: { _index: index, _id: String(document.n) } }),
    onDrop: drop => dropped.push({ status: drop.status, document: drop.document }),
    wait: 1,
    retries: 3,
  })

for (const major of majors) {
  const title = (text: string): string => `client of major ${major}: ${text}`

  test(title('stores documents in a data stream by bulk, and finds and counts them'), async t => {
    const server = await startElasticsearch(t, { major })
    const client = connect(major, server)
    const result = await bulk(client, 'logs-test-default', documents(25))
    t.like(result, { total: 25, successful: 25, failed: 0 })
    t.is((await client.count({ index: 'logs-test-default' })).count, 25)
    const found = await client.search({ index: 'logs-*', query: { term: { n: 7 } } })
    t.deepEqual(
      found.hits.hits.map(hit => hit._id),
      ['7'],
    )
    t.is((await client.info()).version.number.split('.')[0], String(major))
  })

  test(title('packs the body, and the server unpacks it'), async t => {
    const server = await startElasticsearch(t, { major })
    await bulk(connect(major, server, { compression: true }), 'logs-test-default', documents(10))
    t.is(server.bulkRequests[0]?.headers['content-encoding'], 'gzip')
    t.is(server.documents('logs-test-default').size, 10)
  })

  test(title('is told of an id that is there already by 409, of a wrong field by 400'), async t => {
    const server = await startElasticsearch(t, { major })
    const client = connect(major, server)
    await client.indices.putIndexTemplate({
      name: 'numbers',
      index_patterns: ['numbers-*'],
      data_stream: {},
      priority: 500,
      template: { mappings: { properties: { n: { type: 'long' } } } },
    })
    await client.indices.createDataStream({ name: 'numbers-one' })
    const dropped: { status: number }[] = []
    const wrong = { '@timestamp': now, n: 'many' }
    await bulk(client, 'numbers-one', [...documents(2), ...documents(1), wrong], dropped)
    t.deepEqual(
      dropped.map(drop => drop.status),
      [409, 400],
    )
    t.is(server.conflicts, 1)
  })

  test(title('may only create in a data stream'), async t => {
    const server = await startElasticsearch(t, { major })
    const client = connect(major, server)
    const answer = await client.bulk({
      operations: [{ index: { _index: 'logs-test-default' } }, { '@timestamp': now }],
    })
    t.like(answer.items[0]?.index, { status: 400, error: { type: 'illegal_argument_exception' } })
  })

  test(title('tries items again that were refused with 429'), async t => {
    const server = await startElasticsearch(t, { major })
    server.faults = [eachItemAtFirst(429)]
    const result = await bulk(connect(major, server), 'logs-test-default', documents(9))
    t.like(result, { successful: 9, failed: 0 })
    t.is(server.documents('logs-test-default').size, 9)
  })

  test(title('drops every third item when that is refused with 400'), async t => {
    const server = await startElasticsearch(t, { major })
    server.faults = [everyThirdItem(400)]
    const dropped: { status: number }[] = []
    await bulk(connect(major, server), 'logs-test-default', documents(9), dropped)
    t.deepEqual(
      dropped.map(drop => drop.status),
      [400, 400, 400],
    )
    t.is(server.documents('logs-test-default').size, 6)
  })

  test(title('gives up on a whole 429, and gets through a 503'), async t => {
    const server = await startElasticsearch(t, { major })
    server.faults = [whole(503, { times: 2 })]
    t.like(await bulk(connect(major, server), 'logs-test-default', documents(3)), { successful: 3 })
    server.faults = [whole(429)]
    await t.throwsAsync(bulk(connect(major, server), 'logs-test-default', documents(3)), {
      message: /429|es_rejected/,
    })
  })

  test(title('is told that a body is too large by 413'), async t => {
    const server = await startElasticsearch(t, { major, maxBytes: 2000 })
    const error = await t.throwsAsync(bulk(connect(major, server), 'logs-test-default', documents(100)))
    t.is((error as { statusCode?: number }).statusCode, 413)
  })

  test(title('must have the right key'), async t => {
    const server = await startElasticsearch(t, { major, apiKey: 'aWQ6a2V5' })
    await t.throwsAsync(connect(major, server).count(), { message: /security_exception/ })
    t.is((await connect(major, server, { auth: { apiKey: 'aWQ6a2V5' } }).count()).count, 0)
  })

  test(title('is refused by a server two majors away'), async t => {
    const server = await startElasticsearch(t, { major: major === 8 ? 9 : 8 })
    const asked = connect(major, server).count()
    // A server understands clients one major behind, and none that is ahead.
    if (major === 8) t.is((await asked).count, 0)
    else await t.throwsAsync(asked, { message: /media_type_header_exception/ })
  })

  test(title('waits for a slow answer, and tries again after half of one'), async t => {
    const server = await startElasticsearch(t, { major })
    server.faults = [halfAnAnswer({ times: 1 }), slow(50)]
    const dropped: { status: number }[] = []
    await bulk(connect(major, server), 'logs-test-default', documents(4), dropped)
    t.is(server.documents('logs-test-default').size, 4)
    t.deepEqual(
      dropped.map(drop => drop.status),
      [409, 409, 409, 409],
    )
  })

  test(title('meets a full queue: some items, or the whole request, are refused'), async t => {
    const items = await startElasticsearch(t, {
      major,
      queue: { perSecond: 2000, size: 10, refuses: 'items' },
    })
    const operations = documents(20).flatMap(document => [
      { create: { _index: 'logs-test-default' } },
      document,
    ])
    const answer = await connect(major, items).bulk({ operations })
    t.deepEqual(
      answer.items.map(item => item.create?.status),
      [...Array(10).fill(201), ...Array(10).fill(429)],
    )
    const all = await startElasticsearch(t, { major, queue: { perSecond: 10, size: 10, refuses: 'whole' } })
    const client = connect(major, all)
    const first = client.bulk({ operations })
    const answers = await Promise.allSettled([
      first,
      client.bulk({ operations }),
      client.bulk({ operations }),
    ])
    t.true(answers.some(({ status }) => status === 'rejected'))
  })
}

for (const [what, body, reason] of [
  ['without a newline at its end', '{"create":{}}\n{"@timestamp":1}', /terminated by a newline/],
  ['with an action that there is not', '{"upsert":{}}\n{}\n', /expected field \[create\]/],
  ['with a parameter that there is not', '{"create":{"_type":"a"}}\n{}\n', /unknown parameter \[_type\]/],
  ['with an action that is not JSON', 'create\n{}\n', /Malformed action/],
  ['with an action without a document', '{"create":{}}\n', /no source/],
  ['with nothing in it', '', /required/],
] as const) {
  test(`a bulk request ${what} is refused whole`, async t => {
    const server = await startElasticsearch(t)
    const response = await fetch(`${server.url}/logs-test-default/_bulk`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/x-ndjson' },
    })
    t.is(response.status, 400)
    t.regex(await response.text(), reason)
    t.is(server.documents('logs-test-default').size, 0)
  })
}

test('a body without a content type, or of another one, is refused', async t => {
  const server = await startElasticsearch(t)
  const post = async (headers: Record<string, string>): Promise<number> =>
    (await fetch(`${server.url}/a/_bulk`, { method: 'POST', body: '{"create":{}}\n{}\n', headers })).status
  t.is(await post({ 'content-type': 'text/plain' }), 406)
  t.is(await post({ 'content-type': 'application/x-ndjson' }), 200)
  const accept = 'application/vnd.elasticsearch+json; compatible-with=9'
  t.is(await post({ 'content-type': 'application/x-ndjson', accept }), 400)
  t.is(
    await post({ 'content-type': 'application/vnd.elasticsearch+x-ndjson; compatible-with=9', accept }),
    200,
  )
})

test('a malformed document is its own fault, not that of the request', async t => {
  const server = await startElasticsearch(t)
  const body = '{"create":{"_id":"a"}}\n{"broken\n{"create":{"_id":"b"}}\n{"fine":true}\n'
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(`${server.url}/some-index/_bulk`, { method: 'POST', body, headers })
  const { items } = (await response.json()) as { items: { create: { status: number } }[] }
  t.deepEqual(
    items.map(item => item.create.status),
    [400, 201],
  )
})
