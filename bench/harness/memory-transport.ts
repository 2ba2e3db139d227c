import type { Buffer } from 'node:buffer'
import type { Data } from '../../runtime/event.ts'
import type { Connection, ConnectionHandler, Transport } from '../../runtime/net/transport.ts'
import { turn } from '../../runtime/turn.ts'

/** A connection that swallows what is written, and is fed by the benchmark: no system call hides what JavaScript costs. */
export class MemoryConnection implements Connection {
  handler: ConnectionHandler
  readonly remote = { address: '127.0.0.1', port: 1 }
  readonly local = { address: '127.0.0.1', port: 2 }
  readonly tls = undefined
  readonly queuedBytes = 0
  readonly receivedBytes = 0
  sentBytes = 0

  constructor(handler: ConnectionHandler) {
    this.handler = handler
  }

  feed(bytes: Buffer): void {
    turn.begin(this)
    this.handler.data(bytes, 0, bytes.length)
    turn.end()
  }

  write(data: Data): void {
    this.sentBytes += data.size
  }

  writeLatin1(text: string): void {
    this.sentBytes += text.length
  }

  end(): void {}
  destroy(): void {}
  reset(): void {}
  pause(): void {}
  resume(): void {}
}

const idle: ConnectionHandler = { opened() {}, data() {}, ended() {}, drained() {}, closed() {} }

/** A transport over such connections: one listener, and every client with an upstream connection of its own. */
export class MemoryTransport implements Transport {
  readonly name = 'handle'
  private accept: (connection: Connection) => void = () => {}
  private upstream: MemoryConnection | undefined

  async listen(_options: unknown, accepted: (connection: Connection) => void) {
    this.accept = accepted
    return { local: { address: '127.0.0.1', port: 1 }, close() {} }
  }

  connect(_options: unknown, handler: ConnectionHandler): Connection {
    const connection = new MemoryConnection(handler)
    this.upstream = connection
    queueMicrotask(() => handler.opened())
    return connection
  }

  /** A client, and the connection to the upstream that its first request opens. */
  async pair(request: Buffer): Promise<{ client: MemoryConnection; upstream: MemoryConnection }> {
    const client = new MemoryConnection(idle)
    this.accept(client)
    client.feed(request)
    await Promise.resolve()
    return { client, upstream: this.upstream as MemoryConnection }
  }
}
