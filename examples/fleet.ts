/**
 * One script for a whole fleet: edges answer requests, loggers count and log them. Alone, a process does all of it; with
 * NATS in the middle, nodes come and go, and nothing else is configured.
 *
 *     sluice examples/fleet.ts                                                                 # on a laptop
 *     sluice examples/fleet.ts --nats=nats://127.0.0.1:4222 --node=edge-1 --roles=edge         # on each edge
 *     sluice examples/fleet.ts --nats=nats://127.0.0.1:4222 --node=log-1 --roles=log           # on a few loggers
 */

import { type HTTPRequestHead, Message, os, sluice } from 'sluice'

export default sluice({ page: '', visits: 0 })
  .listen(Number(os.env.PORT ?? 8000), { role: 'edge' })
  .demuxHTTP()
  .to($ =>
    $.handleMessageStart((msg, ctx) => {
      ctx.page = msg.head.path
    })
      .fork()
      .to('log')
      .ask('count', { deadline: '2s' }),
  )

  // One actor for each page, on one of the loggers: what it counts is its own.
  .pipeline<HTTPRequestHead>('count', { placement: 'cluster', role: 'log', key: ctx => ctx.page })
  .replaceMessage(
    (msg, ctx) =>
      new Message({ status: 200 }, `Visit ${++ctx.visits} of ${msg.head.path}, counted by ${sluice.name}\n`),
  )

  // Kept in a stream until it is written: what a logger had that dies is written by another.
  .pipeline<HTTPRequestHead>('log', {
    placement: 'cluster',
    role: 'log',
    key: ctx => ctx.page,
    delivery: 'at-least-once',
  })
  .replaceMessage(msg => new Message(JSON.stringify({ page: msg.head.path, logger: sluice.name })))
  .sink('stdout')
