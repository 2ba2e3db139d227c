/**
 * The fast transport: Node's own TCP handles, used without net.Socket and streams around them.
 *
 * These handles are no public interface of Node: `select.ts` tests them at start, and node-net.ts does the same
 * on public ones.
 */

import { turn } from '../turn.ts'
import { formatAddress } from './address.ts'
import { HandleConnection } from './handle-connection.ts'
import { socketErrorOf } from './socket-errors.ts'
import { ConnectRequest, type Handle, reusePortFlag, socketType, TCP } from './tcp-binding.ts'
import { connectTLS, listenTLS } from './tls.ts'
import type {
  Connection,
  ConnectionHandler,
  ConnectOptions,
  Endpoint,
  Listener,
  ListenOptions,
  Transport,
} from './transport.ts'

class HandleListener implements Listener {
  readonly local: Endpoint
  private readonly handle: Handle

  constructor(handle: Handle) {
    this.handle = handle
    const out: Partial<Endpoint> = {}
    handle.getsockname(out)
    this.local = { address: out.address ?? '', port: out.port ?? 0 }
  }

  close(): void {
    this.handle.close()
  }
}

async function listen(options: ListenOptions, accept: (connection: Connection) => void): Promise<Listener> {
  if (options.tls) return listenTLS(options, accept)
  const handle = new TCP(socketType.server)
  const check = (status: number): void => {
    if (status === 0) return
    handle.close()
    throw socketErrorOf(status, 'listen', formatAddress(options.address, options.port))
  }
  if (options.fd !== undefined) check(handle.open(options.fd))
  else {
    const flags = options.reusePort ? reusePortFlag : 0
    check(
      options.address.includes(':')
        ? handle.bind6(options.address, options.port, flags)
        : handle.bind(options.address, options.port, flags),
    )
  }
  handle.onconnection = (status, client) => {
    // An error here (out of descriptors) leaves the connection in the backlog: libuv tries again by itself.
    if (status !== 0 || client === undefined) return
    if (options.noDelay) client.setNoDelay(true)
    if (options.keepAlive) client.setKeepAlive(true, 60)
    const connection = new HandleConnection(client, silent, options.highWaterBytes, true)
    connection.rememberRemote()
    turn.begin(connection)
    accept(connection)
    connection.startReading()
    turn.end()
  }
  check(handle.listen(options.backlog))
  return new HandleListener(handle)
}

const noop = (): void => {}

/** Stands in until `accept` has set the real handler. */
const silent: ConnectionHandler = { opened: noop, data: noop, ended: noop, drained: noop, closed: noop }

function connect(options: ConnectOptions, handler: ConnectionHandler): Connection {
  if (options.tls) return connectTLS(options, handler)
  const handle = new TCP(socketType.socket)
  const connection = new HandleConnection(handle, handler, options.highWaterBytes, false)
  const isV6 = options.address.includes(':')
  let status = 0
  if (options.bind !== undefined)
    status = options.bind.includes(':') ? handle.bind6(options.bind, 0, 0) : handle.bind(options.bind, 0, 0)
  if (status === 0) {
    const request = new ConnectRequest()
    request.oncomplete = result => {
      turn.begin(connection)
      connection.connected(result, options)
      turn.end()
    }
    status = isV6
      ? handle.connect6(request, options.address, options.port)
      : handle.connect(request, options.address, options.port)
  }
  if (status !== 0)
    connection.failLater(socketErrorOf(status, 'connect', formatAddress(options.address, options.port)))
  else if (options.connectTimeoutMs > 0) connection.timeOutConnecting(options)
  return connection
}

export const handleTransport: Transport = { name: 'handle', listen, connect }
