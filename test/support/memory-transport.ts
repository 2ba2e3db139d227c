/**
 * A transport without sockets: a test hands in reads of exactly the bytes that it wants, in the order that it wants,
 * and sees what was written. The memory of a read is overwritten when its turn is over, as with real sockets it may be.
 */

import { Buffer } from 'node:buffer'
import type { Data } from '../../runtime/data.ts'
import { TrafficError } from '../../runtime/errors.ts'
import { BlockedSources } from '../../runtime/net/blocked-sources.ts'
import type {
  Connection,
  ConnectionHandler,
  ConnectOptions,
  Listener,
  ListenOptions,
  Transport,
} from '../../runtime/net/transport.ts'
import { turn } from '../../runtime/turn.ts'

const memory = Buffer.alloc(64 * 1024)

/** A connection of the program under test, and the peer that the test plays. */
export class MemoryConnection implements Connection {
  handler: ConnectionHandler
  readonly remote = { address: '192.0.2.1', port: 1 }
  readonly local = { address: '192.0.2.2', port: 2 }
  readonly tls = undefined
  queuedBytes = 0
  receivedBytes = 0
  sentBytes = 0
  /** All that the peer got. */
  written = ''
  /** Whether the peer got the end. */
  isEnded = false
  isClosed = false
  /** Whether the peer has finished sending. */
  hasPeerEnded = false
  private pauses = 0
  private isStalled = false
  private wasCongested = false
  private readonly blocked = new BlockedSources()
  private readonly highWaterBytes: number

  constructor(handler: ConnectionHandler, highWaterBytes: number) {
    this.handler = handler
    this.highWaterBytes = highWaterBytes
  }

  get isPaused(): boolean {
    return this.pauses > 0
  }

  /** The peer sends bytes, which arrive as one read. */
  receive(bytes: string): void {
    const size = memory.write(bytes, 'latin1')
    this.receivedBytes += size
    turn.begin(this)
    this.handler.data(memory, 0, size)
    turn.end()
    memory.fill('?', 0, size)
  }

  /** The peer finishes sending. */
  receiveEnd(): void {
    this.hasPeerEnded = true
    turn.begin(this)
    this.handler.ended()
    turn.end()
    if (this.isEnded) this.destroy()
  }

  /** The peer breaks the connection off. */
  receiveReset(): void {
    if (this.isClosed) return
    this.isClosed = true
    turn.begin(null)
    this.blocked.release()
    this.handler.closed(new TrafficError('ConnectionReset'))
    turn.end()
  }

  write(data: Data): void {
    this.writeLatin1(data.toString('latin1'))
  }

  writeLatin1(text: string): void {
    if (this.isEnded || this.isClosed) return
    this.written += text
    if (!this.isStalled) {
      this.sentBytes += text.length
      return
    }
    this.queuedBytes += text.length
    if (this.queuedBytes <= this.highWaterBytes) return
    this.wasCongested = true
    this.blocked.block(turn.source)
  }

  /** The peer takes nothing from here on: what is written is queued, and who writes too much is paused. */
  stall(): void {
    this.isStalled = true
  }

  /** The peer takes all that is queued, and what comes. */
  flow(): void {
    this.isStalled = false
    this.sentBytes += this.queuedBytes
    this.queuedBytes = 0
    if (!this.wasCongested || this.isClosed) return
    this.wasCongested = false
    turn.begin(null)
    this.blocked.release()
    this.handler.drained()
    turn.end()
  }

  end(): void {
    this.isEnded = true
    if (this.hasPeerEnded) this.destroy()
  }

  destroy(): void {
    if (this.isClosed) return
    this.isClosed = true
    queueMicrotask(() => {
      turn.begin(null)
      this.blocked.release()
      this.handler.closed(undefined)
      turn.end()
    })
  }

  reset(): void {
    this.destroy()
  }

  pause(): void {
    this.pauses++
  }

  resume(): void {
    this.pauses--
  }
}

const silent: ConnectionHandler = { opened() {}, data() {}, ended() {}, drained() {}, closed() {} }

export class MemoryTransport implements Transport {
  readonly name = 'handle'
  /** Connections that the program made. */
  readonly outbound: MemoryConnection[] = []
  private accept: (connection: Connection) => void = () => {}
  private highWaterBytes = 0

  async listen(options: ListenOptions, accept: (connection: Connection) => void): Promise<Listener> {
    this.accept = accept
    this.highWaterBytes = options.highWaterBytes
    return { local: { address: '192.0.2.2', port: 2 }, close: () => {} }
  }

  connect(options: ConnectOptions, handler: ConnectionHandler): Connection {
    const connection = new MemoryConnection(handler, options.highWaterBytes)
    this.outbound.push(connection)
    queueMicrotask(() => {
      turn.begin(connection)
      if (!connection.isClosed) handler.opened()
      turn.end()
    })
    return connection
  }

  /** A client connects. */
  client(): MemoryConnection {
    const connection = new MemoryConnection(silent, this.highWaterBytes)
    turn.begin(connection)
    this.accept(connection)
    turn.end()
    return connection
  }
}
