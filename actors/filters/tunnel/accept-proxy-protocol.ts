import type { Buffer } from 'node:buffer'
import { type ProxyHeader, ProxyHeaderReader } from '../../../runtime/codec/proxy-protocol/index.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import type { Context } from '../../context.ts'
import type { FilterDefinition } from '../definition.ts'
import { type InnerPlan, innerPlanOf } from '../inner-pipeline.ts'
import { AcceptingFilter, acceptingOptions } from './accepting-filter.ts'

type Grant = (header: ProxyHeader, ctx: Context) => unknown

class AcceptProxyProtocol extends AcceptingFilter {
  private readonly grant: Grant
  private readonly reader = new ProxyHeaderReader()

  constructor(inner: InnerPlan, grant: Grant, timeoutMs: number) {
    super(inner, timeoutMs)
    this.grant = grant
  }

  protected get isFresh(): boolean {
    return this.reader.isFresh
  }

  protected read(buffer: Buffer, start: number, end: number): number {
    const reached = this.reader.decode(buffer, start, end)
    this.look()
    return reached
  }

  protected readEnd(): void {
    this.reader.finish()
    this.look()
  }

  private look(): void {
    const { header, violation } = this.reader
    if (header !== undefined) this.decide(this.grant(header, this.pipeline.context))
    else if (violation !== undefined) this.fail(new TrafficError('ProtocolError', violation.reason))
  }
}

export const acceptProxyProtocol: FilterDefinition = {
  name: 'acceptProxyProtocol',
  aliases: [],
  signature: '(grant[, options])',
  summary: 'Accepts a PROXY protocol header and sends the stream behind it to a pipeline',
  doc: "Takes the header of the PROXY protocol, version 1 or 2, that proxies like HAProxy and load balancers put in front of a connection, and asks grant({ version, command, protocol, sourceAddress, sourcePort, targetAddress, targetPort, fields }, ctx), or waits for its promise: with a truthy answer the stream goes through the sub-pipeline (.to) with the same context, else it ends with Unauthorized. A stream without a header, or with a broken one, ends with ProtocolError: whoever may connect without a proxy could else say that it is anyone. command is LOCAL for a proxy's own health checks.",
  accepts: 'bytes',
  emits: 'bytes',
  sub: 'bytes',
  options: acceptingOptions,
  example:
    "listen(8000).acceptProxyProtocol((header, ctx) => { ctx.client = header.sourceAddress; return true }).to($ => $.connect('127.0.0.1:8080'))",
  build: call => {
    const inner = innerPlanOf(call)
    const grant = call.callback<Grant>('a callback (header, ctx) that grants or refuses')
    const { handshakeTimeout } = call.options(acceptingOptions)
    return {
      name: 'acceptProxyProtocol',
      create: () => new AcceptProxyProtocol(inner, grant, handshakeTimeout),
    }
  },
}
