/**
 * Lets each client make so many requests per second, and read so many bytes. What is too much waits, and the client's
 * connection is not read meanwhile, so that it notices. Accounts are per thread; `new algo.Quota(…, { key })` in place of
 * a number is one for all threads.
 *
 *     RATE=2 TARGET=localhost:8080 sluice examples/throttling.ts
 */

import { os, sluice } from 'sluice'

const target = os.env.TARGET ?? 'localhost:8080'

export default sluice()
  .listen(Number(os.env.PORT ?? 8000))
  .demuxHTTP()
  .to($ =>
    $.throttleMessageRate(Number(os.env.RATE ?? 100), ctx => ctx.__inbound?.remoteAddress)
      .muxHTTP()
      .to($ => $.connect(target))
      .throttleDataRate(os.env.BYTES ?? '10m', ctx => ctx.__inbound?.remoteAddress),
  )
