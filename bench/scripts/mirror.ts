import { os, sluice } from 'sluice'

const origin = os.env.ORIGIN ?? '127.0.0.1:8080'

export default sluice()
  .listen(Number(os.env.PORT ?? 8000))
  .demuxHTTP()
  .to($ =>
    $.mirror(os.env.MIRROR ?? '127.0.0.1:9')
      .muxHTTP(() => origin)
      .to($ => $.connect(origin)),
  )
