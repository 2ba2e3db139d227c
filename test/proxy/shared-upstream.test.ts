/** A shared pipeline that sends on over HTTP what it gets: one message at a time, over a connection that it keeps. */

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { Message, sluice } from '../../actors/index.ts'
import { Occurrences } from '../support/occurrences.ts'
import { serve } from '../support/proxy.ts'

/** A service that answers nobody until it is told to. */
async function startReluctant(t: ExecutionContext) {
  const arrivals = new Occurrences<string>()
  let held: (() => void)[] | undefined = []
  const server = createServer((request, response) => {
    request.resume()
    request.once('end', () => {
      arrivals.add(request.url as string)
      const answer = (): void => void response.end()
      if (held === undefined) answer()
      else held.push(answer)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const release = (): void => {
    const waiting = held ?? []
    held = undefined
    for (const answer of waiting) answer()
  }
  return { port: (server.address() as AddressInfo).port, arrivals, release }
}

test('more than it can hold waits for an answer, and all of it goes on when that comes', async t => {
  const service = await startReluctant(t)
  const proxy = await serve(
    t,
    sluice()
      .listen('127.0.0.1:0')
      .demuxHTTP()
      .to($ => $.fork().to('log').replaceMessage(new Message('taken')))
      .pipeline('log', { placement: 'node' })
      .muxHTTP()
      .to($ => $.connect(`127.0.0.1:${service.port}`)),
  )
  const paths = Array.from({ length: 12 }, (_, i) => `/${i}`)
  for (const path of paths) {
    // 60 KB: two of them are more than a filter holds before it pauses who sends.
    const answer = await fetch(`http://127.0.0.1:${proxy.running.port}${path}`, {
      method: 'POST',
      body: 'x'.repeat(60_000),
    })
    t.is(await answer.text(), 'taken')
  }
  await service.arrivals.next(path => path === '/0')
  t.deepEqual(service.arrivals.seen, ['/0'])
  service.release()
  await service.arrivals.next(path => path === paths.at(-1))
  t.deepEqual(service.arrivals.seen, paths)
})
