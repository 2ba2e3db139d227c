/** Which transport a thread uses: the fast one if it works on this Node, else the one on public sockets. */

import { Buffer } from 'node:buffer'
import { after } from '../clock.ts'
import { Data } from '../data.ts'
import type { TrafficError } from '../errors.ts'
import type { Connection, ConnectionHandler, Listener, Transport } from './transport.ts'

export interface Selection {
  readonly transport: Transport
  /** Why the fast transport is not used though it was wanted: to be logged. */
  readonly fallbackReason: string | undefined
}

/** @param wanted 'net' takes node:net without a test; 'auto' takes the handles if they pass theirs. */
export async function selectTransport(wanted: 'auto' | 'net'): Promise<Selection> {
  let fallbackReason: string | undefined
  if (wanted === 'auto') {
    try {
      // Imported here, because on a Node that has no such handles the import itself fails.
      const { handleTransport } = await import('./tcp-handle.ts')
      await testTransport(handleTransport)
      return { transport: handleTransport, fallbackReason }
    } catch (thrown) {
      fallbackReason = thrown instanceof Error ? thrown.message : String(thrown)
    }
  }
  const { netTransport } = await import('./node-net.ts')
  return { transport: netTransport, fallbackReason }
}

/** More than the kernel's buffers of a loopback connection hold, so that writes are taken in part and resumed. */
const echoedBytes = 8 * 1024 * 1024
const pieceBytes = 256 * 1024
const limitMs = 1000

const common = { highWaterBytes: 64 * 1024, noDelay: true, keepAlive: false } as const

/**
 * Sends a few megabytes over loopback and back, in pieces larger than one read, under backpressure, and closes in both
 * directions. Rejects when a byte is wrong, or when it takes longer than a second.
 */
export async function testTransport(transport: Transport): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  // What is thrown inside a callback of a handle reaches nobody else.
  process.on('uncaughtException', reject)
  const cancelLimit = after(limitMs, () => reject(new Error(`the self-test took longer than ${limitMs} ms`)))
  let listener: Listener | undefined
  let client: Connection | undefined
  try {
    listener = await transport.listen(
      { ...common, address: '127.0.0.1', port: 0, reusePort: false, backlog: 1, handshakeTimeoutMs: 0 },
      connection => {
        connection.handler = echo(connection)
      },
    )
    const sender = new Sender(resolve, reject)
    client = transport.connect(
      { ...common, address: '127.0.0.1', port: listener.local.port, connectTimeoutMs: 0 },
      sender,
    )
    sender.connection = client
    await promise
  } finally {
    cancelLimit()
    process.off('uncaughtException', reject)
    client?.destroy()
    listener?.close()
  }
}

const echo = (connection: Connection): ConnectionHandler => ({
  opened() {},
  data(buffer, start, end) {
    connection.write(Data.borrow(buffer, start, end))
  },
  ended() {
    connection.end()
  },
  drained() {},
  closed() {},
})

/** A pattern whose period no buffer size is a multiple of, so that a byte out of place shows. */
const period = 251
const piece = Buffer.alloc(
  pieceBytes + period,
  Uint8Array.from({ length: period }, (_, i) => i),
)

class Sender implements ConnectionHandler {
  connection: Connection | undefined
  private sent = 0
  private received = 0
  private readonly done: () => void
  private readonly failed: (error: Error) => void

  constructor(done: () => void, failed: (error: Error) => void) {
    this.done = done
    this.failed = failed
  }

  opened(): void {
    this.fill()
  }

  drained(): void {
    this.fill()
  }

  private fill(): void {
    const { connection } = this
    while (
      connection !== undefined &&
      this.sent < echoedBytes &&
      connection.queuedBytes <= common.highWaterBytes
    ) {
      const from = this.sent % period
      connection.write(Data.over(piece, from, from + pieceBytes))
      this.sent += pieceBytes
    }
    if (this.sent === echoedBytes) connection?.end()
  }

  data(buffer: Buffer, start: number, end: number): void {
    const from = this.received % period
    if (buffer.compare(piece, from, from + end - start, start, end) !== 0)
      this.failed(new Error(`the self-test got a wrong byte after ${this.received}`))
    this.received += end - start
    // Pieces that the kernel takes at once are not followed by `drained`.
    this.fill()
  }

  ended(): void {}

  closed(error: TrafficError | undefined): void {
    if (error !== undefined) this.failed(error)
    else if (this.received !== echoedBytes)
      this.failed(new Error(`the self-test got ${this.received} of ${echoedBytes} bytes back`))
    else this.done()
  }
}
