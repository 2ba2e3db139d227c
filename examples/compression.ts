/**
 * Compresses responses with what the client says it reads, the best first. What the service has compressed already, and
 * what has no body, passes as it is.
 *
 *     TARGET=localhost:8080 sluice examples/compression.ts      curl --compressed -v localhost:8000
 */

import { os, sluice } from 'sluice'

const target = os.env.TARGET ?? 'localhost:8080'

export default sluice()
  .listen(Number(os.env.PORT ?? 8000))
  .demuxHTTP()
  .to($ =>
    $.muxHTTP()
      .to($ => $.connect(target))
      .compressHTTP(({ head }) =>
        String(head.headers['content-type']).startsWith('image/') ? null : ['zstd', 'br', 'gzip'],
      ),
  )
