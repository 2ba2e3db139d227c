/**
 * The filters that take a stream out of another, or put it into one, as scripts see them: part of types.ts, under the
 * same rules.
 */

import type { X509Certificate } from 'node:crypto'
import type { DetectedProtocol } from '../../runtime/codec/detect/index.ts'
import type { ProxyHeader, ProxyHeaderLike } from '../../runtime/codec/proxy-protocol/index.ts'
import type { SOCKSRequest } from '../../runtime/codec/socks/index.ts'
import type { ClientHello } from '../../runtime/codec/tls/index.ts'
import type { Head, Message } from '../../runtime/event.ts'
import type { TLSHandshake } from '../../runtime/net/tls-stream.ts'
import type { Certificate, PEM } from '../filters/tls/pem.ts'
import type { TLSSessionState } from '../filters/tls/tls-options.ts'
import type { TunnelState } from '../filters/tunnel/connect-http-tunnel.ts'
import type { ServerOptions } from './option-types.ts'
import type {
  Ctx,
  Duration,
  FromContext,
  HTTPRequestHead,
  HTTPResponseHead,
  Needs,
  Promisable,
  Size,
  Stage,
} from './types.ts'

interface HandshakeOptions {
  handshakeTimeout?: Duration
}

interface TLSOptions<V> extends HandshakeOptions {
  /** Authorities, as PEM. */
  trusted?: PEM | readonly PEM[]
  minVersion?: 'TLSv1.2' | 'TLSv1.3'
  maxVersion?: 'TLSv1.2' | 'TLSv1.3'
  ciphers?: string
  handshake?: (handshake: TLSHandshake, ctx: Ctx<V>) => unknown
  onState?: (session: TLSSessionState, ctx: Ctx<V>) => unknown
}

type Verify<V> = (ok: boolean, peer: X509Certificate | undefined, ctx: Ctx<V>) => unknown

export interface AcceptTLSOptions<V> extends TLSOptions<V> {
  certificate:
    | Certificate
    | ((serverName: string | undefined, ctx: Ctx<V>) => Promisable<Certificate | null | undefined>)
  alpn?: readonly string[] | ((offered: readonly string[], ctx: Ctx<V>) => string | number | undefined)
  dhparam?: string
  verify?: Verify<V>
}

export interface ConnectTLSOptions<V> extends TLSOptions<V> {
  certificate?: Certificate | FromContext<V, Certificate | undefined>
  sni?: string | FromContext<V, string | undefined>
  alpn?: string | readonly string[]
  verify?: boolean | Verify<V>
}

/** A filter whose sub-pipeline is given bytes, and which gives bytes itself. */
type Wraps<V, T extends boolean> = Needs<V, 'bytes', Head, Stage<V, 'bytes', Head, T>>

type AcceptTunnel<V> = (
  request: Message<HTTPRequestHead>,
  ctx: Ctx<V>,
) => Promisable<Message | null | undefined | void>

type AcceptTunnelOptions = ServerOptions & { bodyLimit?: Size }

export interface TunnelFilters<V, T extends boolean> {
  /** Accepts an HTTP tunnel and sends its stream to a pipeline */
  acceptHTTPTunnel(accept: AcceptTunnel<V>, options?: AcceptTunnelOptions): Wraps<V, T>
  /** Sends a stream through an HTTP tunnel, over a pipeline */
  connectHTTPTunnel(
    request: Message | FromContext<V, Promisable<Message>>,
    options?: HandshakeOptions & { onState?: (tunnel: TunnelState, ctx: Ctx<V>) => unknown },
  ): Needs<V, 'messages', HTTPRequestHead, Stage<V, 'bytes', Head, T>>
  /** Accepts a PROXY protocol header and sends the stream behind it to a pipeline */
  acceptProxyProtocol(
    grant: (header: ProxyHeader, ctx: Ctx<V>) => Promisable<unknown>,
    options?: HandshakeOptions,
  ): Wraps<V, T>
  /** Accepts a SOCKS connection and sends its stream to a pipeline */
  acceptSOCKS(
    grant: (request: SOCKSRequest, ctx: Ctx<V>) => Promisable<unknown>,
    options?: HandshakeOptions,
  ): Wraps<V, T>
  /** Accepts TLS and sends the plain stream to a pipeline */
  acceptTLS(options: AcceptTLSOptions<V>): Wraps<V, T>
  /** Speaks TLS with a server, over a pipeline */
  connectTLS(options?: ConnectTLSOptions<V>): Wraps<V, T>
  /** Puts a PROXY protocol header in front of a stream that goes over a pipeline */
  connectProxyProtocol(header?: ProxyHeaderLike | FromContext<V, Promisable<ProxyHeaderLike>>): Wraps<V, T>
  /** Connects to a target through a SOCKS5 proxy, over a pipeline */
  connectSOCKS(target: string | FromContext<V, Promisable<string>>, options?: HandshakeOptions): Wraps<V, T>
  /** Calls back with the protocol that a stream speaks */
  detectProtocol(
    callback: (protocol: DetectedProtocol, ctx: Ctx<V>) => unknown,
    options?: { timeout?: Duration },
  ): Stage<V, 'bytes', Head, T>
  /** Handles the first message of a TLS client */
  handleTLSClientHello(callback: (hello: ClientHello, ctx: Ctx<V>) => unknown): Stage<V, 'bytes', Head, T>
}

/** The same where there are messages: behind demuxHTTP. */
export interface TunnelFiltersOnMessages<V, T extends boolean> {
  /** Accepts an HTTP tunnel and sends its stream to a pipeline */
  acceptHTTPTunnel(
    accept: AcceptTunnel<V>,
    options?: AcceptTunnelOptions,
  ): Needs<V, 'bytes', Head, Stage<V, 'messages', HTTPResponseHead, T>>
}
