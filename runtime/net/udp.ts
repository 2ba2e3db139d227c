/** UDP sockets, over Node's own: datagrams in and out, in bounds. */

import type { Buffer } from 'node:buffer'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import type { Data } from '../data.ts'
import type { TrafficError } from '../errors.ts'
import { formatAddress } from './address.ts'
import { socketErrorOf } from './socket-errors.ts'
import type { Endpoint } from './transport.ts'

/** Bytes of the largest datagram: what IPv4 leaves of 65,535 (RFC 768, RFC 791). */
export const maxDatagramBytes = 65_507

/** Who a socket's datagrams are for. Each call is outside of any turn. */
export interface DatagramHandler {
  /** A datagram has come. The memory is the handler's. */
  received(bytes: Buffer, from: Endpoint): void
  /** The other side of a connected socket cannot be reached (ICMP). The socket is of no use any more. */
  failed(error: TrafficError): void
  /** The system has refused to send a datagram that it was given. */
  refused(): void
}

export interface DatagramOptions {
  /** An IP address: to bind to, or, of the other side, to connect to. */
  readonly address: string
  readonly port: number
  /** Bytes that may wait to be sent; more is dropped, as the network would. */
  readonly bufferBytes: number
}

/** A UDP socket: bound, for any number of peers, or connected, for one. */
export class DatagramSocket {
  private readonly socket: Socket
  private readonly handler: DatagramHandler
  private readonly bufferBytes: number
  private isClosed = false

  private constructor(socket: Socket, handler: DatagramHandler, bufferBytes: number) {
    this.socket = socket
    this.handler = handler
    this.bufferBytes = bufferBytes
    socket.on('message', (bytes, { address, port }) => handler.received(bytes, { address, port }))
  }

  /**
   * Binds an address, which other sockets of this process (and of its user) may share: the kernel gives all datagrams
   * of one peer to the same one.
   *
   * Rejects with `ListenFailed`.
   */
  static async bind(options: DatagramOptions, handler: DatagramHandler): Promise<DatagramSocket> {
    const { address, port, bufferBytes } = options
    const isShared = process.platform === 'linux'
    const socket = createSocket({
      type: isIPv6(address) ? 'udp6' : 'udp4',
      ...(isShared ? { reusePort: true } : { reuseAddr: true }),
    })
    try {
      socket.bind({ address, port, exclusive: true })
      await once(socket, 'listening')
    } catch (thrown) {
      socket.close()
      throw socketErrorOf(codeOf(thrown), 'listen', formatAddress(address, port))
    }
    // What a peer answers by ICMP concerns that peer, and is not told to sockets that are not connected.
    socket.on('error', () => {})
    return new DatagramSocket(socket, handler, bufferBytes)
  }

  /** Connects to one peer: only its datagrams come, and that it cannot be reached is told. Rejects with `ConnectionRefused`. */
  static async connect(
    options: DatagramOptions & { readonly bind?: string | undefined },
    handler: DatagramHandler,
  ): Promise<DatagramSocket> {
    const { address, port, bufferBytes, bind } = options
    const where = formatAddress(address, port)
    const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4' })
    try {
      if (bind !== undefined) {
        socket.bind({ address: bind, port: 0, exclusive: true })
        await once(socket, 'listening')
      }
      socket.connect(port, address)
      await once(socket, 'connect')
    } catch (thrown) {
      socket.close()
      throw socketErrorOf(codeOf(thrown), 'connect', where)
    }
    const connected = new DatagramSocket(socket, handler, bufferBytes)
    socket.on('error', error => {
      if (!connected.isClosed) handler.failed(socketErrorOf(codeOf(error), 'read', where))
    })
    return connected
  }

  get local(): Endpoint {
    const { address, port } = this.socket.address()
    return { address, port }
  }

  /** Sends a datagram; `to` is for bound sockets. False when it is dropped. */
  send(data: Data, to?: Endpoint): boolean {
    const { socket } = this
    if (this.isClosed) return false
    if (data.size > maxDatagramBytes || socket.getSendQueueSize() > this.bufferBytes) return false
    // The system takes the bytes later: borrowed ones will have changed by then.
    const bytes = data.clone().keep().bytes()
    const done = (error: Error | null): void => {
      if (error !== null) this.handler.refused()
    }
    if (to === undefined) socket.send(bytes, done)
    else socket.send(bytes, to.port, to.address, done)
    return true
  }

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.socket.close()
  }
}

const codeOf = (thrown: unknown): string =>
  (thrown as NodeJS.ErrnoException).code ?? String((thrown as Error).message)
