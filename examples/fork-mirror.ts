/**
 * Mirrors requests: a copy of each goes to a second service, whose answers are thrown away. The mirror never delays the
 * traffic: what it cannot take is dropped and counted.
 *
 *     TARGET=localhost:8080 MIRROR=localhost:8081 sluice examples/fork-mirror.ts
 */

import { os, sluice } from 'sluice'

const target = os.env.TARGET ?? 'localhost:8080'
const mirror = os.env.MIRROR ?? 'localhost:8081'

export default sluice()
  .listen(Number(os.env.PORT ?? 8000))
  .demuxHTTP()
  .to($ =>
    $.fork()
      .to($ => $.muxHTTP().to($ => $.connect(mirror)))
      .muxHTTP()
      .to($ => $.connect(target)),
  )
