import { after } from '../../runtime/clock.ts'
import { TrafficError } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/log.ts'
import { RetryDelay } from '../../runtime/retry-delay.ts'
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

/** Before the first connection nobody has said how much a message may have: the servers' own default. */
const usualMaxPayload = 1024 * 1024

interface Waiting {
  readonly subject: string
  readonly handler: (message: BusMessage) => void
  readonly group: string | undefined
  given: Subscription | undefined
}

/**
 * A bus that is there before its first connection is, which it tries to make for as long as it takes: traffic that needs
 * no other node is served meanwhile. Until then it is one that has lost its connection: `publish` gives false,
 * subscriptions begin when it connects, what must have an answer waits (buckets, streams) or fails (`request`).
 */
export class WaitingBus implements Bus {
  readonly streams: Streams
  private readonly connect: () => Promise<Bus>
  private readonly log: Logger
  private readonly firstBus = Promise.withResolvers<Bus>()
  private readonly listeners = new Set<(state: BusState) => void>()
  private readonly waiting = new Set<Waiting>()
  private readonly delay: RetryDelay
  private hasFailed = false
  private bus: Bus | undefined
  private isClosed = false
  private cancelRetry: (() => void) | undefined

  /** @param retryMs the wait after the first failure; each further one is longer, up to 20 times as long */
  constructor(connect: () => Promise<Bus>, log: Logger, retryMs = 250) {
    this.connect = connect
    this.log = log
    this.delay = new RetryDelay(retryMs, retryMs * 20)
    this.firstBus.promise.catch(() => {})
    const first = this.firstBus.promise
    this.streams = {
      ensure: async (...args) => (await first).streams.ensure(...args),
      publish: async (...args) => (await first).streams.publish(...args),
      consume: async (...args) => (await first).streams.consume(...args),
      info: async (...args) => (await first).streams.info(...args),
      waiting: async (...args) => (await first).streams.waiting(...args),
      names: async (...args) => (await first).streams.names(...args),
      get: async (...args) => (await first).streams.get(...args),
      last: async (...args) => (await first).streams.last(...args),
      delete: async (...args) => (await first).streams.delete(...args),
      deleteConsumer: async (...args) => (await first).streams.deleteConsumer(...args),
    }
    void this.try()
  }

  get maxPayload(): number {
    return this.bus?.maxPayload ?? usualMaxPayload
  }

  get isConnected(): boolean {
    return this.bus?.isConnected === true
  }

  get hasWritten(): boolean {
    return this.bus?.hasWritten === true
  }

  get replicas(): number {
    return this.bus?.replicas ?? 1
  }

  private async try(): Promise<void> {
    try {
      const bus = await this.connect()
      if (this.isClosed) await bus.close()
      else this.opened(bus)
    } catch (thrown) {
      if (this.isClosed) return
      const fault = TrafficError.from(thrown, 'ClusterError')
      if (!this.hasFailed)
        this.log.error(`${fault.message}. It is tried again until it works; meanwhile this node is alone.`, {
          code: fault.code,
          source: fault.source,
        })
      this.hasFailed = true
      this.cancelRetry = after(this.delay.next(), () => void this.try())
    }
  }

  private opened(bus: Bus): void {
    this.bus = bus
    for (const each of this.waiting) each.given = bus.subscribe(each.subject, each.handler, each.group)
    this.waiting.clear()
    bus.onState(state => this.tell(state))
    this.firstBus.resolve(bus)
    this.tell('connected')
  }

  private tell(state: BusState): void {
    for (const listener of [...this.listeners]) listener(state)
  }

  onState(listener: (state: BusState) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  publish(subject: string, payload: Uint8Array, options?: PublishOptions): boolean {
    return this.bus?.publish(subject, payload, options) === true
  }

  subscribe(subject: string, handler: (message: BusMessage) => void, group?: string): Subscription {
    if (this.bus !== undefined) return this.bus.subscribe(subject, handler, group)
    const waiting: Waiting = { subject, handler, group, given: undefined }
    this.waiting.add(waiting)
    return {
      unsubscribe: () => {
        this.waiting.delete(waiting)
        waiting.given?.unsubscribe()
      },
      drain: async () => {
        this.waiting.delete(waiting)
        await waiting.given?.drain?.()
      },
    }
  }

  async request(subject: string, payload: Uint8Array, deadlineMs: number): Promise<BusMessage> {
    if (this.bus === undefined) throw new TrafficError('ClusterError', `asked '${subject}': ${never}`)
    return this.bus.request(subject, payload, deadlineMs)
  }

  async flush(): Promise<void> {
    if (this.bus === undefined) throw new TrafficError('ClusterError', `cannot flush: ${never}`)
    return this.bus.flush()
  }

  async bucket(name: string, options?: BucketOptions): Promise<Bucket> {
    return (await this.firstBus.promise).bucket(name, options)
  }

  async close(): Promise<void> {
    if (this.isClosed) return
    this.isClosed = true
    this.cancelRetry?.()
    if (this.bus !== undefined) return this.bus.close()
    this.firstBus.reject(new TrafficError('ClusterError', 'it was closed before it was connected'))
    this.tell('closed')
  }
}

const never = 'there has been no connection to NATS yet'
