/**
 * Spreads requests over several targets in turn. A target that refuses connections is left out for five seconds: the
 * balancer asks the cache `down`, whose entries expire by themselves.
 *
 *     TARGETS=localhost:8081,localhost:8082 sluice examples/balancing.ts
 */

import { algo, Message, os, sluice } from 'sluice'

const targets = (os.env.TARGETS ?? 'localhost:8081,localhost:8082').split(',')
const down = new algo.Cache<string, boolean>({ ttl: '5s' })
const balancer = new algo.RoundRobinLoadBalancer(targets, down)

export default sluice({ target: '' })
  .listen(Number(os.env.PORT ?? 8000))
  .demuxHTTP()
  .to($ =>
    $.handleMessageStart((_, ctx) => {
      ctx.target = balancer.select() ?? ''
    }).branch(
      ctx => ctx.target !== '',
      $ =>
        $.muxHTTP(ctx => ctx.target)
          .to($ => $.connect(ctx => ctx.target, { connectTimeout: '1s' }))
          .handleStreamEnd((end, ctx) => {
            if (end.error === 'ConnectionRefused') down.set(ctx.target, true)
          }),
      $ => $.replaceMessage(new Message({ status: 503 }, 'All targets are down\n')),
    ),
  )
