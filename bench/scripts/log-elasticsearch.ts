import { os, sluice } from 'sluice'

const origin = os.env.ORIGIN ?? '127.0.0.1:8080'
const node = `http://${os.env.COLLECTOR ?? '127.0.0.1:8081'}`

export default sluice()
  .listen(Number(os.env.PORT ?? 8000))
  .demuxHTTP()
  .to($ =>
    $.logTraffic('elasticsearch', {
      node,
      dataStream: 'logs-bench-default',
      bodies: { types: ['*'] },
      redact: ['password'],
      batchInterval: '50ms',
    })
      .muxHTTP(() => origin)
      .to($ => $.connect(origin)),
  )
