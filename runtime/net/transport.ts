import type { Buffer } from 'node:buffer'
import type { Data } from '../data.ts'
import type { TrafficError } from '../errors.ts'
import type { Source } from '../turn.ts'

/**
 * The contract of every transport: TCP over handles, TCP over node:net, TLS. One test suite runs over all of them
 * (test/runtime/net/transport-contract.test.ts).
 *
 * A connection belongs to one handler, which is told what happens, each call being one turn:
 *
 *     opened ──► data* ──► ended (the peer finished sending) ──► closed
 *        └────────────────── closed(error) at any point ─────────┘
 *
 * `closed` comes exactly once, last. After `destroy()` only `closed` follows. A handler may throw nothing.
 */
export interface ConnectionHandler {
  /** An outbound connection (and its TLS handshake) is made. Not called for accepted connections. */
  opened(): void
  /** Bytes arrived. The memory is reused after the call: `Data.borrow` it, keep it, or be done with it. */
  data(buffer: Buffer, start: number, end: number): void
  /** The peer finished sending (FIN, close_notify). We may still send: TCP is half-closed. */
  ended(): void
  /** What was buffered has been handed to the kernel, after a write had found more than `highWaterBytes` queued. */
  drained(): void
  /** The connection is gone. `error` is undefined after an orderly end of both directions or our own `destroy()`. */
  closed(error: TrafficError | undefined): void
}

export interface Endpoint {
  readonly address: string
  readonly port: number
}

export interface Connection extends Source {
  handler: ConnectionHandler
  readonly remote: Endpoint
  readonly local: Endpoint
  /** What TLS agreed on, when it is TLS. */
  readonly tls: TLSInfo | undefined
  /** Bytes accepted from us and not yet by the kernel. */
  readonly queuedBytes: number
  /** Bytes received and sent since the connection was made. */
  readonly receivedBytes: number
  readonly sentBytes: number
  /**
   * Queues bytes for the end of the turn. Borrowed bytes are copied, at the latest when the turn ends; others are
   * referred to until they are sent, and must not change. A queue longer than `highWaterBytes` pauses
   * `turn.source` until it has drained. Writing after `end` or `destroy` does nothing.
   */
  write(data: Data): void
  /** The same for text of which each character is one byte (HTTP heads are). */
  writeLatin1(text: string): void
  /** Sends what is queued, then finishes our direction (half-close). */
  end(): void
  /** Closes at once, discarding what is queued. `closed` follows, in a later turn. */
  destroy(): void
  /** Like `destroy`, telling the peer with a TCP reset that what it received is not complete. */
  reset(): void
}

export interface TLSInfo {
  readonly alpn: string | undefined
  readonly serverName: string | undefined
  readonly protocol: string | undefined
}

export interface CertificateOptions {
  readonly cert: string | Buffer
  readonly key: string | Buffer
}

export interface TLSServerOptions {
  readonly cert?: string | Buffer | undefined
  readonly key?: string | Buffer | undefined
  /** Certificates to check the client's with; when given, a client without a valid one is refused. */
  readonly ca?: string | Buffer | readonly (string | Buffer)[] | undefined
  readonly alpn?: readonly string[] | undefined
  /** Called with the name the client asked for; returns the certificate for it (undefined: the default one). */
  readonly sni?:
    | ((serverName: string) => CertificateOptions | undefined | Promise<CertificateOptions | undefined>)
    | undefined
}

export interface TLSClientOptions {
  readonly cert?: string | Buffer | undefined
  readonly key?: string | Buffer | undefined
  readonly ca?: string | Buffer | readonly (string | Buffer)[] | undefined
  readonly alpn?: readonly string[] | undefined
  /** The name to ask for and to check the certificate with; default: the host name of the target. */
  readonly sni?: string | undefined
  /** False accepts any certificate. Default true. */
  readonly verify?: boolean | undefined
}

export interface ConnectOptions {
  /** IPv4 or IPv6 address: names are resolved before (runtime/net/resolver.ts). */
  readonly address: string
  readonly port: number
  /** Local address to bind to. */
  readonly bind?: string | undefined
  /** Milliseconds until `closed(ConnectionTimeout)`, TLS handshake included; 0: only the kernel's own limit. */
  readonly connectTimeoutMs: number
  readonly highWaterBytes: number
  readonly noDelay: boolean
  readonly keepAlive: boolean
  readonly tls?: (TLSClientOptions & { readonly servername: string }) | undefined
}

export interface ListenOptions {
  readonly address: string
  readonly port: number
  /** A bound socket to take instead of making one (runtime/net/listening-sockets.ts). */
  readonly fd?: number | undefined
  readonly reusePort: boolean
  readonly backlog: number
  readonly highWaterBytes: number
  readonly noDelay: boolean
  readonly keepAlive: boolean
  readonly tls?: TLSServerOptions | undefined
  /** Milliseconds until an accepted TLS connection whose handshake is not done is closed. */
  readonly handshakeTimeoutMs: number
}

export interface Listener {
  readonly local: Endpoint
  /** Stops accepting; connections already accepted live on. */
  close(): void
}

export interface Transport {
  readonly name: 'handle' | 'net'
  /**
   * Listens; resolves when connections can come. `accept` gets each new connection and must set its handler before
   * it returns. Rejects with `ListenFailed`.
   */
  listen(options: ListenOptions, accept: (connection: Connection) => void): Promise<Listener>
  /** Starts connecting; everything else is told to the handler, never before this call has returned. */
  connect(options: ConnectOptions, handler: ConnectionHandler): Connection
}
