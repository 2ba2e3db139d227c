import { Message, os, sluice } from 'sluice'

/** A proxy that sends each answer, with its body, to the loggers too; FORK=none leaves that out. */
const origin = os.env.ORIGIN ?? '127.0.0.1:8080'
/** So many keys are spread over the shards of the pipeline. */
const keys = Number(os.env.KEYS ?? 64)
const delivery = os.env.FORK === 'at-least-once' ? 'at-least-once' : 'at-most-once'
let count = 0

const script = sluice().listen(`127.0.0.1:${os.env.PORT ?? 8000}`, { role: 'edge' })

if (os.env.FORK === 'none') script.demuxHTTP().to($ => $.muxHTTP(() => origin).to($ => $.connect(origin)))
else
  script
    .demuxHTTP()
    .to($ =>
      $.muxHTTP(() => origin)
        .to($ => $.connect(origin))
        .fork()
        .to('log'),
    )
    .pipeline('log', { placement: 'cluster', role: 'log', delivery, key: () => String(count++ % keys) })
    .replaceMessage(new Message())

export default script
