import { TrafficError } from '../../../runtime/errors.ts'
import { type Event, Kind } from '../../../runtime/event.ts'
import { type ContextOptions, secureContextOf } from '../../../runtime/net/tls-context.ts'
import { TLSStream } from '../../../runtime/net/tls-stream.ts'
import { isFunction, isText, optional, show } from '../../../runtime/options.ts'
import type { Context } from '../../context.ts'
import { Gate } from '../../gate.ts'
import type { FilterDefinition } from '../definition.ts'
import { InnerPipeline, type InnerPlan, innerPlanOf } from '../inner-pipeline.ts'
import { isPEM } from './pem.ts'
import { TLSFilter, type TLSPlan } from './tls-filter.ts'
import { callbacksOf, contextOptionsOf, isCertificate, tlsOptions, withCertificate } from './tls-options.ts'

type ServerName = string | ((ctx: Context) => unknown)

const isServerName = (value: unknown): value is ServerName => isText(value) || isFunction(value)
const isProtocols = (value: unknown): value is readonly string[] | string =>
  typeof value === 'string' || (Array.isArray(value) && value.every(isText))
const isVerify = (value: unknown): value is boolean | ((...args: never[]) => unknown) =>
  typeof value === 'boolean' || isFunction(value)

const options = {
  certificate: optional(
    'an object { cert, key }, or a callback (ctx) that gives one',
    'What we show to a server that asks for a certificate, as PEM.',
    isCertificate,
  ),
  trusted: optional(
    'a certificate, or an array of them',
    "Authorities, as PEM, one of which must have signed the server's certificate. Those that Node knows by default.",
    isPEM,
  ),
  sni: optional(
    'a name, or a callback (ctx) that gives one',
    "Name of the server: it is asked for (SNI), and the server's certificate must be for it.",
    isServerName,
  ),
  alpn: optional(
    'a name, or an array of names',
    'Protocols that we offer to speak inside (ALPN), the preferred first.',
    isProtocols,
  ),
  verify: optional(
    'true, false, or a callback (ok, peer, ctx)',
    "Whether the server's certificate must be trusted and for sni; a callback decides itself, knowing whether it is (ok) and the certificate (X509Certificate). true by default; in Pipy's dialect only when trusted is given, as there.",
    isVerify,
  ),
  ...tlsOptions,
} as const

interface Plan extends TLSPlan {
  readonly inner: InnerPlan
  readonly context: ContextOptions
  readonly certificate: ((ctx: Context) => unknown) | undefined
  readonly serverName: ServerName | undefined
  readonly alpn: readonly string[]
  /** A server without a name to be checked for would be anyone's. */
  readonly needsName: boolean
}

/** The client's side. Plain bytes wait in a gate until the server is known to be who it should be. */
class ConnectTLS extends TLSFilter {
  private readonly plan: Plan
  private readonly gate = new Gate()
  private inner: InnerPipeline | null = null
  private isOpen = false

  constructor(plan: Plan) {
    super(plan)
    this.plan = plan
  }

  process(event: Event): void {
    if (this.hasEnded) return
    if (this.inner === null) {
      if (event.kind === Kind.streamEnd) {
        this.hasEnded = true
        this.next.process(event)
        return
      }
      this.start()
    }
    if (!this.isOpen) {
      if (event.kind === Kind.streamEnd || (event.kind === Kind.data && event.size > 0)) this.gate.hold(event)
    } else this.send(event)
  }

  private send(event: Event): void {
    if (event.kind === Kind.data) this.stream?.write(event)
    else if (event.kind === Kind.streamEnd) {
      this.plainEnd = event
      this.stream?.end()
    }
  }

  private start(): void {
    const { pipeline, plan } = this
    const { context } = pipeline
    const { serverName, certificate } = plan
    const given = typeof serverName === 'function' ? serverName(context) : serverName
    if (given !== undefined && given !== null && typeof given !== 'string')
      throw new TrafficError('RuntimeError', `the sni of connectTLS is a name, and not ${show(given)}`)
    const name = given ?? ''
    if (name === '' && plan.needsName)
      throw new TrafficError(
        'TLSError',
        'connectTLS has no name to check the certificate for: give sni, or verify: false',
      )
    const shown = certificate?.(context)
    const secureContext = secureContextOf(
      shown === undefined || shown === null ? plan.context : withCertificate(plan.context, shown),
    )
    this.inner = new InnerPipeline(plan.inner, pipeline, context, event => this.answer(event))
    this.begin()
    const where = name === '' ? 'the server' : name
    this.stream = TLSStream.client(this, where, { secureContext, serverName: name, alpn: plan.alpn })
  }

  protected ready(): void {
    this.isOpen = true
    for (const event of this.gate.open()) this.send(event)
  }

  /** What comes from the peer. */
  private answer(event: Event): void {
    if (this.hasEnded) return
    if (event.kind === Kind.data) {
      if (event.size > 0) this.stream?.receive(event)
    } else if (event.kind === Kind.streamEnd) {
      if (event.error === '') this.stream?.receiveEnd()
      else this.breakWith(event)
    }
  }

  protected toWire(event: Event): void {
    this.inner?.send(event)
  }

  protected toPlain(event: Event): void {
    this.next.process(event)
  }

  protected override breakWith(...args: Parameters<TLSFilter['breakWith']>): void {
    this.gate.close()
    super.breakWith(...args)
  }

  override stop(): void {
    super.stop()
    this.gate.close()
    this.inner?.stop()
  }
}

export const connectTLS: FilterDefinition = {
  name: 'connectTLS',
  aliases: [],
  signature: '([options])',
  summary: 'Speaks TLS with a server, over a pipeline',
  doc: 'Speaks TLS as a client with the server that the sub-pipeline (.to) leads to, with the same context: usually it is connect. The bytes of the stream are encrypted, and what the server says comes out decrypted. The certificate of the server must be trusted, and for the name in sni, or the stream ends with TLSError before a byte of it is sent. Each direction ends by itself, with close_notify; a server that closes without one is taken to have finished. (connect with its option tls does the same for a whole connection, and is faster.)',
  accepts: 'bytes',
  emits: 'bytes',
  sub: 'bytes',
  options,
  example: "listen(8000).connectTLS({ sni: 'example.com' }).to($ => $.connect('example.com:443'))",
  build: call => {
    const inner = innerPlanOf(call)
    const settings = call.options(options)
    const { certificate, trusted, sni, alpn, verify } = settings
    const callbacks = callbacksOf(call, settings, verify)
    const verifies =
      typeof verify === 'boolean'
        ? verify
        : callbacks.verify !== undefined || !call.isDialect || trusted !== undefined
    const needsName = verifies && callbacks.verify === undefined && !call.isDialect
    if (needsName && sni === undefined)
      throw new TrafficError(
        'BadOption',
        "connectTLS wants the option 'sni', the name that the server's certificate must be for; or verify: false to trust any server",
      )
    const base = contextOptionsOf(settings, trusted)
    const isChosen = isFunction(certificate)
    const plan: Plan = {
      inner,
      context: isChosen || certificate === undefined ? base : withCertificate(base, certificate),
      certificate: isChosen ? (call.inContext(certificate) as unknown as Plan['certificate']) : undefined,
      serverName: isFunction(sni) ? (call.inContext(sni) as unknown as ServerName) : sni,
      alpn: typeof alpn === 'string' ? [alpn] : (alpn ?? []),
      callbacks,
      verifies,
      needsName,
      handshakeTimeoutMs: settings.handshakeTimeout,
    }
    secureContextOf(plan.context)
    return { name: 'connectTLS', create: () => new ConnectTLS(plan) }
  },
}
