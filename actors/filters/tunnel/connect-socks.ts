import type { Buffer } from 'node:buffer'
import {
  replyText,
  SOCKSClientHandshake,
  type SOCKSClientSink,
  type Violation,
} from '../../../runtime/codec/socks/index.ts'
import { type FaultCode, TrafficError } from '../../../runtime/errors.ts'
import { parseTarget } from '../../../runtime/net/address.ts'
import { show } from '../../../runtime/options.ts'
import type { FilterDefinition } from '../definition.ts'
import { innerPlanOf } from '../inner-pipeline.ts'
import { ConnectingFilter, connectingOptions, type Given } from './connecting-filter.ts'

/** Longest name that a SOCKS5 request can carry: its length is one byte. */
const maxNameBytes = 255

/** Codes of RFC 1928 §6 that say more than that it failed. */
const faultOf: Readonly<Record<number, FaultCode>> = { 2: 'Unauthorized', 6: 'ConnectionTimeout' }

class ConnectSOCKS extends ConnectingFilter<string> implements SOCKSClientSink {
  private handshake: SOCKSClientHandshake | null = null

  protected begin(target: string): void {
    const { host, port } = parseAddress(target)
    this.handshake = new SOCKSClientHandshake(this, host, port)
    this.handshake.start()
  }

  protected override read(buffer: Buffer, start: number, end: number): number {
    return this.handshake?.decode(buffer, start, end) ?? end
  }

  protected brokenOff(): TrafficError {
    return new TrafficError('ConnectionReset', 'the SOCKS server closed the connection within the handshake')
  }

  override send(bytes: Buffer): void {
    super.send(bytes)
  }

  override established(): void {
    super.established()
  }

  refused(code: number): void {
    this.fail(
      new TrafficError(faultOf[code] ?? 'ConnectionRefused', `the SOCKS server answers: ${replyText(code)}`),
    )
  }

  violation({ reason }: Violation): void {
    this.fail(new TrafficError('UpstreamProtocolError', reason))
  }
}

/** @throws TrafficError when it is no address that SOCKS can carry. */
function parseAddress(target: unknown): { host: string; port: number } {
  if (typeof target !== 'string')
    throw new TrafficError(
      'RuntimeError',
      `connectSOCKS wants a target like 'host:port', and got ${show(target)}`,
    )
  const address = parseTarget(target)
  if (address.host.length > maxNameBytes)
    throw new TrafficError('RuntimeError', `the name ${show(address.host)} is too long for SOCKS`)
  return address
}

export const connectSOCKS: FilterDefinition = {
  name: 'connectSOCKS',
  aliases: [],
  signature: '(target[, options])',
  summary: 'Connects to a target through a SOCKS5 proxy, over a pipeline',
  doc: "Asks a SOCKS5 proxy (RFC 1928, no authentication) for a connection to 'host:port', and sends the stream over it. The sub-pipeline (.to), with the same context, leads to the proxy: usually it is connect. The target may be a callback (ctx) that gives it, or a promise of it; the proxy resolves names. When the proxy refuses, the stream ends with ConnectionRefused, Unauthorized or ConnectionTimeout, by its reply; when it breaks the protocol, with UpstreamProtocolError.",
  accepts: 'bytes',
  emits: 'bytes',
  sub: 'bytes',
  options: connectingOptions,
  example: "listen(8000).connectSOCKS('example.com:80').to($ => $.connect('127.0.0.1:1080'))",
  build: call => {
    const inner = innerPlanOf(call)
    const target = call.take()
    if (typeof target !== 'function') {
      if (typeof target !== 'string')
        throw new TrafficError(
          'BadOption',
          `connectSOCKS wants a target like 'host:port', or a callback that gives one, and got ${show(target)}`,
        )
      parseAddress(target)
    }
    const { handshakeTimeout } = call.options(connectingOptions)
    return {
      name: 'connectSOCKS',
      create: () => new ConnectSOCKS(inner, target as Given<string>, handshakeTimeout),
    }
  },
}
