import type { Connection, TLSInfo } from '../runtime/net/transport.ts'

/** A connection, or the peer of a UDP socket. */
type Described = Pick<Connection, 'remote' | 'local' | 'tls' | 'receivedBytes' | 'sentBytes'>

let lastId = 0

/**
 * What a script sees of the connection that its session serves, as `__inbound`. The same object for the whole
 * connection, so that it can be the key of a cache or a pool.
 */
export class Inbound {
  /** Unique in its thread. */
  readonly id: number
  private readonly connection: Described

  constructor(connection: Described) {
    this.id = ++lastId
    this.connection = connection
  }

  get remoteAddress(): string {
    return this.connection.remote.address
  }

  get remotePort(): number {
    return this.connection.remote.port
  }

  get localAddress(): string {
    return this.connection.local.address
  }

  get localPort(): number {
    return this.connection.local.port
  }

  /** What TLS agreed on (ALPN protocol, server name), when the listener speaks TLS. */
  get tls(): TLSInfo | undefined {
    return this.connection.tls
  }

  get receivedBytes(): number {
    return this.connection.receivedBytes
  }

  get sentBytes(): number {
    return this.connection.sentBytes
  }
}
