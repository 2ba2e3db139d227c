// Hot path: each read of an upstream connection enters here, and each write to one leaves here.

import type { Buffer } from 'node:buffer'
import { after, Deadline } from '../../../runtime/clock.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import { Data, type Event, StreamEnd } from '../../../runtime/event.ts'
import { formatAddress, parseTarget } from '../../../runtime/net/address.ts'
import { BlockedSources } from '../../../runtime/net/blocked-sources.ts'
import { resolver } from '../../../runtime/net/resolver.ts'
import type {
  Connection,
  ConnectionHandler,
  TLSClientOptions,
  Transport,
} from '../../../runtime/net/transport.ts'
import { WriteDeadline } from '../../../runtime/net/write-deadline.ts'
import {
  count,
  duration,
  flag,
  isText,
  oneOf,
  optional,
  type Resolved,
  show,
  size,
} from '../../../runtime/options.ts'
import { type Span, SpanKind } from '../../../runtime/trace/span.ts'
import { tracing } from '../../../runtime/trace/tracing.ts'
import { turn } from '../../../runtime/turn.ts'
import type { ConnectionMetrics } from '../../connection-metrics.ts'
import type { Context } from '../../context.ts'
import { datagramLedgers } from '../../datagram-ledgers.ts'
import { Filter, type Latin1 } from '../../filter.ts'
import type { FilterDefinition } from '../definition.ts'
import { isThenable } from '../promise.ts'
import { clientTLS, type DialTLSOptions } from '../tls/socket-tls.ts'
import { ConnectDatagrams } from './connect-datagrams.ts'
import { countFailure, upstreamMetrics } from './upstream-metrics.ts'

const isTLS = (value: unknown): value is DialTLSOptions | true =>
  value === true || (typeof value === 'object' && value !== null)

const options = {
  protocol: oneOf(
    ['tcp', 'udp'],
    'tcp',
    "'udp' sends each message (and each Data outside of one) as a datagram, and puts out each datagram that comes as a message; bufferLimit, readTimeout, idleTimeout and bind apply.",
  ),
  bufferLimit: size(
    1024 * 1024,
    'Bytes that may wait to be sent: what feeds them is paused from a quarter of it on. While connecting, more from what cannot be paused ends the stream with BufferOverflow.',
  ),
  retryCount: count(0, 'How often a connection that could not be made is tried again; -1: without end.', -1),
  retryDelay: duration(0, 'Time between two tries.'),
  connectTimeout: duration(
    10_000,
    'Ends the stream with ConnectionTimeout when the name is not resolved by then, or the connection, TLS included, not made by then. 10 s: three SYNs (1 s, 3 s, 7 s), after which more waiting rarely helps.',
  ),
  readTimeout: duration(
    0,
    'Ends the stream with ReadTimeout when nothing came for so long after bytes were sent or received.',
  ),
  writeTimeout: duration(0, 'Ends the stream with WriteTimeout when nothing could be sent for so long.'),
  idleTimeout: duration(
    60_000,
    'Ends the stream with IdleTimeout when nothing moved in either direction for so long; the 60 s of nginx and Pipy.',
  ),
  noDelay: flag(true, 'Sends at once instead of waiting to fill a segment (TCP_NODELAY).'),
  keepAlive: flag(false, 'Probes a silent peer (SO_KEEPALIVE, first after 60 s).'),
  bind: optional('a local IP address', 'Local address to connect from.', isText),
  tls: optional(
    'true, or an object with any of sni, ca, cert, key, alpn, verify',
    'Speaks TLS to the target, with its host name as server name; certificates and keys as PEM text, as Data, or as objects of crypto; { verify: false } takes any certificate.',
    isTLS,
  ),
} as const

type Settings = Resolved<typeof options>
type Target = string | ((ctx: Context) => string | PromiseLike<string>)

/** What the filters of one place in the script share. */
interface ConnectPlan {
  readonly target: Target
  readonly settings: Settings
  readonly tls: TLSClientOptions | undefined
  readonly transport: Transport
}

/**
 *     idle ──first event──► resolving ──► connecting ──► connected ──► ended
 *                               └── failed: next address, then retries ──┘
 */
class Connect extends Filter implements ConnectionHandler {
  private readonly plan: ConnectPlan
  private connection: Connection | null = null
  /** What came before the connection was made, and who was paused because it is much. */
  private pending: Data | null = null
  private blocked: BlockedSources | null = null
  private hasStarted = false
  private isConnected = false
  private inputEnded = false
  private outputEnded = false
  private addresses: readonly string[] = []
  private port = 0
  private host = ''
  private addressIndex = 0
  private tries = 0
  private cancelTimer: (() => void) | null = null
  private idle: Deadline | null = null
  private reading: Deadline | null = null
  private writing: WriteDeadline | null = null
  /** From the search for the address until the connection is made, in a trace that is recorded. */
  private span: Span | null = null
  /** Of the upstream, while there is a connection to it. */
  private metrics: ConnectionMetrics | null = null

  constructor(plan: ConnectPlan) {
    super()
    this.plan = plan
  }

  override get takesText(): boolean {
    return true
  }

  process(event: Event | Latin1): void {
    if (this.inputEnded) return
    switch (event.kind) {
      case 0:
        if (this.isConnected) this.write(event)
        else this.hold(event)
        break
      case 4:
        if (this.isConnected) {
          this.touch()
          ;(this.connection as Connection).writeLatin1(event.text)
          if (this.writing !== null) this.writing.touch()
        } else {
          this.hold(new Data(event.text, 'latin1'))
        }
        break
      case 3:
        this.inputEnded = true
        if (this.isConnected) (this.connection as Connection).end()
        else if (!this.hasStarted) this.finish(event)
        return
      default:
        break
    }
    if (!this.hasStarted) this.start()
  }

  private write(data: Data): void {
    const connection = this.connection as Connection
    this.touch()
    connection.write(data)
    if (this.writing !== null) this.writing.touch()
  }

  private touch(): void {
    if (this.idle !== null) this.idle.touch()
    // The peer is not silent before it has been asked.
    if (this.reading !== null) this.reading.touch()
  }

  private hold(data: Data): void {
    if (data.size === 0) return
    if (this.pending === null) this.pending = data.clone().keep()
    else this.pending.push(data)
    const { bufferLimit } = this.plan.settings
    if (this.pending.size <= bufferLimit / 4) return
    if (turn.source !== null) {
      this.blocked ??= new BlockedSources()
      this.blocked.block(turn.source)
    } else if (this.pending.size > bufferLimit) {
      this.fail(
        new TrafficError(
          'BufferOverflow',
          `${this.pending.size} bytes are waiting for a connection to ${this.host || 'the target'}, and bufferLimit is ${bufferLimit}`,
        ),
      )
    }
  }

  private start(): void {
    this.hasStarted = true
    if (tracing.tracer !== null) {
      const { trace } = this.pipeline
      if (trace?.isRecorded === true) this.span = (trace as Span).child('connect', SpanKind.client)
    }
    const { target } = this.plan
    const given = typeof target === 'function' ? target(this.pipeline.context) : target
    if (isThenable(given)) this.enterWhen(given, value => this.resolve(value))
    else this.resolve(given)
  }

  private resolve(target: unknown): void {
    if (typeof target !== 'string') {
      throw new TrafficError(
        'RuntimeError',
        `connect wants a target like 'host:port', and its callback gave ${show(target)}`,
      )
    }
    const { host, port } = parseTarget(target)
    this.host = host
    this.port = port
    const found = resolver.resolve(host)
    if (typeof found === 'string') this.tryAddresses([found])
    else {
      this.limitResolving(host)
      this.enterWhen(found, addresses => this.tryAddresses(addresses), 'CannotResolve')
    }
  }

  /** The operating system may ask name servers for half a minute. */
  private limitResolving(host: string): void {
    const { connectTimeout } = this.plan.settings
    if (connectTimeout === 0) return
    this.cancelTimer = after(connectTimeout, () => {
      turn.begin(null)
      if (!this.pipeline.isStopped && !this.outputEnded)
        this.pipeline.run(() =>
          this.fail(
            new TrafficError('ConnectionTimeout', `'${host}' was not resolved within ${connectTimeout} ms`),
          ),
        )
      turn.end()
    })
  }

  /** Goes on inside the pipeline's actor when `promise` settles. */
  private enterWhen<T>(promise: PromiseLike<T>, done: (value: T) => void, code?: 'CannotResolve'): void {
    const enter = (work: () => void): void => {
      turn.begin(null)
      if (!this.pipeline.isStopped && !this.outputEnded) this.pipeline.run(work)
      turn.end()
    }
    promise.then(
      value => enter(() => done(value)),
      error =>
        enter(() => {
          if (code === undefined) throw error
          this.retry(TrafficError.from(error, code))
        }),
    )
  }

  private tryAddresses(addresses: readonly string[]): void {
    this.cancelTimer?.()
    this.addresses = addresses
    this.addressIndex = 0
    this.tryAddress()
  }

  private tryAddress(): void {
    const { settings, transport } = this.plan
    const { tls } = this.plan
    this.connection = transport.connect(
      {
        address: this.addresses[this.addressIndex] as string,
        port: this.port,
        bind: settings.bind,
        connectTimeoutMs: settings.connectTimeout,
        highWaterBytes: settings.bufferLimit / 4,
        noDelay: settings.noDelay,
        keepAlive: settings.keepAlive,
        tls: tls === undefined ? undefined : { servername: this.host, ...tls },
      },
      this,
    )
  }

  opened(): void {
    const { settings } = this.plan
    const connection = this.connection as Connection
    this.isConnected = true
    const address = this.addresses[this.addressIndex] as string
    this.pipeline.root.upstream = { host: this.host, port: this.port, address }
    this.metrics = upstreamMetrics(this.host, this.port)
    this.metrics.opened()
    if (this.span !== null) this.endSpan('')
    if (settings.idleTimeout > 0) {
      this.idle = new Deadline(settings.idleTimeout, () => this.timeOut('IdleTimeout'))
      this.idle.touch()
    }
    if (settings.readTimeout > 0) {
      this.reading = new Deadline(settings.readTimeout, () => this.timeOut('ReadTimeout'))
      this.reading.touch()
    }
    if (settings.writeTimeout > 0)
      this.writing = new WriteDeadline(connection, settings.writeTimeout, () => this.timeOut('WriteTimeout'))
    const { pending } = this
    this.pending = null
    if (pending !== null) {
      // This connection is the turn's source, and is not to be paused for what others have sent.
      const { source } = turn
      turn.source = null
      connection.write(pending)
      turn.source = source
      this.writing?.touch()
    }
    this.blocked?.release()
    if (this.inputEnded) connection.end()
  }

  data(buffer: Buffer, start: number, end: number): void {
    if (this.idle !== null) this.idle.touch()
    if (this.reading !== null) this.reading.touch()
    if (this.outputEnded) return
    this.pipeline.deliver(this.next, Data.borrow(buffer, start, end), null)
  }

  ended(): void {
    this.finish(new StreamEnd())
  }

  drained(): void {
    this.writing?.clear()
  }

  closed(error: TrafficError | undefined): void {
    this.clearDeadlines()
    this.countClosed()
    if (this.isConnected) this.inputEnded = true
    if (this.outputEnded) return
    if (this.isConnected || error === undefined) this.finish(new StreamEnd(error))
    else this.retry(error)
  }

  /** The connection that was open is not any more. */
  private countClosed(): void {
    const { metrics, connection } = this
    this.metrics = null
    if (metrics !== null && connection !== null) metrics.closed(connection)
  }

  private retry(error: TrafficError): void {
    this.cancelTimer?.()
    countFailure(upstreamMetrics(this.host, this.port), error.code)
    if (this.addressIndex + 1 < this.addresses.length) {
      this.addressIndex++
      this.tryAddress()
      return
    }
    const { retryCount, retryDelay } = this.plan.settings
    if (retryCount >= 0 && this.tries >= retryCount) {
      this.fail(error)
      return
    }
    this.tries++
    this.cancelTimer = after(Math.max(retryDelay, 1), () => {
      turn.begin(null)
      if (!this.pipeline.isStopped && !this.outputEnded)
        this.pipeline.run(() => this.resolve(formatAddress(this.host, this.port)))
      turn.end()
    })
  }

  private timeOut(code: 'IdleTimeout' | 'ReadTimeout' | 'WriteTimeout'): void {
    const limit = {
      IdleTimeout: 'idleTimeout',
      ReadTimeout: 'readTimeout',
      WriteTimeout: 'writeTimeout',
    } as const
    this.fail(
      new TrafficError(
        code,
        `${this.host}:${this.port}, ${limit[code]} is ${this.plan.settings[limit[code]] / 1000} s`,
      ),
    )
  }

  private fail(error: TrafficError): void {
    this.countClosed()
    const { connection } = this
    this.connection = null
    this.isConnected = false
    this.inputEnded = true
    this.finish(new StreamEnd(error))
    connection?.destroy()
  }

  private endSpan(error: string): void {
    const { span } = this
    this.span = null
    if (span === null) return
    span.set('server.address', this.host)
    span.set('server.port', this.port)
    span.set('network.transport', 'tcp')
    const address = this.addresses[this.addressIndex]
    if (address !== undefined) span.set('network.peer.address', address)
    if (this.tries > 0) span.set('sluice.connect.retries', this.tries)
    span.end(error)
  }

  private finish(end: StreamEnd): void {
    if (this.outputEnded) return
    this.outputEnded = true
    if (this.span !== null) this.endSpan(end.error)
    this.reading?.clear()
    this.pending = null
    this.blocked?.release()
    this.pipeline.deliver(this.next, end, null)
  }

  private clearDeadlines(): void {
    this.idle?.clear()
    this.reading?.clear()
    this.writing?.clear()
  }

  override stop(): void {
    this.inputEnded = true
    this.outputEnded = true
    if (this.span !== null) this.endSpan('ConnectionAborted')
    this.countClosed()
    this.clearDeadlines()
    this.cancelTimer?.()
    this.blocked?.release()
    this.connection?.destroy()
  }
}

export const connect: FilterDefinition = {
  name: 'connect',
  aliases: [],
  signature: '(target[, options])',
  summary: 'Sends data to a remote endpoint and receives data from it',
  doc: "Connects to 'host:port' with the first event of the stream, sends the bytes of Data events and puts out what comes back. The target may be a callback (ctx) that gives it, or a promise of it. A name with several addresses is tried address by address. Each direction ends by itself: StreamEnd in finishes sending, the peer's end puts StreamEnd out. After a failure StreamEnd says which: CannotResolve, ConnectionRefused, ConnectionTimeout, ConnectionReset, ReadError, WriteError, ReadTimeout, WriteTimeout, IdleTimeout, BufferOverflow, TLSError.",
  accepts: 'bytes',
  emits: 'bytes',
  kindsFor: ([, given]) =>
    (given as { protocol?: unknown } | undefined)?.protocol === 'udp'
      ? { accepts: 'any', emits: 'messages' }
      : { accepts: 'bytes', emits: 'bytes' },
  options,
  example: "listen(8000).connect('127.0.0.1:8080', { connectTimeout: 3 })",
  build: call => {
    const target = call.take()
    if (typeof target === 'string') parseTarget(target)
    else if (typeof target !== 'function')
      throw new TrafficError(
        'BadOption',
        `connect wants a target like 'host:port', or a callback that gives one, and got ${show(target)}`,
      )
    const settings = call.options(options)
    if (settings.protocol === 'udp') {
      if (settings.tls !== undefined)
        throw new TrafficError('BadOption', "option 'tls' of connect goes with TCP; DTLS is not spoken")
      const ledgers = datagramLedgers(call.program, 'udp peers', `${call.within}.connect`)
      const datagrams = { target: target as Target, settings, ledgers }
      return { name: 'connect', create: () => new ConnectDatagrams(datagrams) }
    }
    const plan: ConnectPlan = {
      target: target as Target,
      settings,
      tls: settings.tls === undefined ? undefined : clientTLS(settings.tls),
      transport: call.program.surroundings.transport,
    }
    return { name: 'connect', create: () => new Connect(plan) }
  },
}
