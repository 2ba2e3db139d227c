import type { Buffer } from 'node:buffer'
import {
  grantOf,
  refusalOf,
  type SOCKSRequest,
  SOCKSServerHandshake,
  type SOCKSServerSink,
  type Violation,
} from '../../../runtime/codec/socks/index.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import type { Context } from '../../context.ts'
import type { FilterDefinition } from '../definition.ts'
import { type InnerPlan, innerPlanOf } from '../inner-pipeline.ts'
import { AcceptingFilter, acceptingOptions } from './accepting-filter.ts'

type Grant = (request: SOCKSRequest, ctx: Context) => unknown
/** As Pipy's second generation has it, told by the name of a pipeline in front. */
type OlderGrant = (host: string, port: number, id: string, ctx: Context) => unknown

class AcceptSOCKS extends AcceptingFilter implements SOCKSServerSink {
  private readonly grant: Grant
  private readonly handshake = new SOCKSServerHandshake(this)

  constructor(inner: InnerPlan, grant: Grant, timeoutMs: number) {
    super(inner, timeoutMs)
    this.grant = grant
  }

  protected get isFresh(): boolean {
    return this.handshake.isFresh
  }

  protected read(buffer: Buffer, start: number, end: number): number {
    return this.handshake.decode(buffer, start, end)
  }

  protected readEnd(): void {
    this.handshake.finish()
  }

  send(bytes: Buffer): void {
    this.reply(bytes)
  }

  request(request: SOCKSRequest): void {
    this.decide(this.grant(request, this.pipeline.context), grantOf(request), refusalOf(request))
  }

  violation({ reason }: Violation): void {
    this.fail(new TrafficError('ProtocolError', reason))
  }
}

export const acceptSOCKS: FilterDefinition = {
  name: 'acceptSOCKS',
  aliases: ['proxySOCKS', 'proxySOCKS4'],
  signature: '(grant[, options])',
  summary: 'Accepts a SOCKS connection and sends its stream to a pipeline',
  doc: "Takes the handshake of SOCKS4, SOCKS4a or SOCKS5 (RFC 1928; CONNECT, no authentication) and asks grant({ version, id, ip, domain, port }, ctx), or waits for its promise: with a truthy answer the client is told that it is connected, and its stream goes through the sub-pipeline (.to) with the same context; else it is refused, and the stream ends with Unauthorized. Either ip or domain is there; an IP address that is written as a name is in ip. A broken handshake ends the stream with ProtocolError. In Pipy's older form, with the name of the pipeline in front, grant gets (host, port, id).",
  accepts: 'bytes',
  emits: 'bytes',
  sub: 'bytes',
  options: acceptingOptions,
  example:
    'listen(1080).acceptSOCKS((req, ctx) => { ctx.target = `${req.domain ?? req.ip}:${req.port}`; return req.port === 443 }).to($ => $.connect(ctx => ctx.target))',
  build: call => {
    const { isOlderForm } = call
    const inner = innerPlanOf(call)
    const given = call.callback<Grant & OlderGrant>('a callback (request, ctx) that grants or refuses')
    const grant: Grant = isOlderForm
      ? ({ ip, domain, port, id }, ctx) => given(domain ?? (ip as string), port, id, ctx)
      : given
    const { handshakeTimeout } = call.options(acceptingOptions)
    return { name: 'acceptSOCKS', create: () => new AcceptSOCKS(inner, grant, handshakeTimeout) }
  },
}
