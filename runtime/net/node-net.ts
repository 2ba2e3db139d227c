/** The transport on Node's public sockets: slower than tcp-handle.ts, and there when that is not. */

import { createServer, Socket } from 'node:net'
import { acceptStream, plainStream, StreamConnection, startConnecting } from './stream-connection.ts'
import { acceptedOptions, listenOn } from './stream-listener.ts'
import { connectTLS, listenTLS } from './tls.ts'
import type {
  Connection,
  ConnectionHandler,
  ConnectOptions,
  Listener,
  ListenOptions,
  Transport,
} from './transport.ts'

async function listen(options: ListenOptions, accept: (connection: Connection) => void): Promise<Listener> {
  if (options.tls) return listenTLS(options, accept)
  const server = createServer(acceptedOptions(options), socket =>
    acceptStream(socket, plainStream, options.highWaterBytes, accept),
  )
  return listenOn(server, options)
}

function connect(options: ConnectOptions, handler: ConnectionHandler): Connection {
  if (options.tls) return connectTLS(options, handler)
  const socket = new Socket({ allowHalfOpen: true })
  const connection = new StreamConnection(socket, handler, {
    kind: plainStream,
    highWaterBytes: options.highWaterBytes,
    remote: { address: options.address, port: options.port },
  })
  startConnecting(socket, options)
  connection.limitConnecting(options)
  return connection
}

export const netTransport: Transport = { name: 'net', listen, connect }
