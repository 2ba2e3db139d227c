/**
 * Follows all entries of a bucket by a consumer of its own. The KV client has a watch too; it needs ten seconds to see that
 * its consumer has gone with a server, and by then a cluster would take all its nodes for dead.
 */

import { AckPolicy, DeliverPolicy, type JetStreamManager, jetstream } from '@nats-io/jetstream'
import { type Msg, nanos } from '@nats-io/transport-node'
import type { BucketEntry } from './bus.ts'
import { streamCode, streamCodes } from './nats-errors.ts'
import { deliveryFacts, NatsFeed, type NatsParts } from './nats-feed.ts'

/** To make its consumer, on one server in memory: when that is the one that has died, the next try meets another. */
const openMs = 2_000

interface WatchOptions {
  readonly bucket: string
  readonly heartbeatMs: number
  readonly handler: (entry: BucketEntry) => void
  readonly onInitial: (() => void) | undefined
  /** Makes the bucket when it is gone. */
  readonly reopen: () => Promise<unknown>
}

export class NatsWatch {
  private readonly parts: NatsParts
  private readonly options: WatchOptions
  private readonly feed: NatsFeed
  private readonly prefix: string
  /** Of all entries that are there, what was told last. */
  private readonly told = new Map<string, number>()
  /** Keys seen since this opening, until all that was there has been given; then undefined. */
  private seen: Set<string> | undefined
  private sequence = 0
  private isInitialTold = false
  private isStopped = false
  private manager: JetStreamManager | undefined

  constructor(parts: NatsParts, options: WatchOptions) {
    this.parts = parts
    this.options = options
    this.prefix = `$KV.${options.bucket}.`
    this.feed = new NatsFeed(parts, {
      what: `the watch of bucket '${options.bucket}'`,
      open: inbox => this.open(inbox),
      take: message => this.take(message),
    })
  }

  start(): Promise<void> {
    return this.feed.start()
  }

  stop(): Promise<void> {
    this.isStopped = true
    return this.feed.stop()
  }

  private async open(inbox: string): Promise<void> {
    this.sequence = 0
    const seen = new Set<string>()
    this.seen = seen
    const waiting = await this.addConsumer(inbox)
    if (waiting === 0 && this.seen === seen) this.allGiven()
  }

  private async addConsumer(inbox: string): Promise<number> {
    this.manager ??= await jetstream(this.parts.connection, {
      checkAPI: false,
      timeout: openMs,
    }).jetstreamManager(false)
    try {
      const info = await this.manager.consumers.add(`KV_${this.options.bucket}`, {
        deliver_subject: inbox,
        deliver_policy: DeliverPolicy.LastPerSubject,
        ack_policy: AckPolicy.None,
        filter_subject: `${this.prefix}>`,
        idle_heartbeat: nanos(this.options.heartbeatMs),
        inactive_threshold: nanos(10 * this.options.heartbeatMs),
        mem_storage: true,
        num_replicas: 1,
      })
      return info.num_pending
    } catch (error) {
      if (streamCode(error) === streamCodes.streamNotFound) await this.options.reopen()
      throw error
    }
  }

  private take(message: Msg): void {
    if (this.isStopped) return
    const facts = deliveryFacts(message.reply ?? '')
    if (facts === undefined) this.checkHeartbeat(message)
    else if (facts.consumerSequence !== ++this.sequence) this.feed.restart()
    else {
      this.tell(message, facts.streamSequence)
      if (facts.waiting === 0 && this.seen !== undefined) this.allGiven()
    }
  }

  /** A heartbeat says how many messages we should have had. */
  private checkHeartbeat(message: Msg): void {
    const sent = message.headers?.get('Nats-Last-Consumer')
    if (sent !== undefined && sent !== '' && Number(sent) !== this.sequence) this.feed.restart()
  }

  private tell(message: Msg, revision: number): void {
    const key = message.subject.slice(this.prefix.length)
    const operation = message.headers?.get('KV-Operation')
    const isGone = operation === 'DEL' || operation === 'PURGE'
    this.seen?.add(key)
    if (this.told.get(key) === revision) return
    if (isGone) {
      // Told also when the key was never seen: a reader may have written it himself.
      this.told.delete(key)
      this.options.handler({ key, value: undefined, revision })
    } else {
      this.told.set(key, revision)
      this.options.handler({ key, value: message.data, revision })
    }
  }

  private allGiven(): void {
    const seen = this.seen as Set<string>
    this.seen = undefined
    for (const [key, revision] of this.told) {
      if (seen.has(key)) continue
      this.told.delete(key)
      this.options.handler({ key, value: undefined, revision })
    }
    if (this.isInitialTold) return
    this.isInitialTold = true
    this.options.onInitial?.()
  }
}
