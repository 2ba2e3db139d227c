/**
 * Exchanges = documents stored + dead-lettered + dropped, with the reason, whatever clients, upstreams and the server that
 * stores them do; and what is said to be stored is stored, once.
 */

import test, { type ExecutionContext } from 'ava'
import { sluice } from '../../../actors/index.ts'
import { ThreadSinks } from '../../../observability/sinks/thread-sinks.ts'
import { noLog } from '../../../runtime/log.ts'
import {
  everyThirdItem,
  type Fault,
  itemsWhere,
  resetBeforeAnswer,
  resetHalfWay,
  whole,
} from '../../support/elasticsearch/index.ts'
import { startElasticsearch } from '../../support/elasticsearch.ts'
import { serve, until } from '../../support/proxy.ts'
import { Random } from '../../support/random.ts'
import type { TcpClient } from '../../support/tcp-client.ts'
import { reply, Upstream } from '../../support/upstream.ts'

const dataStream = 'logs-traffic-default'

/** An upstream that answers, breaks off, or closes, as its random numbers say. */
const capricious = (t: ExecutionContext, random: Random): Promise<Upstream> =>
  Upstream.start(t, async connection => {
    for (;;) {
      const { body } = await connection.request()
      switch (random.below(6)) {
        case 0:
          connection.reset()
          return
        case 1:
          connection.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')
          return
        case 2:
          connection.write('this is no HTTP\r\n\r\n')
          return
        default:
          connection.write(reply(body || 'fine', '200 OK', 'Content-Type: application/json'))
      }
    }
  })

/** Sends some requests, and leaves when it feels like it. Returns how many of them the proxy has seen the head of, at least. */
async function behave(client: TcpClient, random: Random): Promise<void> {
  try {
    for (let i = 0; i < 8; i++) {
      switch (random.below(8)) {
        case 0:
          client.write('POST /leaves HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhal')
          client.reset()
          return
        case 1:
          client.write('GET /leaves-at-once HTTP/1.1\r\nHost: a\r\n\r\n')
          client.destroy()
          return
        case 2:
          client.write('POST /breaks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n')
          await client.readToEnd()
          return
        default:
          client.write(
            `POST /${i} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{"a":1}`,
          )
          await client.response('POST')
      }
    }
  } catch {
    // The proxy had to break the connection off.
  } finally {
    client.destroy()
  }
}

const situations: Record<string, Fault[]> = {
  'all is well with the server': [],
  'the server refuses a third of the documents for good': [
    itemsWhere(id => Number.parseInt(id.slice(10, 16), 36) % 3 === 0, 400),
  ],
  'the server refuses whole requests and breaks off': [
    whole(429, { each: 3, times: 3 }),
    resetHalfWay({ each: 2, times: 3 }),
    resetBeforeAnswer({ each: 2, times: 3 }),
    everyThirdItem(429),
  ],
}

for (const [situation, faults] of Object.entries(situations)) {
  test(`each exchange is one document, or is counted, when ${situation}`, async t => {
    const random = new Random(7)
    const server = await startElasticsearch(t)
    server.faults = faults
    const upstream = await capricious(t, random)
    const sinks = new ThreadSinks({ log: noLog, thread: 0, threads: 1 })
    let exchanges = 0
    const script = sluice()
      .listen('127.0.0.1:0')
      .demuxHTTP()
      .to($ =>
        $.handleMessageStart(() => {
          exchanges++
        })
          .logTraffic('elasticsearch', {
            node: server.url,
            dataStream,
            batchCount: 20,
            batchInterval: '20ms',
            retryDelay: '2ms',
            maxRetryDelay: '20ms',
            bodies: true,
            redact: ['password'],
          })
          .muxHTTP()
          .to($ => $.connect(`127.0.0.1:${upstream.port}`)),
      )
    const proxy = await serve(t, script, 'handle', { sinks })
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        for (let i = 0; i < 3; i++) await behave(await proxy.client(), random)
      }),
    )
    const { host } = proxy.running
    const edges = () => host.status().edges.filter(({ from }) => from.endsWith('.logTraffic'))
    await until(() => host.status().sessions === 0 && edges().every(({ inFlight }) => inFlight === 0))
    t.true(exchanges > 100, `${exchanges} exchanges`)
    // The filter's own edge, and that of its sink.
    t.is(edges().length, 2)
    for (const { accepted, delivered, duplicate, deadLettered, dropped } of edges()) {
      const given = Object.values(dropped).reduce((sum, count) => sum + count, 0)
      t.is(accepted, exchanges)
      t.is(delivered + duplicate + deadLettered + given, exchanges)
      t.is(server.documents(dataStream).size, delivered + duplicate)
    }
  })
}
