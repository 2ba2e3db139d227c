/**
 * UDP: each datagram is a message, and each message that comes out is a datagram to the same peer. A peer has a session
 * with variables of its own, as a connection has, which ends when it has been silent for a while. The answer counts.
 *
 *     sluice examples/udp-echo.ts       nc -u localhost 5000
 */

import { Message, os, sluice } from 'sluice'

export default sluice({ count: 0 })
  .listen(Number(os.env.PORT ?? 5000), { protocol: 'udp', idleTimeout: '30s' })
  .replaceMessage(({ body }, ctx) => new Message(`${++ctx.count}: ${body ?? ''}`))
