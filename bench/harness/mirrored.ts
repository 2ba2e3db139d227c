import { os, sluice } from 'sluice'

const origin = os.env.ORIGIN ?? '127.0.0.1:8080'
const port = Number(os.env.PORT ?? 8000)

/** Where the mirror of this run is, if it is one that listens. */
export const beside = `127.0.0.1:${port + 1}`

/** A proxy that copies all requests to `mirror`. */
export const mirrored = (mirror: string) =>
  sluice()
    .listen(port)
    .demuxHTTP()
    .to($ =>
      $.mirror(mirror)
        .muxHTTP(() => origin)
        .to($ => $.connect(origin)),
    )
