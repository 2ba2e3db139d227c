/** Says in each response, whoever gave it, how long it took. */

import { type HTTPResponseHead, sluice } from 'sluice'

export const timing = sluice({ since: 0 })
  .pipeline('request')
  .handleMessageStart((_, ctx) => {
    ctx.since = performance.now()
  })
  .pipeline('response')
  .handleMessageStart((start, ctx) => {
    const head = start.head as HTTPResponseHead
    head.headers = {
      ...head.headers,
      'server-timing': `total;dur=${(performance.now() - ctx.since).toFixed(1)}`,
    }
  })
