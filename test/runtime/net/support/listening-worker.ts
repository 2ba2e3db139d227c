/**
 * A thread that listens, on the descriptor it was given if any, and greets everyone who connects; or, with `isStuck`,
 * listens and never comes back to accept. Its first message is its port.
 */

import { parentPort, workerData } from 'node:worker_threads'
import { netTransport } from '../../../../runtime/net/node-net.ts'
import { handleTransport } from '../../../../runtime/net/tcp-handle.ts'

export interface ListeningWork {
  readonly fd: number | undefined
  readonly transport: 'handle' | 'net'
  readonly greeting: string
  readonly backlog: number
  readonly isStuck: boolean
}

const work = workerData as ListeningWork
const transport = work.transport === 'handle' ? handleTransport : netTransport
const nothing = (): void => {}

const listener = await transport.listen(
  {
    address: '127.0.0.1',
    port: 0,
    fd: work.fd,
    reusePort: false,
    backlog: work.backlog,
    highWaterBytes: 65_536,
    noDelay: true,
    keepAlive: false,
    handshakeTimeoutMs: 0,
  },
  connection => {
    connection.handler = { opened: nothing, data: nothing, ended: nothing, drained: nothing, closed: nothing }
    connection.writeLatin1(work.greeting)
  },
)
parentPort?.postMessage(listener.local.port)
if (work.isStuck) {
  // Until it is terminated; the message above has been posted already.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}
