/**
 * Proxies fork each request to loggers on other nodes, which write it to Elasticsearch: whatever becomes of a logger, of NATS and
 * of Elasticsearch, each exchange is stored, once, or put aside.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import ava, { type ExecutionContext } from 'ava'
import { everyThirdItem, itemsWhere, type StrictElasticsearch } from '../support/elasticsearch/index.ts'
import { startElasticsearch } from '../support/elasticsearch.ts'
import { eventually } from '../support/eventually.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { makeFolder, makeScript, type SluiceProcess, startSluice } from '../support/sluice.ts'

const test = ava.serial
const dataStream = 'logs-traffic-default'

const script = (sink: object): string => `
import { Message, sluice } from 'sluice'
export default sluice({ key: '' })
  .listen('127.0.0.1:0', { role: 'edge' })
  .demuxHTTP().to($ => $
    .handleMessageStart((msg, ctx) => { ctx.key = msg.head.headers['x-key'] })
    .fork().to('log')
    .replaceMessage(new Message({ status: 200 }, 'ok')))
  .pipeline('log', { placement: 'cluster', role: 'log', key: ctx => ctx.key, delivery: 'at-least-once', shards: 4 })
  .replaceMessage(msg => new Message({ id: msg.head.headers['x-id'] }, JSON.stringify({
    '@timestamp': '2026-11-21T10:00:00Z', event: { id: msg.head.headers['x-id'] },
  })))
  .sink('elasticsearch', ${JSON.stringify(sink)})
`

interface Fleet {
  readonly server: StrictElasticsearch
  readonly nats: NatsServer
  readonly deadLetters: string
  logger(name: string): SluiceProcess
  requests(count: number): Promise<void>
  /** Resolves when each request so far is stored or put aside. */
  settled(): Promise<void>
  readonly ids: readonly string[]
}

async function startFleet(t: ExecutionContext): Promise<Fleet> {
  const [server, nats] = await Promise.all([startElasticsearch(t), startNatsServer(t)])
  const deadLetters = join(makeFolder(t), 'dead.jsonl')
  const path = makeScript(
    t,
    script({
      node: server.url,
      dataStream,
      batchInterval: '20ms',
      retryDelay: '5ms',
      maxRetryDelay: '100ms',
      deadLetters,
    }),
  )
  const node = (name: string, role: string): SluiceProcess =>
    startSluice(t, [path, `--nats=${nats.url}`, `--node=${name}`, `--roles=${role}`, '--cluster=sinks'])
  const port = await node('edge', 'edge').port()
  const ids: string[] = []
  return {
    server,
    nats,
    deadLetters,
    ids,
    logger: name => node(name, 'log'),
    async requests(count) {
      for (let i = 0; i < count; i++) {
        const id = `id-${ids.length}`
        ids.push(id)
        const headers = { 'x-id': id, 'x-key': `key-${ids.length % 7}` }
        await (await fetch(`http://127.0.0.1:${port}/`, { headers })).text()
      }
    },
    async settled() {
      const missing = (): number =>
        ids.length - server.documents(dataStream).size - lettersIn(deadLetters).size
      await eventually(missing, count => count === 0, 60_000)
    },
  }
}

/** Ids in a file of dead letters. */
function lettersIn(path: string): Set<string> {
  try {
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
    return new Set(lines.map(line => JSON.parse(line).id))
  } catch {
    return new Set()
  }
}

test('each exchange is stored once, though a third of the items is refused and a logger is killed', async t => {
  t.timeout(90_000)
  const fleet = await startFleet(t)
  fleet.server.faults = [everyThirdItem(429)]
  const first = fleet.logger('log-1')
  await fleet.requests(150)
  while (fleet.server.documents(dataStream).size === 0) await fleet.requests(1)
  await fleet.requests(50)
  first.signal('SIGKILL')
  await first.exited
  await fleet.requests(100)
  fleet.logger('log-2')
  await fleet.requests(50)
  await fleet.settled()
  t.deepEqual([...fleet.server.documents(dataStream).keys()].sort(), [...fleet.ids].sort())
})

test('what Elasticsearch never takes is put aside, the rest is stored, while both it and NATS go and come', async t => {
  t.timeout(90_000)
  const fleet = await startFleet(t)
  const isBad = (id: string): boolean => id.endsWith('3')
  fleet.server.faults = [itemsWhere(isBad, 400)]
  fleet.logger('log-1')
  await fleet.requests(100)
  await fleet.settled()
  await fleet.server.away()
  await fleet.requests(100)
  await fleet.nats.kill()
  await fleet.nats.start()
  await fleet.server.back()
  await fleet.requests(100)
  await fleet.settled()
  const good = fleet.ids.filter(id => !isBad(id))
  t.deepEqual([...fleet.server.documents(dataStream).keys()].sort(), good.sort())
  t.deepEqual([...lettersIn(fleet.deadLetters)].sort(), fleet.ids.filter(isBad).sort())
})
