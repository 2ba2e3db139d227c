/**
 * One log for all threads. Every thread runs this whole script; the pipeline `log` has placement `node`, so there is one
 * of it in the process, on one of the threads, and copies of the requests come to it from all of them.
 *
 *     sluice examples/node-log.ts --threads=4
 */

import { type HTTPRequestHead, Message, os, sluice } from 'sluice'

let requests = 0

export default sluice()
  .listen(Number(os.env.PORT ?? 8000))
  .demuxHTTP()
  .to($ =>
    $.fork()
      .to('log')
      .replaceMessage(new Message({ status: 200 }, 'Hello\n')),
  )

  .pipeline('log', { placement: 'node' })
  .handleMessageStart(message => {
    const { method, path } = message.head as HTTPRequestHead
    console.log(`Request ${++requests} of this node: ${method} ${path}`)
  })
  .dummy()
