import { Message, os, StreamEnd, sluice } from 'sluice'

const origin = os.env.ORIGIN ?? '127.0.0.1:8080'
const collector = os.env.COLLECTOR ?? '127.0.0.1:8081'

/** Records waiting for the next batch, one line of JSON each. */
let batch = ''

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
        const { request, startedAt } = ctx
        const record = {
          time: startedAt,
          durationMs: Date.now() - startedAt,
          request: { head: request?.head, body: request?.body?.toString() },
          response: { head: response.head, body: response.body?.toString() },
        }
        batch += `${JSON.stringify(record)}\n`
      }),
  )

  .task('50ms')
  .replaceMessage(() => {
    if (batch === '') return new StreamEnd()
    const lines = batch
    batch = ''
    const headers = { host: collector, 'content-type': 'application/x-ndjson' }
    return new Message({ method: 'POST', path: '/', headers }, lines)
  })
  .muxHTTP(() => collector)
  .to($ => $.connect(collector))
  .replaceMessage(() => new StreamEnd())
