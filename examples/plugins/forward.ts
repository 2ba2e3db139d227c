/** The last plugin: sends the request to the service. */

import { os, sluice } from 'sluice'

export const forward = sluice()
  .pipeline('request')
  .muxHTTP()
  .to($ => $.connect(os.env.TARGET ?? 'localhost:8080'))
