/**
 * An HTTP proxy. `demuxHTTP` gives each request a pipeline of its own, `muxHTTP` sends the requests of all of them over
 * a shared pool of connections. Bytes that two servers could read differently are refused on the way in.
 *
 *     TARGET=localhost:8080 sluice examples/http-proxy.ts
 */

import { os, sluice } from 'sluice'

const target = os.env.TARGET ?? 'localhost:8080'

export default sluice()
  .listen(Number(os.env.PORT ?? 8000))
  .demuxHTTP()
  .to($ => $.muxHTTP().to($ => $.connect(target)))
