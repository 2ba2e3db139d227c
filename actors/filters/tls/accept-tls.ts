import { type ClientHello, ClientHelloReader } from '../../../runtime/codec/tls/index.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import { type Data, type Event, Kind, StreamEnd } from '../../../runtime/event.ts'
import { type ContextOptions, secureContextOf } from '../../../runtime/net/tls-context.ts'
import { TLSStream } from '../../../runtime/net/tls-stream.ts'
import { isFunction, isText, optional, show } from '../../../runtime/options.ts'
import type { Context } from '../../context.ts'
import { Gate } from '../../gate.ts'
import type { FilterDefinition } from '../definition.ts'
import { InnerPipeline, type InnerPlan, innerPlanOf } from '../inner-pipeline.ts'
import { isThenable } from '../promise.ts'
import { isPEM } from './pem.ts'
import { TLSFilter, type TLSPlan } from './tls-filter.ts'
import { callbacksOf, contextOptionsOf, isCertificate, tlsOptions, withCertificate } from './tls-options.ts'

type ChooseProtocol = (offered: readonly string[], ctx: Context) => unknown

const isProtocols = (value: unknown): value is readonly string[] | string | ChooseProtocol =>
  isFunction(value) || typeof value === 'string' || (Array.isArray(value) && value.every(isText))

const options = {
  certificate: optional(
    'an object { cert, key }, or a callback (serverName, ctx) that gives one',
    'What we show to clients, as PEM. A callback is given the name that the client asks for, or undefined, and may return a promise; a client for which it gives nothing is refused.',
    isCertificate,
  ),
  trusted: optional(
    'a certificate, or an array of them',
    'Authorities, as PEM. When given, a client must show a certificate that one of them has signed.',
    isPEM,
  ),
  alpn: optional(
    'an array of names, or a callback (offered, ctx) that gives one of them or its index',
    'Protocols that we speak inside (ALPN), the preferred first. A client that offers others only is refused.',
    isProtocols,
  ),
  dhparam: optional(
    "PEM, or 'auto'",
    'Parameters for the DHE ciphers of TLS 1.2, which are not used without.',
    isText,
  ),
  verify: optional(
    'a callback (ok, peer, ctx)',
    "Decides whether a client is let in: ok says what the check against trusted gave, peer is the client's certificate (X509Certificate) or undefined.",
    isFunction,
  ),
  ...tlsOptions,
} as const

interface Plan extends TLSPlan {
  readonly inner: InnerPlan
  /** All but a certificate that is chosen by name. */
  readonly context: ContextOptions
  readonly certificate: ((serverName: string | undefined, ctx: Context) => unknown) | undefined
  readonly alpn: readonly string[] | ChooseProtocol
  readonly asksCertificate: boolean
}

/**
 * The server's side. When something depends on what the client asks for, its ClientHello is read first:
 *
 *     [reading the hello ──► asking the script] ──► handshake ──► the sub-pipeline opens
 */
class AcceptTLS extends TLSFilter {
  private readonly plan: Plan
  private readonly reader: ClientHelloReader | null
  private gate: Gate | null = null
  private hasBegun = false
  private isAsking = false
  private inner: InnerPipeline | null = null

  constructor(plan: Plan) {
    super(plan)
    this.plan = plan
    const needsHello = plan.certificate !== undefined || typeof plan.alpn === 'function'
    this.reader = needsHello ? new ClientHelloReader() : null
  }

  process(event: Event): void {
    if (this.hasEnded) return
    if (event.kind === Kind.data) this.receive(event)
    else if (event.kind === Kind.streamEnd) this.endWire(event)
  }

  private receive(data: Data): void {
    if (!this.hasBegun) {
      this.hasBegun = true
      this.begin()
    }
    if (data.size === 0) return
    if (this.reader !== null && this.stream === null) this.readHello(data, this.reader)
    else (this.stream ?? this.open(undefined, undefined)).receive(data)
  }

  private readHello(data: Data, reader: ClientHelloReader): void {
    this.gate ??= new Gate()
    this.gate.hold(data)
    if (this.isAsking || !reader.read(data.buffer, data.start, data.end)) return
    this.isAsking = true
    const { certificate } = this.plan
    const chosen = certificate?.(reader.hello?.serverNames[0], this.pipeline.context)
    if (!isThenable(chosen)) {
      this.openWith(reader.hello, chosen)
      return
    }
    chosen.then(
      value => this.enter(() => this.openWith(reader.hello, value)),
      error =>
        this.enter(() => {
          throw error
        }),
    )
  }

  private openWith(hello: ClientHello | undefined, certificate: unknown): void {
    if (this.hasEnded) return
    this.open(hello, certificate ?? undefined)
    for (const event of (this.gate as Gate).open()) this.process(event)
  }

  private open(hello: ClientHello | undefined, certificate: unknown): TLSStream {
    const { context, asksCertificate, callbacks, verifies } = this.plan
    this.stream = TLSStream.server(this, 'the client', {
      // Without a certificate OpenSSL refuses the client, in its own words (handshake_failure).
      secureContext: secureContextOf(
        certificate === undefined ? context : withCertificate(context, certificate),
      ),
      asksCertificate,
      demandsCertificate: verifies && callbacks.verify === undefined,
      alpn: this.protocolsFor(hello),
    })
    return this.stream
  }

  private protocolsFor(hello: ClientHello | undefined): readonly string[] {
    const { alpn } = this.plan
    if (typeof alpn !== 'function') return alpn
    const offered = hello?.protocolNames ?? []
    if (offered.length === 0) return []
    const chosen = alpn(offered, this.pipeline.context)
    const name = typeof chosen === 'number' ? offered[chosen] : chosen
    return typeof name === 'string' ? [name] : []
  }

  protected ready(): void {
    const { pipeline } = this
    this.inner = new InnerPipeline(this.plan.inner, pipeline, pipeline.context, event => this.answer(event))
    this.inner.open()
  }

  /** What the sub-pipeline puts out. */
  private answer(event: Event): void {
    if (event.kind === Kind.data) this.stream?.write(event)
    else if (event.kind === Kind.streamEnd) {
      this.plainEnd = event
      this.stream?.end()
    }
  }

  private endWire(end: StreamEnd): void {
    // A client that is gone takes nothing any more; one that never said anything is no news.
    if (end.error !== '' || !this.hasSaidAnything) this.breakWith(end)
    else if (this.stream !== null) this.stream.receiveEnd()
    else
      this.breakWith(
        new StreamEnd(new TrafficError('ConnectionReset', 'the client closed within the TLS handshake')),
      )
  }

  private get hasSaidAnything(): boolean {
    return this.stream !== null || this.gate !== null
  }

  protected toWire(event: Event): void {
    this.next.process(event)
  }

  protected toPlain(event: Event): void {
    this.inner?.send(event)
  }

  override stop(): void {
    super.stop()
    this.gate?.close()
    this.inner?.stop()
  }
}

export const acceptTLS: FilterDefinition = {
  name: 'acceptTLS',
  aliases: [],
  signature: '(options)',
  summary: 'Accepts TLS and sends the plain stream to a pipeline',
  doc: "Speaks TLS with the client of the stream, as a server, and sends what it says through the sub-pipeline (.to), with the same context, which opens when the handshake is done; what comes out of it is encrypted. OpenSSL's defaults hold: TLS 1.2 and 1.3. Each direction ends by itself, with close_notify; a client that closes without one is taken to have finished. When the handshake fails or the client breaks the protocol, the client gets the alert, and the stream ends with TLSError.",
  accepts: 'bytes',
  emits: 'bytes',
  sub: 'bytes',
  options,
  example:
    "listen(8443).acceptTLS({ certificate: (name, ctx) => ctx.certificates[name ?? 'example.com'], alpn: ['http/1.1'] }).to($ => $.connect('127.0.0.1:8080'))",
  build: call => {
    const inner = innerPlanOf(call)
    const settings = call.options(options)
    const { certificate, trusted, alpn, dhparam } = settings
    if (certificate === undefined)
      throw new TrafficError(
        'BadOption',
        `acceptTLS wants the option 'certificate', and got ${show(undefined)}`,
      )
    const base = { ...contextOptionsOf(settings, trusted), dhparam }
    const isChosen = isFunction(certificate)
    const callbacks = callbacksOf(call, settings, settings.verify)
    const plan: Plan = {
      inner,
      context: isChosen ? base : withCertificate(base, certificate),
      certificate: isChosen ? (call.inContext(certificate) as Plan['certificate']) : undefined,
      alpn: isFunction(alpn)
        ? (call.inContext(alpn) as unknown as ChooseProtocol)
        : typeof alpn === 'string'
          ? [alpn]
          : ((alpn ?? []) as readonly string[]),
      callbacks,
      verifies: trusted !== undefined,
      asksCertificate: trusted !== undefined || callbacks.verify !== undefined,
      handshakeTimeoutMs: settings.handshakeTimeout,
    }
    secureContextOf(plan.context)
    return { name: 'acceptTLS', create: () => new AcceptTLS(plan) }
  },
}
