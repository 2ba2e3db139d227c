/**
 * A stream of messages that JetStream sends to an inbox of ours, kept alive: when the connection is back, when nothing
 * has come for longer than the server's heartbeats allow, or when its reader says so, it is opened anew at a new inbox.
 * What is still sent to the old one goes nowhere.
 */

import { createInbox, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { after, every, monotonicMs } from '../../runtime/clock.ts'
import type { Logger } from '../../runtime/log.ts'
import { RetryDelay } from '../../runtime/retry-delay.ts'
import type { Bus } from './bus.ts'
import { busError } from './nats-errors.ts'
import type { OpenCalls } from './open-calls.ts'

/** What the parts of the bus have in common. */
export interface NatsParts {
  readonly connection: NatsConnection
  readonly bus: Bus
  readonly log: Logger
  readonly calls: OpenCalls
}

interface FeedSubscription {
  unsubscribe(): void
  drain(): Promise<void>
}

export interface FeedOptions {
  /** For messages: `the watch of bucket members`. */
  readonly what: string
  /** Asks the server to send to this inbox. Called for each opening. */
  readonly open: (inbox: string) => Promise<void>
  readonly take: (message: Msg) => void
}

/** The server says so often that it is there; three times missed and the feed is opened anew. */
export const heartbeatMs = 1_000
const silenceMs = 3 * heartbeatMs
/** Between attempts to open: at first, and at most. */
const backoffMs = { first: 200, most: 2_000 } as const

export class NatsFeed {
  private readonly parts: NatsParts
  private readonly options: FeedOptions
  private subscription: FeedSubscription | undefined
  private generation = 0
  private heardMs = 0
  private readonly delay = new RetryDelay(backoffMs.first, backoffMs.most)
  private isStopped = false
  private isOpening = false
  private cancelRetry: (() => void) | undefined
  private readonly forgets: (() => void)[] = []

  constructor(parts: NatsParts, options: FeedOptions) {
    this.parts = parts
    this.options = options
  }

  /** Opens it the first time; rejects when that fails. From then on it mends itself. */
  async start(): Promise<void> {
    try {
      await this.open()
    } catch (error) {
      this.end()
      throw busError(error, `cannot open ${this.options.what}`)
    }
    this.forgets.push(
      this.parts.bus.onState(state => {
        if (state === 'connected') this.restart()
      }),
      every(heartbeatMs, () => this.checkSilence()),
    )
  }

  restart(): void {
    if (this.isStopped) return
    this.cancelRetry?.()
    this.open().catch(error => {
      if (this.isStopped) return
      const fault = busError(error, `cannot open ${this.options.what} again`)
      this.parts.log.warn(fault.message, { code: fault.code, source: fault.source })
      this.cancelRetry = after(this.delay.next(), () => this.restart())
    })
  }

  /** Resolves when nothing more comes; what was under way has been given to `take`. */
  async stop(): Promise<void> {
    const subscription = this.subscription
    this.end()
    if (subscription === undefined || !this.parts.bus.isConnected) return
    await subscription.drain().catch(() => {})
  }

  private end(): void {
    this.isStopped = true
    this.cancelRetry?.()
    for (const forget of this.forgets.splice(0)) forget()
    if (!this.parts.bus.isConnected) this.subscription?.unsubscribe()
  }

  private async open(): Promise<void> {
    const generation = ++this.generation
    this.isOpening = true
    this.subscription?.unsubscribe()
    const inbox = createInbox()
    this.subscription = this.parts.connection.subscribe(inbox, {
      callback: (error, message) => {
        if (error !== null || generation !== this.generation) return
        this.heardMs = monotonicMs()
        this.options.take(message)
      },
    })
    try {
      await this.parts.calls.run(this.options.open(inbox))
      this.delay.reset()
    } finally {
      if (generation === this.generation) {
        this.isOpening = false
        this.heardMs = monotonicMs()
      }
    }
  }

  private checkSilence(): void {
    if (this.isOpening || !this.parts.bus.isConnected) return
    if (monotonicMs() - this.heardMs > silenceMs) this.restart()
  }
}

/** What JetStream says of a message in the subject that acknowledges it. */
export interface DeliveryFacts {
  readonly attempt: number
  readonly streamSequence: number
  readonly consumerSequence: number
  readonly timeMs: number
  /** How many more there are for this consumer. */
  readonly waiting: number
}

/** `$JS.ACK.<stream>.<consumer>.…`, from newer servers with the domain and a hash of the account before the stream. */
export function deliveryFacts(reply: string): DeliveryFacts | undefined {
  const tokens = reply.split('.')
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK' || tokens.length < 9) return undefined
  const first = tokens.length >= 11 ? 6 : 4
  const [attempt, streamSequence, consumerSequence, timeNs, waiting] = tokens
    .slice(first, first + 5)
    .map(Number)
  if (waiting === undefined) return undefined
  return {
    attempt: attempt as number,
    streamSequence: streamSequence as number,
    consumerSequence: consumerSequence as number,
    timeMs: (timeNs as number) / 1e6,
    waiting,
  }
}
