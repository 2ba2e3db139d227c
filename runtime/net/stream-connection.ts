// Hot path: no promise and no closure per read or write.

import { Buffer } from 'node:buffer'
import type { Socket } from 'node:net'
import { after } from '../clock.ts'
import type { Data } from '../data.ts'
import { TrafficError } from '../errors.ts'
import { type Source, turn } from '../turn.ts'
import { formatAddress } from './address.ts'
import { BlockedSources } from './blocked-sources.ts'
import { type SocketPhase, socketErrorOf } from './socket-errors.ts'
import type { Connection, ConnectionHandler, ConnectOptions, Endpoint, TLSInfo } from './transport.ts'

/** A turn's writes up to this many bytes are copied into one buffer: cheaper than a vector for the kernel to walk. */
const joinBytes = 16 * 1024

/** What TCP and TLS differ in. */
export interface StreamKind {
  /** The event that says that an outbound connection is made. */
  readonly openEvent: 'connect' | 'secureConnect'
  /** The TCP socket that a reset is done to; undefined when it cannot be told. */
  resettable(socket: Socket): Socket | undefined
  describe(socket: Socket): TLSInfo | undefined
  errorOf(error: NodeJS.ErrnoException, phase: SocketPhase, where: string): TrafficError
}

export const plainStream: StreamKind = {
  openEvent: 'connect',
  resettable: socket => socket,
  describe: () => undefined,
  errorOf: (error, phase, where) => socketErrorOf(error.code ?? error.message, phase, where),
}

/** A connection over a `net.Socket`, which a `tls.TLSSocket` is as well. */
export class StreamConnection implements Connection {
  handler: ConnectionHandler
  readonly remote: Endpoint
  receivedBytes = 0
  private readonly socket: Socket
  private readonly kind: StreamKind
  private readonly highWaterBytes: number
  private isConnecting: boolean
  private pauses = 0
  /** What this turn has written: views of others' memory, copies, and texts of one byte a character. */
  private gathered: (Buffer | string)[] = []
  private gatheredBytes = 0
  private isDirty = false
  /** Whose bytes those are; null when nobody's who could be paused. */
  private writer: Source | null = null
  private readonly blocked = new BlockedSources()
  /** The queue was found too long, and `drained` is owed. */
  private isFull = false
  private isEnding = false
  /** After `destroy`, and after a failure: nothing but `closed` is told any more. */
  private isGone = false
  private acceptedBytes = 0
  private failure: TrafficError | undefined
  private cancelTimeout: (() => void) | undefined
  private localEndpoint: Endpoint | undefined
  private info: TLSInfo | undefined
  private whenWritten: (() => void) | undefined

  constructor(
    socket: Socket,
    handler: ConnectionHandler,
    options: {
      readonly kind: StreamKind
      readonly highWaterBytes: number
      readonly remote: Endpoint | undefined
    },
  ) {
    this.socket = socket
    this.handler = handler
    this.kind = options.kind
    this.highWaterBytes = options.highWaterBytes
    this.isConnecting = options.remote !== undefined
    this.remote = options.remote ?? {
      address: socket.remoteAddress ?? '',
      port: socket.remotePort ?? 0,
    }
    socket.on('end', () => this.onEnd())
    socket.on('error', error => this.onError(error))
    socket.on('close', () => this.onClose())
    if (this.isConnecting) socket.once(this.kind.openEvent, () => this.onOpen())
    else this.info = this.kind.describe(socket)
  }

  get local(): Endpoint {
    const { localAddress, localPort } = this.socket
    if (this.localEndpoint === undefined && localAddress !== undefined && localPort !== undefined)
      this.localEndpoint = { address: localAddress, port: localPort }
    return this.localEndpoint ?? { address: '', port: 0 }
  }

  get tls(): TLSInfo | undefined {
    return this.info
  }

  get queuedBytes(): number {
    return this.isGone ? 0 : this.gatheredBytes + this.socket.writableLength
  }

  get sentBytes(): number {
    return this.acceptedBytes - this.queuedBytes
  }

  /** Lets bytes come: once the handler is set. */
  startReading(): void {
    this.socket.on('data', (bytes: Buffer) => this.onData(bytes))
    if (this.pauses > 0) this.socket.pause()
  }

  pause(): void {
    if (this.pauses++ === 0) this.socket.pause()
  }

  resume(): void {
    if (this.pauses > 0 && --this.pauses === 0 && !this.isGone) this.socket.resume()
  }

  write(data: Data): void {
    const size = data.end - data.start
    if (size === 0 || this.isEnding || this.isGone) return
    const view = data.buffer.subarray(data.start, data.end)
    this.gather(data.borrowed ? Buffer.from(view) : view, size)
  }

  writeLatin1(text: string): void {
    if (text.length === 0 || this.isEnding || this.isGone) return
    this.gather(text, text.length)
  }

  private gather(chunk: Buffer | string, size: number): void {
    const source = turn.source
    if (source !== null && source !== this.writer) {
      // Two sources in one turn are rare: the first is paused here, and let go again if the queue is short after all.
      if (this.writer !== null && this.queuedBytes > this.highWaterBytes) this.blocked.block(this.writer)
      this.writer = source
    }
    this.gathered.push(chunk)
    this.gatheredBytes += size
    this.acceptedBytes += size
    this.markDirty()
  }

  private markDirty(): void {
    if (this.isDirty) return
    this.isDirty = true
    turn.defer(this)
  }

  /** End of the turn: everything gathered goes to the stream, and by it to the kernel in one call. */
  flush(): void {
    this.isDirty = false
    const writer = this.writer
    this.writer = null
    if (this.isGone) return
    if (this.gatheredBytes > 0) {
      const isLong = this.isFull || this.queuedBytes > this.highWaterBytes
      if (isLong) this.whenWritten ??= () => this.onWritten()
      this.send(isLong ? this.whenWritten : undefined)
      if (this.socket.writableLength > this.highWaterBytes) {
        this.isFull = true
        this.blocked.block(writer)
      } else if (!this.isFull) this.blocked.release()
    }
    if (this.isEnding) this.socket.end()
  }

  private send(done: (() => void) | undefined): void {
    const { gathered, socket } = this
    const bytes = this.gatheredBytes
    const last = gathered.length - 1
    this.gathered = []
    this.gatheredBytes = 0
    if (last === 0) {
      this.sendChunk(gathered[0] as Buffer | string, done)
    } else if (bytes <= joinBytes) {
      const joined = Buffer.allocUnsafe(bytes)
      let at = 0
      for (const chunk of gathered)
        at += typeof chunk === 'string' ? joined.write(chunk, at, 'latin1') : chunk.copy(joined, at)
      socket.write(joined, done)
    } else {
      socket.cork()
      for (let i = 0; i <= last; i++)
        this.sendChunk(gathered[i] as Buffer | string, i === last ? done : undefined)
      socket.uncork()
    }
  }

  private sendChunk(chunk: Buffer | string, done: (() => void) | undefined): void {
    if (typeof chunk === 'string') this.socket.write(chunk, 'latin1', done)
    else this.socket.write(chunk, done)
  }

  /** The kernel has taken everything up to a write that found the queue too long. */
  private onWritten(): void {
    if (!this.isFull || this.isGone || this.queuedBytes > 0) return
    this.isFull = false
    turn.begin(null)
    this.blocked.release()
    this.handler.drained()
    turn.end()
  }

  end(): void {
    if (this.isEnding || this.isGone) return
    this.isEnding = true
    this.markDirty()
  }

  destroy(): void {
    if (this.isGone) return
    this.abandon()
    this.socket.destroy()
  }

  reset(): void {
    if (this.isGone) return
    const target = this.kind.resettable(this.socket)
    this.abandon()
    // While it connects there is nothing to reset: the peer has seen no byte.
    if (target === undefined || this.isConnecting || target.destroyed) this.socket.destroy()
    else target.resetAndDestroy()
  }

  /** Ends an outbound connection that is not made in time. */
  limitConnecting(options: ConnectOptions): void {
    if (options.connectTimeoutMs <= 0 || this.isGone) return
    this.cancelTimeout = after(options.connectTimeoutMs, () =>
      this.fail(
        new TrafficError(
          'ConnectionTimeout',
          `${this.where()} did not answer within ${options.connectTimeoutMs} ms`,
        ),
      ),
    )
  }

  private fail(failure: TrafficError): void {
    if (this.isGone) return
    this.failure = failure
    this.abandon()
    this.socket.destroy()
  }

  /** Gives up what is gathered; what the stream has queued goes with it when it is destroyed. */
  private abandon(): void {
    this.acceptedBytes -= this.queuedBytes
    this.isGone = true
    this.gathered = []
    this.gatheredBytes = 0
    this.cancelTimeout?.()
    this.cancelTimeout = undefined
  }

  private onOpen(): void {
    this.cancelTimeout?.()
    this.cancelTimeout = undefined
    this.isConnecting = false
    if (this.isGone) return
    this.info = this.kind.describe(this.socket)
    this.startReading()
    turn.begin(this)
    this.handler.opened()
    turn.end()
  }

  private onData(bytes: Buffer): void {
    if (this.isGone) return
    this.receivedBytes += bytes.length
    turn.begin(this)
    this.handler.data(bytes, 0, bytes.length)
    turn.end()
  }

  private onEnd(): void {
    if (this.isGone) return
    turn.begin(this)
    this.handler.ended()
    turn.end()
  }

  private onError(error: NodeJS.ErrnoException): void {
    if (this.isGone) return
    const phase = this.isConnecting ? 'connect' : error.syscall?.startsWith('write') ? 'write' : 'read'
    this.failure = this.kind.errorOf(error, phase, this.where())
    this.abandon()
    // Streams do so by themselves after most errors, but not all of TLS's.
    this.socket.destroy()
  }

  private onClose(): void {
    if (!this.isGone) this.abandon()
    turn.begin(null)
    this.blocked.release()
    this.handler.closed(this.failure)
    turn.end()
  }

  private where(): string {
    return formatAddress(this.remote.address, this.remote.port)
  }
}

/** Hands an accepted socket to the one who listens. */
export function acceptStream(
  socket: Socket,
  kind: StreamKind,
  highWaterBytes: number,
  accept: (connection: Connection) => void,
): void {
  const connection = new StreamConnection(socket, silent, { kind, highWaterBytes, remote: undefined })
  turn.begin(connection)
  accept(connection)
  connection.startReading()
  turn.end()
}

/** Starts connecting; what is wrong with the options themselves is told as an error of the socket, too. */
export function startConnecting(socket: Socket, options: ConnectOptions): void {
  try {
    const { address, port, bind, noDelay, keepAlive } = options
    socket.setNoDelay(noDelay)
    socket.setKeepAlive(keepAlive)
    socket.connect({ host: address, port, localAddress: bind })
  } catch (thrown) {
    socket.destroy(thrown as Error)
  }
}

/** Stands in until `accept` has set the real handler. */
const silent: ConnectionHandler = {
  opened() {},
  data() {},
  ended() {},
  drained() {},
  closed() {},
}
