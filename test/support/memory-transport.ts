/**
 * A transport without sockets: a test hands in reads of exactly the bytes that it wants, in the order that it wants,
 * and sees what was written. The memory of a read is overwritten when its turn is over, as with real sockets it may be.
 */

import { Buffer } from 'node:buffer'
import type { Data } from '../../runtime/data.ts'
import type { Connection, ConnectionHandler, Listener, Transport } from '../../runtime/net/transport.ts'
import { turn } from '../../runtime/turn.ts'

const memory = Buffer.alloc(64 * 1024)

/** A connection of the program under test, and the peer that the test plays. */
export class MemoryConnection implements Connection {
  handler: ConnectionHandler
  readonly remote = { address: '192.0.2.1', port: 1 }
  readonly local = { address: '192.0.2.2', port: 2 }
  readonly tls = undefined
  readonly queuedBytes = 0
  receivedBytes = 0
  sentBytes = 0
  /** All that the peer got. */
  written = ''
  /** Whether the peer got the end. */
  isEnded = false
  isClosed = false
  private hasPeerEnded = false
  private pauses = 0

  constructor(handler: ConnectionHandler) {
    this.handler = handler
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

  write(data: Data): void {
    this.writeLatin1(data.toString('latin1'))
  }

  writeLatin1(text: string): void {
    if (this.isEnded || this.isClosed) return
    this.written += text
    this.sentBytes += text.length
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

  async listen(_: unknown, accept: (connection: Connection) => void): Promise<Listener> {
    this.accept = accept
    return { local: { address: '192.0.2.2', port: 2 }, close: () => {} }
  }

  connect(_: unknown, handler: ConnectionHandler): Connection {
    const connection = new MemoryConnection(handler)
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
    const connection = new MemoryConnection(silent)
    turn.begin(connection)
    this.accept(connection)
    turn.end()
    return connection
  }
}
