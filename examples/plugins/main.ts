/**
 * A proxy of plugins. A request goes through the pipeline `request` of each, the response through `response` in reverse
 * order; each does one thing, and may be left out. What they share is a variable that one exports and others import.
 *
 *     TOKEN=secret TARGET=localhost:8080 sluice examples/plugins/main.ts
 *     curl -H 'authorization: Bearer secret' localhost:8000
 */

import { os, sluice } from 'sluice'
import { auth } from './auth.ts'
import { forward } from './forward.ts'
import { timing } from './timing.ts'

export default sluice()
  .export('proxy', { isAnswered: false })
  .listen(Number(os.env.PORT ?? 8000))
  .demuxHTTP()
  .to($ => $.use([timing, auth, forward], 'request', 'response', ctx => ctx.isAnswered))
