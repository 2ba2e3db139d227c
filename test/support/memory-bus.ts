/**
 * A broker in memory and its clients, which keep the contract of `cluster/bus/bus.ts` and are as unkind as it allows: as the
 * seed and the weather say, messages are lost, late, doubled; connections stall, break, and nobody notices for a while;
 * clients die in the middle of a sentence. Runs on the clock that is installed.
 */

import type {
  Bucket,
  BucketEntry,
  BucketOptions,
  Bus,
  BusHeaders,
  BusMessage,
  BusState,
  ConsumeOptions,
  Consumption,
  Delivery,
  PublishOptions,
  Stored,
  StoredMessage,
  StreamInfo,
  StreamOptions,
  StreamPublishOptions,
  StreamRange,
  Streams,
  Subscription,
} from '../../cluster/bus/bus.ts'
import { after } from '../../runtime/clock.ts'
import { TrafficError } from '../../runtime/errors.ts'
import { MemoryBucket } from './memory-buckets.ts'
import { MemoryLink, MemoryNetwork, type Weather } from './memory-network.ts'
import { type Given, type MemoryConsumer, MemoryStream } from './memory-streams.ts'
import { matches } from './memory-subjects.ts'
import { Random } from './random.ts'

const maxPayload = 1024 * 1024
const maxUnderWay = 8 * 1024 * 1024
/** Deadline of calls to buckets and of those that manage streams. */
const callMs = 5_000
/** As the client of NATS notices a server that does not answer. */
const defaultNoticeMs = 6_000

interface Subscriber {
  readonly client: MemoryClient
  readonly subject: string
  readonly group: string | undefined
  readonly take: (message: BusMessage) => void
}

export class MemoryBroker {
  readonly network: MemoryNetwork
  readonly subscribers = new Set<Subscriber>()
  readonly buckets = new Map<string, MemoryBucket>()
  readonly streams = new Map<string, MemoryStream>()
  private readonly clients = new Map<Bus, MemoryClient>()
  private names = 0

  constructor(seed: number, weather?: Partial<Weather>) {
    this.network = new MemoryNetwork(new Random(seed))
    this.setWeather(weather ?? {})
  }

  setWeather(weather: Partial<Weather>): void {
    this.network.weather = { ...this.network.weather, ...weather }
  }

  connect(): Bus {
    const client = new MemoryClient(this, `client-${++this.names}`)
    this.clients.set(client, client)
    return client
  }

  /** Parts a client from the broker, until `heal`. What is on its way is lost; he notices after `noticeMs`. */
  cut(bus: Bus, noticeMs: number = defaultNoticeMs): void {
    this.clients.get(bus)?.link.break(noticeMs)
  }

  heal(bus: Bus): void {
    this.clients.get(bus)?.link.mend()
  }

  /** What goes to and from a client waits until `resume`; nothing is lost. */
  stall(bus: Bus): void {
    this.clients.get(bus)?.link.stall()
  }

  resume(bus: Bus): void {
    this.clients.get(bus)?.link.resume()
  }

  /** The client's process is gone: he says nothing more, and hears nothing. */
  crash(bus: Bus): void {
    this.clients.get(bus)?.crash()
    this.clients.delete(bus)
  }

  /** The broker dies, and comes back with what was stored. All clients notice at once. */
  restart(downMs: number): void {
    for (const { link } of this.clients.values()) {
      link.break(0)
      after(downMs, () => link.mend())
    }
  }

  /** Forgets what was to be given again, so that no timer is left. */
  close(): void {
    for (const stream of this.streams.values())
      for (const name of stream.consumers.keys()) stream.deleteConsumer(name)
  }

  /** A message has come. Gives the number of those who get it. */
  route(from: string, subject: string, payload: Uint8Array, options: PublishOptions | undefined): number {
    const groups = new Map<string, Subscriber[]>()
    const takers: Subscriber[] = []
    for (const subscriber of this.subscribers) {
      if (!matches(subscriber.subject, subject)) continue
      if (subscriber.group === undefined) takers.push(subscriber)
      else {
        const members = groups.get(subscriber.group)
        if (members === undefined) groups.set(subscriber.group, [subscriber])
        else members.push(subscriber)
      }
    }
    for (const members of groups.values()) takers.push(this.network.random.pick(members))
    const message = { subject, payload, reply: options?.reply, headers: options?.headers }
    for (const taker of takers)
      taker.client.link.toClient(`${from}:${subject}`, () => {
        if (this.subscribers.has(taker)) taker.take(message)
      })
    return takers.length
  }

  /** The stream that keeps this subject. */
  streamOf(subject: string): MemoryStream | undefined {
    for (const stream of this.streams.values())
      if (stream.options.subjects.some(pattern => matches(pattern, subject))) return stream
    return undefined
  }
}

class MemoryClient implements Bus {
  readonly maxPayload = maxPayload
  readonly replicas = 1
  readonly broker: MemoryBroker
  readonly name: string
  readonly link: MemoryLink
  readonly streams: Streams
  isConnected = true
  isGone = false
  private readonly listeners = new Set<(state: BusState) => void>()
  private readonly openCalls = new Set<() => void>()
  private inboxes = 0

  constructor(broker: MemoryBroker, name: string) {
    this.broker = broker
    this.name = name
    this.link = new MemoryLink(broker.network, name, isUp => this.changed(isUp))
    this.streams = new MemoryStreams(this)
  }

  onState(listener: (state: BusState) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  publish(subject: string, payload: Uint8Array, options?: PublishOptions): boolean {
    if (!this.isConnected) return false
    const { underWay } = this.link
    if (underWay > 0 && underWay + payload.length > maxUnderWay) return false
    checkMessage(subject, payload, options?.headers)
    const { random, weather } = this.broker.network
    if (random.chance(weather.dropRate)) return true
    this.send(subject, payload, options)
    if (random.chance(weather.duplicateRate)) this.send(subject, payload, options)
    return true
  }

  /** As `publish`, and always as well as the connection is. */
  send(subject: string, payload: Uint8Array, options?: PublishOptions, onNobody?: () => void): void {
    let bytes = payload
    // The contract: it may be written at the end of the turn, and is not to be changed after. Copied then.
    queueMicrotask(() => {
      bytes = Uint8Array.from(payload)
    })
    this.link.toBroker(subject, payload.length, () => {
      if (this.broker.route(this.name, subject, bytes, options) === 0) onNobody?.()
    })
  }

  subscribe(subject: string, handler: (message: BusMessage) => void, group?: string): Subscription {
    if (!isSubject(subject)) throw badSubject(subject)
    const subscriber: Subscriber = {
      client: this,
      subject,
      group,
      take: message => {
        try {
          handler(message)
        } catch {
          // The one on NATS logs it and goes on.
        }
      },
    }
    this.broker.subscribers.add(subscriber)
    return { unsubscribe: () => this.broker.subscribers.delete(subscriber) }
  }

  request(subject: string, payload: Uint8Array, deadlineMs: number): Promise<BusMessage> {
    return new Promise((resolve, reject) => {
      if (!this.isConnected) {
        reject(notConnected(subject))
        return
      }
      checkMessage(subject, payload, undefined)
      const reply = `_INBOX.${this.name}.${++this.inboxes}`
      const settle = (end: () => void): void => {
        cancel()
        subscription.unsubscribe()
        if (!this.isGone) end()
      }
      const subscription = this.subscribe(reply, message => settle(() => resolve(message)))
      const cancel = this.failing(deadlineMs, subject, error => settle(() => reject(error)))
      const nobody = (): void =>
        this.link.toClient(reply, () =>
          settle(() => reject(new TrafficError('NoResponder', `asked '${subject}'`))),
        )
      const { random, weather } = this.broker.network
      if (!random.chance(weather.dropRate)) this.send(subject, payload, { reply }, nobody)
    })
  }

  async flush(): Promise<void> {
    if (!this.isConnected) throw notConnected('flush')
    await this.link.flushed()
  }

  async bucket(name: string, options: BucketOptions = {}): Promise<Bucket> {
    await this.call(`bucket ${name}`, () => {
      if (!this.broker.buckets.has(name)) this.broker.buckets.set(name, new MemoryBucket(options))
    })
    return new MemoryBucketClient(this, name, options, this.broker.buckets.get(name) as MemoryBucket)
  }

  async close(): Promise<void> {
    if (this.isConnected) {
      // What was sent before arrives, or the time is up.
      await within(this.link.flushed(), 2_000)
    }
    this.crash()
    this.tell('closed')
  }

  crash(): void {
    this.isGone = true
    this.isConnected = false
    this.link.close()
    for (const subscriber of this.broker.subscribers)
      if (subscriber.client === this) this.broker.subscribers.delete(subscriber)
  }

  /** A call that the broker answers, which may get lost on the way there or back. */
  call<T>(lane: string, run: () => T, deadlineMs: number = callMs): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!this.isConnected) {
        reject(notConnected(lane))
        return
      }
      const settle = (end: () => void): void => {
        cancel()
        if (!this.isGone) end()
      }
      const cancel = this.failing(deadlineMs, lane, error => settle(() => reject(error)))
      const { random, weather } = this.broker.network
      if (random.chance(weather.callLossRate)) return
      this.link.toBroker(lane, 0, () => {
        let end: () => void
        try {
          const value = run()
          end = () => resolve(value)
        } catch (error) {
          end = () => reject(error)
        }
        if (!random.chance(weather.callLossRate)) this.link.toClient(lane, () => settle(end))
      })
    })
  }

  /** Calls `fail` at the deadline, or when the connection is lost. */
  private failing(deadlineMs: number, what: string, fail: (error: TrafficError) => void): () => void {
    const lost = (): void => {
      cancel()
      fail(new TrafficError('ClusterError', `${what}: the connection was lost`))
    }
    const end = after(deadlineMs, () => {
      cancel()
      fail(new TrafficError('AskTimeout', `${what}, ${deadlineMs} ms`))
    })
    const cancel = (): void => {
      end()
      this.openCalls.delete(lost)
    }
    this.openCalls.add(lost)
    return cancel
  }

  private changed(isUp: boolean): void {
    if (this.isGone) return
    this.isConnected = isUp
    if (!isUp) for (const lost of [...this.openCalls]) lost()
    this.tell(isUp ? 'connected' : 'disconnected')
  }

  private tell(state: BusState): void {
    for (const listener of [...this.listeners]) listener(state)
    if (state === 'closed') this.listeners.clear()
  }
}

class MemoryBucketClient implements Bucket {
  private readonly client: MemoryClient
  private readonly name: string
  private readonly options: BucketOptions
  private readonly bucket: MemoryBucket

  constructor(client: MemoryClient, name: string, options: BucketOptions, bucket: MemoryBucket) {
    this.client = client
    this.name = name
    this.options = options
    this.bucket = bucket
  }

  get(key: string): Promise<BucketEntry | undefined> {
    return this.call(() => this.bucket.get(key))
  }

  put(key: string, value: Uint8Array): Promise<number> {
    return this.call(() => this.bucket.put(key, Uint8Array.from(value)))
  }

  create(key: string, value: Uint8Array): Promise<number | undefined> {
    return this.call(() => this.bucket.create(key, Uint8Array.from(value)))
  }

  update(key: string, value: Uint8Array, revision: number): Promise<number | undefined> {
    return this.call(() => this.bucket.update(key, Uint8Array.from(value), revision))
  }

  delete(key: string, revision?: number): Promise<boolean> {
    return this.call(() => this.bucket.delete(key, revision))
  }

  keys(): Promise<string[]> {
    return this.call(() => this.bucket.keys())
  }

  async watch(handler: (entry: BucketEntry) => void, onInitial?: () => void): Promise<Subscription> {
    const { link } = this.client
    const told = new Map<string, number>()
    const lane = `watch ${this.name}`
    let isEnded = false
    let isInitialTold = false
    const tell = (entry: BucketEntry): void => {
      if (isEnded || told.get(entry.key) === entry.revision) return
      if (entry.value === undefined) told.delete(entry.key)
      else told.set(entry.key, entry.revision)
      handler(entry)
    }
    /** All there is, then that this was all, so that what has gone without a word is told too. */
    const giveAll = (): void => {
      const all = this.bucket.all()
      for (const entry of all) link.toClient(lane, () => tell(entry))
      link.toClient(lane, () => {
        const there = new Set(all.map(({ key }) => key))
        for (const [key, revision] of told) {
          if (isEnded || there.has(key)) continue
          told.delete(key)
          handler({ key, value: undefined, revision })
        }
        if (isEnded || isInitialTold) return
        isInitialTold = true
        onInitial?.()
      })
    }
    const forget = await this.call(() => {
      giveAll()
      return this.bucket.watch(entry => link.toClient(lane, () => tell(entry)))
    })
    const unfollow = this.client.onState(state => {
      if (state === 'connected') link.toBroker(lane, 0, () => giveAll())
    })
    return {
      unsubscribe() {
        isEnded = true
        forget()
        unfollow()
      },
    }
  }

  private call<T>(run: () => T): Promise<T> {
    return this.client.call(`bucket ${this.name}`, run, this.options.deadlineMs)
  }
}

class MemoryStreams implements Streams {
  private readonly client: MemoryClient

  constructor(client: MemoryClient) {
    this.client = client
  }

  private get streams(): Map<string, MemoryStream> {
    return this.client.broker.streams
  }

  ensure(stream: StreamOptions): Promise<void> {
    return this.client.call('streams', () => {
      const there = this.streams.get(stream.name)
      if (there === undefined) this.streams.set(stream.name, new MemoryStream(stream))
      else there.change(stream)
    })
  }

  publish(subject: string, payload: Uint8Array, options: StreamPublishOptions): Promise<Stored> {
    checkMessage(subject, payload, options.headers)
    const bytes = Uint8Array.from(payload)
    return this.client.call(
      `stream ${subject}`,
      () => {
        const stream = this.client.broker.streamOf(subject)
        if (stream === undefined) throw new TrafficError('NoResponder', `no stream keeps '${subject}'`)
        return stream.store(subject, bytes, options.id, options.headers)
      },
      options.deadlineMs,
    )
  }

  async consume(
    stream: string,
    options: ConsumeOptions,
    handler: (delivery: Delivery) => void,
  ): Promise<Consumption> {
    const consumer = await this.client.call(`consume ${stream}`, () => this.wanted(stream).consumer(options))
    const consumption = new MemoryConsumption(this.client, consumer, handler)
    consumption.attach()
    return consumption
  }

  info(stream: string): Promise<StreamInfo | undefined> {
    return this.client.call('streams', () => this.streams.get(stream)?.info())
  }

  waiting(stream: string): Promise<ReadonlyMap<string, number> | undefined> {
    return this.client.call('streams', () => this.streams.get(stream)?.waiting())
  }

  names(subject: string): Promise<readonly string[]> {
    return this.client.call('streams', () =>
      [...this.streams.values()]
        // As far as the tests ask: the streams' own subjects below the wildcard.
        .filter(({ options }) => options.subjects.some(each => matches(subject, each)))
        .map(({ options }) => options.name),
    )
  }

  get(stream: string, sequence: number): Promise<StoredMessage | undefined> {
    return this.client.call('streams', () => this.streams.get(stream)?.get(sequence))
  }

  last(stream: string, range: StreamRange): Promise<readonly StoredMessage[]> {
    return this.client.call('streams', () => this.streams.get(stream)?.last(range) ?? [])
  }

  delete(stream: string, sequence: number): Promise<boolean> {
    return this.client.call('streams', () => this.wanted(stream).remove(sequence))
  }

  deleteConsumer(stream: string, name: string): Promise<void> {
    return this.client.call('streams', () => this.streams.get(stream)?.deleteConsumer(name))
  }

  private wanted(name: string): MemoryStream {
    const stream = this.streams.get(name)
    if (stream === undefined) throw new TrafficError('ClusterError', `there is no stream '${name}'`)
    return stream
  }
}

class MemoryConsumption implements Consumption {
  private readonly client: MemoryClient
  private readonly consumer: MemoryConsumer
  private readonly handler: (delivery: Delivery) => void
  private readonly end = Promise.withResolvers<void>()
  private detach: () => void = () => {}
  private unfollow: () => void = () => {}
  private isStopped = false

  constructor(client: MemoryClient, consumer: MemoryConsumer, handler: (delivery: Delivery) => void) {
    this.client = client
    this.consumer = consumer
    this.handler = handler
  }

  get ended(): Promise<void> {
    return this.end.promise
  }

  attach(): void {
    let isGone = false
    const tellGone = (): void =>
      this.client.link.toClient(`consumer ${this.consumer.name}`, () => this.end.resolve())
    this.detach = this.consumer.attach(
      given => this.take(given),
      () => {
        isGone = true
        tellGone()
      },
    )
    this.unfollow = this.client.onState(state => {
      if (state !== 'connected') return
      if (isGone) tellGone()
      else this.consumer.pump()
    })
  }

  async stop(): Promise<void> {
    this.isStopped = true
    this.detach()
    this.unfollow()
    if (this.client.isConnected) await within(this.client.link.flushed(), callMs)
    this.end.resolve()
  }

  private take(given: Given): boolean {
    // 'broken' too: the broker has not noticed either, and gives it again when the time to acknowledge has passed.
    if (this.client.link.state === 'down' || this.isStopped || this.client.isGone) return false
    this.client.link.toClient(`consumer ${this.consumer.name}`, () => {
      const delivery = new MemoryDelivery(this.client, this.consumer, given)
      if (this.isStopped) {
        delivery.nak(0)
        return
      }
      try {
        this.handler(delivery)
      } catch {
        // The one on NATS logs it and goes on.
      }
    })
    return true
  }
}

class MemoryDelivery implements Delivery {
  readonly attempt: number
  readonly count: number
  readonly sequence: number
  readonly subject: string
  readonly payload: Uint8Array
  readonly headers: BusHeaders | undefined
  readonly timeMs: number
  private readonly client: MemoryClient
  private readonly consumer: MemoryConsumer

  constructor(client: MemoryClient, consumer: MemoryConsumer, { message, attempt, count }: Given) {
    this.client = client
    this.consumer = consumer
    this.attempt = attempt
    this.count = count
    this.sequence = message.sequence
    this.subject = message.subject
    this.payload = message.payload
    this.headers = message.headers
    this.timeMs = message.timeMs
  }

  ack(): Promise<void> {
    return this.client.call(`acks ${this.consumer.name}`, () => this.consumer.ack(this.sequence))
  }

  nak(delayMs: number): void {
    this.tell(() => this.consumer.nak(this.sequence, delayMs))
  }

  extend(): void {
    this.tell(() => this.consumer.extend(this.sequence))
  }

  private tell(run: () => void): void {
    if (this.client.isConnected) this.client.link.toBroker(`acks ${this.consumer.name}`, 0, run)
  }
}

/** Waits, and no longer than so long. */
const within = (done: Promise<void>, ms: number): Promise<void> =>
  new Promise(resolve => {
    const cancel = after(ms, resolve)
    void done.then(() => {
      cancel()
      resolve()
    })
  })

const isSubject = (subject: string): boolean =>
  subject !== '' && !/\s/.test(subject) && subject.split('.').every(token => token !== '')

const badSubject = (subject: string): TrafficError =>
  new TrafficError('ClusterError', `'${subject}' is no subject`)

function checkMessage(subject: string, payload: Uint8Array, headers: BusHeaders | undefined): void {
  if (!isSubject(subject)) throw badSubject(subject)
  if (payload.length > maxPayload)
    throw new TrafficError(
      'ClusterError',
      `${payload.length} bytes for '${subject}' are more than ${maxPayload}`,
    )
  for (const value of Object.values(headers ?? {}))
    if (/[\r\n]/.test(value))
      throw new TrafficError('ClusterError', `a header for '${subject}' has a line break`)
}

const notConnected = (doing: string): TrafficError =>
  new TrafficError('ClusterError', `${doing}: there is no connection`)
