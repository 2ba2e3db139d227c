/**
 * TCP, as bytes: what comes out of the last filter of a listening pipeline goes back to the client. A pipeline that
 * only looks on is therefore an echo server.
 *
 *     sluice examples/echo.ts       nc localhost 8000
 */

import { os, sluice } from 'sluice'

export default sluice()
  .listen(Number(os.env.PORT ?? 8000))
  .handleStreamStart((_, { __inbound }) => console.log(`${__inbound?.remoteAddress} is here`))
  .handleStreamEnd((_, { __inbound }) => console.log(`${__inbound?.remoteAddress} has left`))
