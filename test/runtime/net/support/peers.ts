/** Both ends of a connection, recorded, for any transport. */

import { Buffer } from 'node:buffer'
import type { TrafficError } from '../../../../runtime/errors.ts'
import type {
  Connection,
  ConnectionHandler,
  ConnectOptions,
  Listener,
  ListenOptions,
  Transport,
} from '../../../../runtime/net/transport.ts'
import { type Source, turn } from '../../../../runtime/turn.ts'

/** A test, or whatever else cleans up when it is over. */
export interface Scope {
  teardown(clean: () => unknown): void
}

export interface Variant {
  readonly name: string
  readonly transport: Transport
  readonly listenTLS?: ListenOptions['tls']
  readonly connectTLS?: ConnectOptions['tls']
}

export const highWaterBytes = 64 * 1024

export const listenOptions = (variant: Variant, changes: Partial<ListenOptions> = {}): ListenOptions => ({
  address: '127.0.0.1',
  port: 0,
  reusePort: false,
  backlog: 64,
  highWaterBytes,
  noDelay: true,
  keepAlive: true,
  tls: variant.listenTLS,
  handshakeTimeoutMs: 10_000,
  ...changes,
})

const connectOptions = (
  variant: Variant,
  port: number,
  changes: Partial<ConnectOptions> = {},
): ConnectOptions => ({
  address: '127.0.0.1',
  port,
  connectTimeoutMs: 10_000,
  highWaterBytes,
  noDelay: true,
  keepAlive: true,
  tls: variant.connectTLS,
  ...changes,
})

/** One end: notes what it is told, and lets a test wait for it. */
export class Peer implements ConnectionHandler {
  connection!: Connection
  /** What was told, in order; data in a row is one entry. */
  readonly told: string[] = []
  /** How many times `data` was called. */
  reads = 0
  error: TrafficError | undefined
  whenData: ((buffer: Buffer, start: number, end: number) => void) | undefined
  whenEnded: (() => void) | undefined
  private readonly chunks: Buffer[] = []
  private waiting: { readonly isDone: () => boolean; readonly done: () => void }[] = []

  get received(): Buffer {
    return Buffer.concat(this.chunks)
  }

  get text(): string {
    return this.received.toString('latin1')
  }

  opened(): void {
    this.note('opened')
  }

  data(buffer: Buffer, start: number, end: number): void {
    this.reads++
    this.chunks.push(Buffer.from(buffer.subarray(start, end)))
    this.whenData?.(buffer, start, end)
    this.note('data')
  }

  ended(): void {
    this.whenEnded?.()
    this.note('ended')
  }

  drained(): void {
    this.note('drained')
  }

  closed(error: TrafficError | undefined): void {
    this.error = error
    this.note('closed')
  }

  private note(event: string): void {
    if (event !== 'data' || this.told.at(-1) !== 'data') this.told.push(event)
    this.waiting = this.waiting.filter(({ isDone, done }) => {
      if (!isDone()) return true
      done()
      return false
    })
  }

  /** Resolves when `isDone`, which is asked after each thing that is told. */
  until(isDone: () => boolean): Promise<void> {
    if (isDone()) return Promise.resolve()
    return new Promise(done => this.waiting.push({ isDone, done }))
  }

  untilTold(event: string): Promise<void> {
    return this.until(() => this.told.includes(event))
  }

  untilReceived(bytes: number): Promise<void> {
    return this.until(() => this.connection.receivedBytes >= bytes)
  }
}

/** A listener whose accepted connections come as peers. */
export class Server {
  readonly peers: Peer[] = []
  whenAccepted: ((peer: Peer) => void) | undefined
  private waiting: ((peer: Peer) => void)[] = []
  listener!: Listener

  static async listen(t: Scope, variant: Variant, changes?: Partial<ListenOptions>): Promise<Server> {
    const server = new Server()
    server.listener = await variant.transport.listen(listenOptions(variant, changes), connection => {
      const peer = new Peer()
      peer.connection = connection
      connection.handler = peer
      server.peers.push(peer)
      server.whenAccepted?.(peer)
      const waiting = server.waiting
      server.waiting = []
      for (const done of waiting) done(peer)
    })
    t.teardown(() => {
      server.listener.close()
      for (const peer of server.peers) peer.connection.destroy()
    })
    return server
  }

  get port(): number {
    return this.listener.local.port
  }

  /** The next connection accepted. */
  next(): Promise<Peer> {
    return new Promise(done => this.waiting.push(done))
  }
}

export function connect(t: Scope, variant: Variant, port: number, changes?: Partial<ConnectOptions>): Peer {
  const peer = new Peer()
  peer.connection = variant.transport.connect(connectOptions(variant, port, changes), peer)
  t.teardown(() => peer.connection.destroy())
  return peer
}

/** A connection that is made, seen from both ends. */
export async function pair(
  t: Scope,
  variant: Variant,
  whenAccepted?: (peer: Peer) => void,
): Promise<{ client: Peer; server: Peer; listening: Server }> {
  const listening = await Server.listen(t, variant)
  listening.whenAccepted = whenAccepted
  const accepted = listening.next()
  const client = connect(t, variant, listening.port)
  const [server] = await Promise.all([accepted, client.untilTold('opened')])
  return { client, server, listening }
}

/** Runs as one turn, as if a socket had become readable. */
export function inTurn(source: Source | null, run: () => void): void {
  turn.begin(source)
  run()
  turn.end()
}

/** A source that counts. */
export class CountedSource implements Source {
  pauses = 0
  resumes = 0
  whenResumed: (() => void) | undefined

  get isPaused(): boolean {
    return this.pauses > this.resumes
  }

  pause(): void {
    this.pauses++
  }

  resume(): void {
    this.resumes++
    this.whenResumed?.()
  }
}

/** Bytes of a pattern that shows when a piece is lost, doubled or out of place. */
export function pattern(bytes: number, from = 0): Buffer {
  const result = Buffer.allocUnsafe(bytes)
  for (let i = 0; i < bytes; i++) result[i] = (from + i + ((from + i) >> 8)) & 0xff
  return result
}
