// Hot path: every read of an inbound connection enters here, and every write to it leaves here.

import type { Buffer } from 'node:buffer'
import { Deadline } from '../../runtime/clock.ts'
import { TrafficError } from '../../runtime/errors.ts'
import { Data, type Event, StreamEnd } from '../../runtime/event.ts'
import type { Connection, ConnectionHandler } from '../../runtime/net/transport.ts'
import { WriteDeadline } from '../../runtime/net/write-deadline.ts'
import type { Span } from '../../runtime/trace/span.ts'
import { type Flushable, turn } from '../../runtime/turn.ts'
import type { Latin1 } from '../filter.ts'
import { Inbound } from '../inbound.ts'
import type { PipelineLayout } from '../pipeline.ts'
import type { Program } from '../program.ts'
import { type Relievable, Session } from '../session.ts'

export interface ConnectionLimits {
  readonly readTimeoutMs: number
  readonly writeTimeoutMs: number
  readonly idleTimeoutMs: number
  /** Bytes that may wait to be sent. */
  readonly bufferBytes: number
}

/** How long a connection that we have finished with may stay to read what we sent: as long as nginx's lingering_timeout. */
const lingerMs = 5_000

/**
 * The session of an accepted connection.
 *
 *     bytes ──► Data ──► filters ──► Data ──► bytes          FIN ──► StreamEnd ──► filters ──► StreamEnd ──► FIN
 *
 * The two directions end apart (half-close). A StreamEnd with an error also stops reading, and the connection closes
 * when the peer has taken what was sent, or after 5 s. One that says that the stream was cut becomes a TCP reset, since
 * a FIN would tell the peer that it is whole.
 */
export class ConnectionSession extends Session implements ConnectionHandler, Flushable {
  private readonly connection: Connection
  private readonly onClosed: (session: ConnectionSession) => void
  private readonly idle: Deadline | null
  private readonly reading: Deadline | null
  private writing: WriteDeadline | null = null
  private readonly writeTimeoutMs: number
  private readonly bufferBytes: number
  private waiting: Relievable | null = null
  private inputEnded = false
  private isLingering = false
  private isFinishing = false
  private isIdle = false
  private lingering: Deadline | null = null

  constructor(
    program: Program,
    layout: PipelineLayout,
    connection: Connection,
    limits: ConnectionLimits,
    onClosed: (session: ConnectionSession) => void,
  ) {
    super(program, layout, program.newContext(new Inbound(connection)))
    program.sessionStarted(this)
    this.connection = connection
    this.onClosed = onClosed
    connection.handler = this
    this.idle =
      limits.idleTimeoutMs > 0 ? new Deadline(limits.idleTimeoutMs, () => this.timeOut('IdleTimeout')) : null
    this.reading =
      limits.readTimeoutMs > 0 ? new Deadline(limits.readTimeoutMs, () => this.timeOut('ReadTimeout')) : null
    this.writeTimeoutMs = limits.writeTimeoutMs
    this.bufferBytes = limits.bufferBytes
    this.idle?.touch()
    this.reading?.touch()
    this.beginTrace('session')
  }

  protected override describe(span: Span): void {
    const { remote, local, receivedBytes, sentBytes } = this.connection
    span.set('network.transport', 'tcp')
    span.set('network.peer.address', remote.address)
    span.set('network.peer.port', remote.port)
    span.set('network.local.port', local.port)
    span.set('sluice.session.received_bytes', receivedBytes)
    span.set('sluice.session.sent_bytes', sentBytes)
  }

  /** What is known of the connection. */
  get inbound(): Inbound {
    return this.context.__inbound as Inbound
  }

  override get takesText(): boolean {
    return true
  }

  /** The flush that opens a stream, so that `handleStreamStart` and `connect` act before the client speaks. */
  start(): void {
    this.enter(new Data(), null)
  }

  opened(): void {}

  data(buffer: Buffer, start: number, end: number): void {
    if (this.idle !== null) this.idle.touch()
    if (this.reading !== null) this.reading.touch()
    if (this.inputEnded) return
    this.enter(Data.borrow(buffer, start, end), null)
  }

  ended(): void {
    this.endInput(undefined)
  }

  private endInput(fault: TrafficError | undefined): void {
    if (this.inputEnded) return
    this.inputEnded = true
    this.reading?.clear()
    this.enter(new StreamEnd(fault), null)
  }

  drained(): void {
    this.writing?.clear()
    this.flush()
  }

  override get isCongested(): boolean {
    return this.connection.queuedBytes > this.bufferBytes
  }

  /** What this turn has written may find room yet when it ends: only what is left then is told by `drained`. */
  override awaitRelief(waiting: Relievable): void {
    this.waiting = waiting
    turn.defer(this)
  }

  flush(): void {
    const { waiting } = this
    if (waiting === null || this.isCongested) return
    this.waiting = null
    waiting.relieved()
  }

  closed(error: TrafficError | undefined): void {
    this.lingering?.clear()
    this.endInput(error ?? new TrafficError('ConnectionReset', 'the client closed the connection'))
    this.stop()
    this.program.sessionEnded(this)
    this.onClosed(this)
  }

  /** What comes out of the pipeline goes to the connection. */
  override process(event: Event | Latin1): void {
    if (this.isLingering) return
    switch (event.kind) {
      case 0:
        this.connection.write(event)
        break
      case 4:
        this.connection.writeLatin1(event.text)
        break
      case 3:
        this.endOutput(event.error)
        return
      default:
        return
    }
    if (this.idle !== null) this.idle.touch()
    if (this.writeTimeoutMs > 0) this.awaitWrite()
  }

  private awaitWrite(): void {
    this.writing ??= new WriteDeadline(this.connection, this.writeTimeoutMs, () =>
      this.timeOut('WriteTimeout'),
    )
    this.writing.touch()
  }

  override closeAfterOutput(isIdle: boolean): void {
    this.isFinishing = true
    this.isIdle = isIdle
  }

  private endOutput(error: StreamEnd['error']): void {
    const { connection } = this
    if (error === 'ConnectionAborted' || error === 'ConnectionReset') this.reset()
    else if (error !== '') this.linger()
    else {
      connection.end()
      if (!this.isFinishing) return
      // Waiting is for peers that may be sending: to close on one that is silent resets nothing.
      if (this.isIdle && connection.queuedBytes === 0) this.stop()
      else this.linger()
    }
  }

  private linger(): void {
    this.isLingering = true
    this.inputEnded = true
    this.connection.end()
    this.lingering = new Deadline(lingerMs, () => this.connection.destroy())
    this.lingering.touch()
  }

  private reset(): void {
    this.isLingering = true
    this.inputEnded = true
    this.connection.reset()
  }

  private timeOut(code: 'IdleTimeout' | 'ReadTimeout' | 'WriteTimeout'): void {
    this.endInput(new TrafficError(code, 'on a client connection'))
    this.connection.destroy()
  }

  protected override stopped(): void {
    this.idle?.clear()
    this.reading?.clear()
    this.writing?.clear()
    super.stopped()
    if (!this.isLingering) this.connection.destroy()
  }
}
