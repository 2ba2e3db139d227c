/**
 * Who the client is, handed from proxy to proxy: behind a proxy every connection comes from that proxy, so it says in a
 * header in front of the stream for whom it speaks. The first listener is such a proxy, the second a service behind it,
 * which takes the header from this machine only: a stranger could write anything into one.
 *
 *     sluice examples/proxy-protocol.ts       curl localhost:8000
 */

import { Message, os, sluice } from 'sluice'

const port = Number(os.env.PORT ?? 8000)

export default sluice({ client: '' })
  .listen(port)
  .connectProxyProtocol()
  .to($ => $.connect(`127.0.0.1:${port + 1}`))

  .listen(`127.0.0.1:${port + 1}`)
  .acceptProxyProtocol(({ command, sourceAddress, sourcePort }, ctx) => {
    ctx.client = command === 'LOCAL' ? 'the proxy itself' : `${sourceAddress}:${sourcePort}`
    return ctx.__inbound?.remoteAddress === '127.0.0.1'
  })
  .to($ => $.serveHTTP((_, ctx) => new Message({ status: 200 }, `You are ${ctx.client}\n`)))
