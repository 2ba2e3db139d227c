/**
 * A TCP proxy: bytes go to the target and its bytes come back, whatever protocol they speak. A client that sends
 * faster than the target reads is slowed down; each direction may end by itself.
 *
 *     TARGET=localhost:5432 sluice examples/tcp-proxy.ts
 */

import { os, sluice } from 'sluice'

export default sluice()
  .listen(Number(os.env.PORT ?? 8000))
  .connect(os.env.TARGET ?? 'localhost:8080', { connectTimeout: '3s', idleTimeout: '10m' })
