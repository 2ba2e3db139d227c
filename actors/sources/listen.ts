import { TrafficError } from '../../runtime/errors.ts'
import { parseListenAddress } from '../../runtime/net/address.ts'
import type { Connection, Listener, TLSServerOptions } from '../../runtime/net/transport.ts'
import { count, duration, flag, oneOf, optional, type Resolved, size } from '../../runtime/options.ts'
import type { ConnectionMetrics } from '../connection-metrics.ts'
import { type ListenTLSOptions, serverTLS } from '../filters/tls/socket-tls.ts'
import type { Listening } from '../host.ts'
import type { PipelineLayout } from '../pipeline.ts'
import type { Program, Source } from '../program.ts'
import { ConnectionSession } from './connection-session.ts'
import { DatagramSource } from './listen-datagrams.ts'
import { listenerMetrics } from './listener-metrics.ts'
import { sourceRole } from './source-role.ts'

const isTLS = (value: unknown): value is ListenTLSOptions => typeof value === 'object' && value !== null

export const listenOptions = {
  protocol: oneOf(
    ['tcp', 'udp'],
    'tcp',
    "'udp' takes datagrams: each peer has a session, which ends after idleTimeout, each datagram from it is a message, and each message that comes out (or Data outside of one) is a datagram to it.",
  ),
  maxConnections: count(
    0,
    'Connections of this thread at one time; further ones wait in the backlog of the kernel and are not refused. 0: no limit, since the descriptors of the process are one already. With UDP, peers: datagrams of further ones are dropped and counted (ledger kind `datagrams`), and 0 is 16384, since anyone can make up addresses.',
  ),
  readTimeout: duration(
    0,
    'Closes a connection from which nothing was received for so long. None by default: a client that waits for a long answer sends nothing.',
  ),
  writeTimeout: duration(
    60_000,
    'Closes a connection that has taken nothing of what is to be sent for so long: a client that stopped reading.',
  ),
  idleTimeout: duration(
    72_000,
    'Closes a connection on which nothing moved in either direction for so long. Longer than the 60 s of common balancers, so that they close first and never send a request into a closing connection.',
  ),
  bufferLimit: size(
    256 * 1024,
    'Bytes that may wait to be sent to a client before what feeds them is paused.',
  ),
  backlog: count(
    4096,
    'Connections that the kernel keeps waiting to be accepted; it cuts this to net.core.somaxconn.',
    1,
  ),
  noDelay: flag(
    true,
    'Sends at once instead of waiting to fill a segment (TCP_NODELAY). Writes are gathered per turn already.',
  ),
  keepAlive: flag(
    false,
    'Probes silent peers (SO_KEEPALIVE, first after 60 s). Off: idleTimeout finds them as well, for one system call less per connection.',
  ),
  handshakeTimeout: duration(10_000, 'Closes a TLS connection whose handshake is not done by then.'),
  transparent: flag(
    false,
    'Pipy takes connections that were not addressed to it (TPROXY). It cannot be true here: Node has no way to set IP_TRANSPARENT without native code.',
  ),
  tls: optional(
    'an object with cert and key, and if wanted ca, alpn, sni',
    'Speaks TLS: { cert, key, ca, alpn, sni }; certificates and keys as PEM text, as Data, or as objects of crypto. With ca a client without a certificate signed by it is refused; sni(name) returns { cert, key } for a server name, or a promise of it.',
    isTLS,
  ),
  role: sourceRole,
} as const

export type ListenSettings = Resolved<typeof listenOptions>

/**
 * The source for a call of `listen`.
 *
 * @throws TrafficError `BadOption`
 */
export function listenSource(
  program: Program,
  layout: PipelineLayout,
  target: number | string,
  settings: ListenSettings,
): Source {
  if (settings.transparent)
    throw new TrafficError(
      'BadOption',
      'listen cannot be transparent: that takes the socket option IP_TRANSPARENT, which Node cannot set without native code. Let a proxy that can (HAProxy, nginx) tell of the client, and take its word with acceptProxyProtocol',
    )
  if (settings.protocol === 'tcp') return new ListenSource(program, layout, target, settings)
  if (settings.tls !== undefined)
    throw new TrafficError('BadOption', "option 'tls' of listen goes with TCP; DTLS is not spoken")
  return new DatagramSource(program, layout, target, settings)
}

/** Whether a call of `listen` or `connect` with these options is about datagrams. */
export const isUDP = (options: unknown): boolean =>
  typeof options === 'object' && options !== null && (options as { protocol?: unknown }).protocol === 'udp'

/** A listening address: a session per connection that comes. */
class ListenSource implements Source {
  private readonly program: Program
  private readonly layout: PipelineLayout
  private readonly address: string
  private readonly port: number
  private readonly settings: ListenSettings
  private readonly tls: TLSServerOptions | undefined
  private readonly limits
  private listener: Listener | undefined
  private boundPort: number
  private connections = 0
  private metrics: ConnectionMetrics | undefined
  private isStopped = false
  private isReopening = false

  constructor(program: Program, layout: PipelineLayout, target: number | string, settings: ListenSettings) {
    const { host: address, port } = parseListenAddress(target)
    this.program = program
    this.layout = layout
    this.address = address
    this.port = port
    this.boundPort = port
    this.settings = settings
    this.tls = settings.tls === undefined ? undefined : serverTLS(settings.tls)
    this.limits = {
      readTimeoutMs: settings.readTimeout,
      writeTimeoutMs: settings.writeTimeout,
      idleTimeoutMs: settings.idleTimeout,
      bufferBytes: settings.bufferLimit,
    }
  }

  get listening(): Listening {
    return { address: this.address, port: this.boundPort, connections: this.connections }
  }

  async start(): Promise<void> {
    const { settings, program } = this
    const { transport, acquireSocket } = program.surroundings
    const socket = await acquireSocket(this.address, this.port)
    this.boundPort = socket.port
    this.listener = await transport.listen(
      {
        address: this.address,
        port: socket.port,
        fd: socket.fd,
        reusePort: true,
        backlog: settings.backlog,
        highWaterBytes: settings.bufferLimit,
        noDelay: settings.noDelay,
        keepAlive: settings.keepAlive,
        handshakeTimeoutMs: settings.handshakeTimeout,
        tls: this.tls,
      },
      connection => this.accept(connection),
    )
    this.boundPort = this.listener.local.port
    this.metrics = listenerMetrics(this.address, this.boundPort)
  }

  private accept(connection: Connection): void {
    this.connections++
    this.metrics?.opened()
    const session = new ConnectionSession(this.program, this.layout, connection, this.limits, closed =>
      this.closed(closed),
    )
    session.start()
    if (this.connections === this.settings.maxConnections) {
      // The process keeps the listening socket, so what comes now waits in its backlog.
      this.listener?.close()
      this.listener = undefined
    }
  }

  private closed(session: ConnectionSession): void {
    this.connections--
    this.metrics?.closed(session.inbound)
    if (this.listener !== undefined || this.isStopped || this.isReopening) return
    if (this.settings.maxConnections === 0 || this.connections >= this.settings.maxConnections) return
    this.isReopening = true
    this.start()
      .catch(error => this.program.reportFault('listen', error))
      .finally(() => {
        this.isReopening = false
        if (this.isStopped) this.listener?.close()
      })
  }

  stop(): void {
    this.isStopped = true
    this.listener?.close()
    this.listener = undefined
  }
}
