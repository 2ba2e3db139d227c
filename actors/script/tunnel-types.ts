/**
 * The filters that take a stream out of another, or put it into one, as scripts see them: part of types.ts, under the
 * same rules.
 */

import type { ProxyHeader, ProxyHeaderLike } from '../../runtime/codec/proxy-protocol/index.ts'
import type { SOCKSRequest } from '../../runtime/codec/socks/index.ts'
import type { Head } from '../../runtime/event.ts'
import type { Ctx, Duration, FromContext, Needs, Promisable, Stage } from './types.ts'

interface HandshakeOptions {
  handshakeTimeout?: Duration
}

/** A filter whose sub-pipeline is given bytes, and which gives bytes itself. */
type Wraps<V, T extends boolean> = Needs<V, 'bytes', Head, Stage<V, 'bytes', Head, T>>

interface TunnelFilters<V, T extends boolean> {
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
  /** Puts a PROXY protocol header in front of a stream that goes over a pipeline */
  connectProxyProtocol(header?: ProxyHeaderLike | FromContext<V, Promisable<ProxyHeaderLike>>): Wraps<V, T>
  /** Connects to a target through a SOCKS5 proxy, over a pipeline */
  connectSOCKS(target: string | FromContext<V, Promisable<string>>, options?: HandshakeOptions): Wraps<V, T>
}

export type { TunnelFilters }
