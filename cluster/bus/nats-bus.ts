/**
 * The bus on NATS. What nats.js does otherwise than the contract wants is mended here:
 *
 * - It drops without a word what is published while there is no connection, and buffers without bound while the server
 *   does not read. So we send only while connected, and no more than the server has been seen to keep up with.
 * - A callback that throws ends its reader for good. So none does.
 * - A server that is stopped, not dead, keeps its connection: the client notices by pings, but then waits until its
 *   last bytes are written, which they never are. So we break such a connection ourselves.
 */

import { connect, type Msg, type NatsConnection, TimeoutError } from '@nats-io/transport-node'
import { after } from '../../runtime/clock.ts'
import { TrafficError } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/log.ts'
import type {
  Bucket,
  BucketOptions,
  Bus,
  BusMessage,
  BusState,
  PublishOptions,
  Streams,
  Subscription,
} from './bus.ts'
import { openBucket } from './nats-bucket.ts'
import { busError, notConnected, withoutInbox } from './nats-errors.ts'
import type { NatsParts } from './nats-feed.ts'
import { isWritten, sendLarge } from './nats-large.ts'
import { NatsMessage, natsHeaders } from './nats-message.ts'
import { NatsPublications } from './nats-publications.ts'
import { connectionOptions, type NatsSettings } from './nats-settings.ts'
import { NatsStreams } from './nats-streams.ts'
import { OpenCalls } from './open-calls.ts'
import { SentWindow } from './sent-window.ts'

export interface NatsBusOptions {
  readonly settings: NatsSettings
  /** How the server's own tools call this connection. */
  readonly name: string
  readonly log: Logger
  /** How often a silent connection is tried; two tries without an answer and it is given up. */
  readonly pingIntervalMs?: number
  /** Time that a server has to take a connection. */
  readonly connectTimeoutMs?: number
  /** Bytes that may be under way to the server at one time. */
  readonly maxUnseenBytes?: number
}

const defaults = {
  /** A stopped server is given up after six seconds, near the time in which a silent node counts as dead. */
  pingIntervalMs: 2_000,
  connectTimeoutMs: 5_000,
  /** What a server of 100 MB/s reads in 80 ms; more would only be memory. */
  maxUnseenBytes: 8 * 1024 * 1024,
}

/** Time between attempts to connect again; as much again is added by chance, so that a fleet does not come at once. */
const reconnectMs = 250

/** Connects, or rejects with what went wrong, whose fault it is and what to do. Once connected it stays so by itself. */
export async function connectNats(options: NatsBusOptions): Promise<Bus> {
  const { settings, name, log } = options
  const where = settings.servers.join(', ')
  const own = connectionOptions(settings)
  const timeout = options.connectTimeoutMs ?? defaults.connectTimeoutMs
  let connection: NatsConnection
  try {
    connection = await connect({
      ...own,
      name,
      maxReconnectAttempts: -1,
      reconnectDelayHandler: () => reconnectMs * (1 + Math.random()),
      // An operator may mend the server's users while we run.
      ignoreAuthErrorAbort: true,
      pingInterval: options.pingIntervalMs ?? defaults.pingIntervalMs,
      maxPingOut: 2,
      timeout,
      noAsyncTraces: true,
    })
  } catch (error) {
    const doing = `no connection to NATS at ${where}`
    if (!(error instanceof TimeoutError)) throw busError(error, doing)
    // TLS 1.3 tells a client that its certificate is missing after it has taken the connection for made.
    const hint = own.tls ? '; it may want a certificate of ours, or another one' : ''
    throw new TrafficError('ClusterError', `${doing}: no answer within ${timeout / 1000} s${hint}`, error)
  }
  log.info(`Connected to NATS at ${connection.getServer()}`, {
    code: 'BusConnected',
    version: connection.info?.version,
  })
  return new NatsBus(connection, options)
}

/** The part of the client that its types hide and that a stopped server makes necessary: see `staleConnection`. */
interface Breakable {
  readonly protocol: { readonly transport: { close(error: Error): Promise<void> } }
}

class NatsBus implements Bus {
  isConnected = true
  hasWritten = false
  readonly streams: Streams
  private readonly connection: NatsConnection
  private readonly log: Logger
  private readonly window: SentWindow
  private readonly calls = new OpenCalls()
  private readonly publications: NatsPublications
  private readonly listeners = new Set<(state: BusState) => void>()
  private readonly said = new Set<string>()

  constructor(connection: NatsConnection, options: NatsBusOptions) {
    this.connection = connection
    this.log = options.log
    this.window = new SentWindow(options.maxUnseenBytes ?? defaults.maxUnseenBytes, () => connection.flush())
    this.publications = new NatsPublications(this.parts)
    this.streams = new NatsStreams(this.parts, this.publications)
    void this.follow()
  }

  get maxPayload(): number {
    return this.connection.info?.max_payload ?? 1024 * 1024
  }

  get replicas(): number {
    return this.connection.info?.cluster === undefined ? 1 : 3
  }

  private get parts(): NatsParts {
    const { connection, log, calls } = this
    return { connection, bus: this, log, calls }
  }

  onState(listener: (state: BusState) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  publish(subject: string, payload: Uint8Array, options?: PublishOptions): boolean {
    if (!this.isConnected || !this.window.hasRoom(payload.length)) return false
    try {
      this.hasWritten = false
      if (options === undefined) {
        if (sendLarge(this.connection, { subject, payload })) this.hasWritten = isWritten(this.connection)
        else this.connection.publish(subject, payload)
      } else {
        const { reply, headers } = options
        this.connection.publish(subject, payload, {
          ...(reply === undefined ? undefined : { reply }),
          ...(headers === undefined ? undefined : { headers: natsHeaders(headers) }),
        })
      }
    } catch (error) {
      if (this.connection.isClosed()) return false
      throw busError(error, `cannot publish to '${subject}'`)
    }
    this.window.add(subject.length + payload.length)
    return true
  }

  subscribe(subject: string, handler: (message: BusMessage) => void, group?: string): Subscription {
    try {
      return this.connection.subscribe(subject, {
        ...(group === undefined ? undefined : { queue: group }),
        callback: (error, message) => this.take(subject, handler, error, message),
      })
    } catch (error) {
      throw busError(error, `cannot subscribe to '${subject}'`)
    }
  }

  async request(subject: string, payload: Uint8Array, deadlineMs: number): Promise<BusMessage> {
    if (!this.isConnected) throw notConnected(`cannot ask '${subject}'`)
    try {
      const asked = this.connection.request(subject, payload, { timeout: deadlineMs })
      return new NatsMessage(await this.calls.run(asked))
    } catch (error) {
      throw busError(error, `asked '${subject}' for ${deadlineMs} ms`)
    }
  }

  async flush(): Promise<void> {
    if (!this.isConnected) throw notConnected('cannot flush')
    try {
      await this.calls.run(this.connection.flush())
    } catch (error) {
      throw busError(error, 'cannot flush')
    }
  }

  bucket(name: string, options: BucketOptions = {}): Promise<Bucket> {
    return openBucket(this.parts, name, options)
  }

  async close(): Promise<void> {
    if (this.isConnected) await this.flushWithin(closingMs)
    await this.connection.close()
    this.tell('closed')
  }

  private async flushWithin(ms: number): Promise<void> {
    await new Promise<void>(resolve => {
      const cancel = after(ms, resolve)
      this.connection.flush().then(
        () => {
          cancel()
          resolve()
        },
        () => {
          cancel()
          resolve()
        },
      )
    })
  }

  private take(
    subject: string,
    handler: (message: BusMessage) => void,
    error: Error | null,
    message: Msg,
  ): void {
    if (error !== null) {
      const fault = busError(error, `the subscription to '${subject}' has ended`)
      this.log.error(fault.message, { code: fault.code, source: fault.source })
      return
    }
    try {
      handler(new NatsMessage(message))
    } catch (thrown) {
      const fault = TrafficError.from(thrown)
      this.log.error(`What takes '${subject}' failed: ${fault.message}`, {
        code: fault.code,
        source: fault.source,
        stack: fault.stack,
      })
    }
  }

  /** Follows the connection for as long as it is. */
  private async follow(): Promise<void> {
    for await (const status of this.connection.status()) {
      switch (status.type) {
        case 'staleConnection':
          this.log.warn('NATS does not answer: the connection is given up', { code: 'BusStale' })
          this.lost()
          void (this.connection as unknown as Breakable).protocol.transport.close(
            new Error('no answer to pings'),
          )
          break
        case 'disconnect':
          if (this.isConnected)
            this.log.warn(`Lost the connection to NATS at ${status.server}`, { code: 'BusDisconnected' })
          this.lost()
          break
        case 'reconnect':
          this.log.info(`Connected to NATS at ${status.server} again`, { code: 'BusConnected' })
          this.isConnected = true
          this.said.clear()
          this.tell('connected')
          break
        case 'error':
          this.says(withoutInbox(status.error.message))
          this.publications.forbidden(status.error)
          break
        default:
      }
    }
    this.lost()
    this.tell('closed')
  }

  /** What it refuses it refuses again at each heartbeat: told once in each connection. */
  private says(text: string): void {
    if (this.said.has(text) || this.said.size >= mostSaid) return
    this.said.add(text)
    this.log.warn(`NATS says: ${text}`, { code: 'ClusterError', source: 'cluster' })
  }

  private lost(): void {
    this.window.reset()
    this.calls.lost()
    if (!this.isConnected) return
    this.isConnected = false
    this.tell('disconnected')
  }

  private tell(state: BusState): void {
    for (const listener of [...this.listeners]) listener(state)
    if (state === 'closed') this.listeners.clear()
  }
}

/** Different complaints of a server that are told. */
const mostSaid = 100

/** A server that does not answer keeps nobody from leaving. */
const closingMs = 2_000
