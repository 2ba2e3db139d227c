/** TLS for both transports, by Node's own: OpenSSL's defaults, TLS 1.2 and newer. */

import { channel } from 'node:diagnostics_channel'
import { isIP, Socket } from 'node:net'
import {
  createServer,
  type SecureContext,
  type TLSSocket,
  type TlsOptions,
  connect as wrapSocket,
} from 'node:tls'
import { TrafficError } from '../errors.ts'
import { formatAddress } from './address.ts'
import { acceptStream, StreamConnection, type StreamKind, startConnecting } from './stream-connection.ts'
import { acceptedOptions, listenOn } from './stream-listener.ts'
import { secureContextOf } from './tls-context.ts'
import { tlsErrorOf } from './tls-errors.ts'
import type {
  Connection,
  ConnectionHandler,
  ConnectOptions,
  Listener,
  ListenOptions,
  TLSInfo,
  TLSServerOptions,
} from './transport.ts'

/**
 * Tells of handshakes that clients broke off or were refused in: `{ remote: string, error: TrafficError }`. They never
 * become connections, so no handler hears of them.
 */
export const handshakeFailures = channel('sluice:tls:handshake-failed')

/**
 * What `Transport.listen` does when there is `options.tls`. `accept` sees a connection when its handshake is done.
 * Rejects with `ListenFailed`, and with `BadOption` when the certificate cannot be used.
 */
export async function listenTLS(
  options: ListenOptions,
  accept: (connection: Connection) => void,
): Promise<Listener> {
  const server = createServer(serverOptions(options, options.tls ?? {}))
  server.on('secureConnection', socket => acceptStream(socket, acceptedTLS, options.highWaterBytes, accept))
  server.on('tlsClientError', (error, socket) => {
    if (handshakeFailures.hasSubscribers) {
      const remote = formatAddress(socket.remoteAddress ?? '', socket.remotePort ?? 0)
      handshakeFailures.publish({ remote, error: tlsErrorOf(error, 'read', remote) })
    }
    // Node leaves the sockets of some failed handshakes open, for their owner to answer on.
    socket.destroy()
  })
  return listenOn(server, options)
}

function serverOptions(options: ListenOptions, tls: TLSServerOptions): TlsOptions {
  const { cert, key, ca, alpn, sni } = tls
  // Read once here, so that what OpenSSL cannot use is told in our words before anything listens.
  if (cert !== undefined || key !== undefined) secureContextOf({ cert, key, ca })
  return {
    ...acceptedOptions(options),
    handshakeTimeout: options.handshakeTimeoutMs,
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(ca === undefined
      ? {}
      : { ca: Array.isArray(ca) ? [...ca] : ca, requestCert: true, rejectUnauthorized: true }),
    ...(alpn === undefined || alpn.length === 0 ? {} : { ALPNProtocols: [...alpn] }),
    ...(sni === undefined ? {} : { SNICallback: certificateChooser(sni, ca) }),
  } as TlsOptions
}

/** Node's form of the `sni` option. What it throws ends that handshake alone. */
function certificateChooser(sni: NonNullable<TLSServerOptions['sni']>, ca: TLSServerOptions['ca']) {
  return (name: string, done: (error: Error | null, context?: SecureContext) => void): void => {
    const failed = (thrown: unknown): void => done(TrafficError.from(thrown))
    const answer = (chosen: Awaited<ReturnType<typeof sni>>): void =>
      chosen === undefined || chosen === null
        ? done(null)
        : done(null, secureContextOf({ cert: chosen.cert, key: chosen.key, ca }))
    try {
      const chosen = sni(name)
      if (chosen instanceof Promise) chosen.then(answer).catch(failed)
      else answer(chosen)
    } catch (thrown) {
      failed(thrown)
    }
  }
}

/** What `Transport.connect` does when there is `options.tls`. */
export function connectTLS(options: ConnectOptions, handler: ConnectionHandler): Connection {
  const raw = new Socket({ allowHalfOpen: true })
  const remote = { address: options.address, port: options.port }
  const { highWaterBytes } = options
  try {
    startConnecting(raw, options)
    const socket = wrap(raw, options)
    const connection = new StreamConnection(socket, handler, {
      kind: outboundTLS(raw, options),
      highWaterBytes,
      remote,
    })
    connection.limitConnecting(options)
    return connection
  } catch (thrown) {
    // The certificate or the CA cannot be used.
    const failed = new StreamConnection(raw, handler, {
      kind: outboundTLS(raw, options),
      highWaterBytes,
      remote,
    })
    raw.destroy(TrafficError.from(thrown, 'TLSError'))
    return failed
  }
}

function wrap(raw: Socket, { tls, address }: ConnectOptions): TLSSocket {
  const { cert, key, ca, alpn, verify } = tls ?? {}
  const name = nameOf(tls)
  return wrapSocket({
    socket: raw,
    secureContext: secureContextOf({ cert, key, ca }),
    rejectUnauthorized: verify !== false,
    // An address is checked against the certificate like a name, but RFC 6066 §3 forbids to ask for it by SNI.
    host: name === '' ? address : name,
    ...(name === '' || isIP(name) !== 0 ? {} : { servername: name }),
    ...(alpn === undefined || alpn.length === 0 ? {} : { ALPNProtocols: [...alpn] }),
  })
}

const nameOf = (tls: ConnectOptions['tls']): string => tls?.sni ?? tls?.servername ?? ''

const acceptedTLS: StreamKind = {
  openEvent: 'secureConnect',
  // Not public; without it a reset is a plain close.
  resettable: socket => (socket as { _parent?: unknown })._parent as Socket | undefined,
  describe: socket =>
    describe(socket as TLSSocket, (socket as TLSSocket & { servername?: unknown }).servername),
  errorOf: tlsErrorOf,
}

const outboundTLS = (raw: Socket, options: ConnectOptions): StreamKind => ({
  openEvent: 'secureConnect',
  resettable: () => raw,
  describe: socket => describe(socket as TLSSocket, nameOf(options.tls)),
  errorOf: tlsErrorOf,
})

const describe = (socket: TLSSocket, serverName: unknown): TLSInfo => ({
  alpn:
    typeof socket.alpnProtocol === 'string' && socket.alpnProtocol !== '' ? socket.alpnProtocol : undefined,
  serverName: typeof serverName === 'string' && serverName !== '' ? serverName : undefined,
  protocol: socket.getProtocol() ?? undefined,
})
