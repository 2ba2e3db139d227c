/**
 * Logs every exchange, with bodies, as one JSON document each: answered or not. What is nobody's business is not written.
 *
 *     TARGET=localhost:8080 sluice examples/log-traffic.ts
 *     TARGET=localhost:8080 ELASTICSEARCH=http://localhost:9200 sluice examples/log-traffic.ts
 */

import { os, sluice } from 'sluice'

const target = os.env.TARGET ?? 'localhost:8080'
const what = {
  bodies: { limit: '64k', decompress: true },
  redact: ['password', /card/i, '$.user.email'],
  service: 'shop',
} as const

export default sluice()
  .listen(Number(os.env.PORT ?? 8000))
  .demuxHTTP()
  .to($ =>
    (os.env.ELASTICSEARCH === undefined
      ? $.logTraffic('stdout', what)
      : $.logTraffic('elasticsearch', {
          ...what,
          node: os.env.ELASTICSEARCH,
          dataStream: 'logs-shop-default',
        })
    )
      .muxHTTP()
      .to($ => $.connect(target)),
  )
