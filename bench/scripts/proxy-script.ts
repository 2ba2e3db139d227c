import { os, sluice } from 'sluice'

const origin = os.env.ORIGIN ?? '127.0.0.1:8080'

export default sluice()
  .listen(Number(os.env.PORT ?? 8000))
  .demuxHTTP()
  .to($ =>
    $.handleMessageStart(msg => {
      const { path, headers } = msg.head
      headers['x-route'] = `${headers.host}${path}`
    })
      .muxHTTP(() => origin)
      .to($ => $.connect(origin)),
  )
