/** Tells what a thread gets that asks for a socket itself. */

import { parentPort } from 'node:worker_threads'
import { ListeningSockets } from '../../../../runtime/net/listening-sockets.ts'

const fault = await new ListeningSockets()
  .acquire({ address: '127.0.0.1', port: 0, slot: 0, reusePort: false })
  .then(
    () => '',
    (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
  )
parentPort?.postMessage({ isSupported: ListeningSockets.isSupported, fault })
