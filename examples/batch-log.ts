/**
 * Writes every request to a collector as JSON lines: a hundred at a time, what there is each second, and the rest when
 * the process is told to stop. One pipeline gathers for all threads; when a node stops, its stream ends as others do.
 *
 *     TARGET=localhost:8080 COLLECTOR=localhost:9000 sluice examples/batch-log.ts --threads=4
 */

import { Message, os, StreamEnd, sluice } from 'sluice'

const collector = os.env.COLLECTOR ?? 'localhost:9000'

const lines: string[] = []
const head = { method: 'POST', path: '/', headers: { host: collector } }
const takeBatch = () => new Message(head, lines.splice(0).join(''))

export default sluice()
  .listen(Number(os.env.PORT ?? 8000))
  .demuxHTTP()
  .to($ =>
    $.fork()
      .to('log')
      .muxHTTP()
      .to($ => $.connect(os.env.TARGET ?? 'localhost:8080')),
  )

  .pipeline('log', { placement: 'node' })
  .handleMessageStart(message => lines.push(`${JSON.stringify(message.head)}\n`))
  .replaceData()
  .replaceMessage(() => (lines.length < 100 ? undefined : takeBatch()))
  .replaceStreamEnd(end => (lines.length === 0 ? end : [takeBatch(), end]))
  .link('post')

  .task('1s')
  .replaceMessage(() => (lines.length === 0 ? new StreamEnd() : takeBatch()))
  .link('post')
  .replaceMessage(new StreamEnd())

  .pipeline('post')
  .muxHTTP()
  .to($ => $.connect(collector))
