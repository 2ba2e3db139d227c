import { Message, os, sluice } from 'sluice'

const origin = os.env.ORIGIN ?? '127.0.0.1:8080'
const collector = os.env.COLLECTOR ?? '127.0.0.1:8081'

/** Records waiting for the next batch, one JSON text each. */
let batch: string[] = []

export default sluice({ request: undefined as Message | undefined, startedAt: 0 })
  .listen(Number(os.env.PORT ?? 8000))
  .demuxHTTP()
  .to($ =>
    $.handleMessage((request, ctx) => {
      ctx.startedAt = Date.now()
      ctx.request = request
    })
      .muxHTTP(() => origin)
      .to($ => $.connect(origin))
      .handleMessage((response, ctx) => {
        batch.push(
          JSON.stringify({
            time: ctx.startedAt,
            durationMs: Date.now() - ctx.startedAt,
            request: { ...ctx.request?.head, body: ctx.request?.body?.toString() },
            response: { ...response.head, body: response.body?.toString() },
          }),
        )
      }),
  )

  .task('50ms')
  .onStart(() => {
    if (batch.length === 0) return undefined
    const lines = `${batch.join('\n')}\n`
    batch = []
    const headers = { host: collector, 'content-type': 'application/x-ndjson' }
    return new Message({ method: 'POST', path: '/', headers }, lines)
  })
  .muxHTTP(() => collector)
  .to($ => $.connect(collector))
