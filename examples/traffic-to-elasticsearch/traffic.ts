/**
 * A proxy fleet whose traffic is in Elasticsearch: nodes with the role `edge` proxy and send a document of each exchange on;
 * nodes with the role `log` write them. A document is in a stream of NATS before it counts as sent, and leaves it when
 * Elasticsearch has it, or will never take it.
 */

import { os, sluice } from 'sluice'

const {
  PORT = '8000',
  ORIGIN = '127.0.0.1:8080',
  ELASTICSEARCH = 'http://127.0.0.1:9200',
  DEAD_LETTERS = 'dead-letters.jsonl',
} = os.env

export default sluice()
  .listen(Number(PORT), { role: 'edge' })
  .demuxHTTP()
  .to($ =>
    $.logTraffic({ bodies: { limit: '64k' }, redact: ['password', /card/i] })
      .to('log')
      .muxHTTP(() => ORIGIN)
      .to($ => $.connect(ORIGIN)),
  )

  .pipeline('log', {
    placement: 'cluster',
    role: 'log',
    key: ctx => ctx.__inbound?.id,
    delivery: 'at-least-once',
  })
  .sink('elasticsearch', {
    node: ELASTICSEARCH,
    dataStream: 'logs-traffic-default',
    batchInterval: '200ms',
    deadLetters: DEAD_LETTERS,
  })
