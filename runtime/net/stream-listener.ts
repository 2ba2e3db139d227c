/** What listening on `net.Server` and `tls.Server` have in common. */

import type { Server } from 'node:net'
import { formatAddress } from './address.ts'
import { socketErrorOf } from './socket-errors.ts'
import type { Endpoint, Listener, ListenOptions } from './transport.ts'

/** What accepted sockets are to be like, as Node's servers take it. */
export const acceptedOptions = (options: ListenOptions) => ({
  allowHalfOpen: true,
  noDelay: options.noDelay,
  keepAlive: options.keepAlive,
})

/** Makes a server listen; rejects with `ListenFailed`. */
export function listenOn(server: Server, options: ListenOptions): Promise<Listener> {
  const { address, port, fd, backlog, reusePort } = options
  return new Promise((resolve, reject) => {
    let isListening = false
    server.on('error', (error: NodeJS.ErrnoException) => {
      // Later errors are of single accepts (out of descriptors): the connection waits, and libuv tries again.
      if (!isListening)
        reject(socketErrorOf(error.code ?? error.message, 'listen', formatAddress(address, port)))
    })
    server.once('listening', () => {
      isListening = true
      resolve(new ServerListener(server))
    })
    try {
      // Node takes the backlog of a descriptor only as a second argument.
      if (fd !== undefined) server.listen({ fd }, backlog)
      else server.listen({ host: address, port, backlog, reusePort, exclusive: true })
    } catch (thrown) {
      const error = thrown as NodeJS.ErrnoException
      reject(socketErrorOf(error.code ?? error.message, 'listen', formatAddress(address, port)))
    }
  })
}

class ServerListener implements Listener {
  readonly local: Endpoint
  private readonly server: Server

  constructor(server: Server) {
    const bound = server.address()
    this.local =
      typeof bound === 'object' && bound !== null
        ? { address: bound.address, port: bound.port }
        : { address: '', port: 0 }
    this.server = server
  }

  close(): void {
    this.server.close()
  }
}
