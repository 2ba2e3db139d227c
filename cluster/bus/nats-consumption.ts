/**
 * Takes messages of a durable consumer by pulling. One request is with the server at a time; the consumer's own limit of
 * unacknowledged messages says how many come.
 *
 * nats.js has a `consume` of its own. This one gives back what comes while it stops, so that a shard that moves to
 * another node is not held up until the time to acknowledge has passed, and it goes on at once after a reconnection.
 */

import { AckPolicy, DeliverPolicy, type JetStreamManager } from '@nats-io/jetstream'
import { type Msg, nanos } from '@nats-io/transport-node'
import { TrafficError } from '../../runtime/errors.ts'
import type { BusHeaders, ConsumeOptions, Consumption, Delivery } from './bus.ts'
import { busError, streamCode, streamCodes } from './nats-errors.ts'
import { type DeliveryFacts, deliveryFacts, heartbeatMs, NatsFeed, type NatsParts } from './nats-feed.ts'
import { plainHeaders } from './nats-message.ts'

interface ConsumptionOptions extends ConsumeOptions {
  readonly stream: string
  readonly handler: (delivery: Delivery) => void
}

/** Life of one request. Long, since the feed's heartbeats show sooner that it is lost. */
const pullMs = 30_000
/** Messages of one request. */
const pullCount = 1_000
/** Time that the server has to confirm an acknowledgement. */
const ackMs = 5_000

/** Status codes in the header of what comes instead of a message. */
const status = { heartbeat: 100, badRequest: 400, noMessages: 404, expired: 408, conflict: 409 } as const

export class NatsConsumption implements Consumption {
  private readonly parts: NatsParts
  private readonly manager: JetStreamManager
  private readonly options: ConsumptionOptions
  private readonly feed: NatsFeed
  private inbox = ''
  /** Messages that the open request may still bring. */
  private wanted = 0
  private isStopping = false
  private isMade = false
  private readonly end = Promise.withResolvers<void>()

  constructor(parts: NatsParts, manager: JetStreamManager, options: ConsumptionOptions) {
    this.parts = parts
    this.manager = manager
    this.options = options
    this.feed = new NatsFeed(parts, {
      what: `consumer '${options.name}' of stream '${options.stream}'`,
      open: inbox => this.open(inbox),
      take: message => this.take(message),
    })
  }

  get ended(): Promise<void> {
    return this.end.promise
  }

  start(): Promise<void> {
    return this.feed.start()
  }

  async stop(): Promise<void> {
    this.isStopping = true
    await this.feed.stop()
    this.end.resolve()
  }

  private async open(inbox: string): Promise<void> {
    if (!this.isMade) await this.ensureConsumer()
    else if (!(await this.isThere())) {
      void this.stop()
      return
    }
    this.isMade = true
    this.inbox = inbox
    this.pull()
  }

  private async isThere(): Promise<boolean> {
    const { stream, name } = this.options
    try {
      await this.manager.consumers.info(stream, name)
      return true
    } catch (error) {
      const code = streamCode(error)
      if (code === streamCodes.consumerNotFound || code === streamCodes.streamNotFound) return false
      throw error
    }
  }

  private async ensureConsumer(): Promise<void> {
    const { stream, name, filter, from, maxPending, ackWaitMs, forgetAfterMs } = this.options
    const changeable = {
      max_ack_pending: maxPending,
      ack_wait: nanos(ackWaitMs),
      ...(filter === undefined ? undefined : { filter_subject: filter }),
      ...(forgetAfterMs === undefined ? undefined : { inactive_threshold: nanos(forgetAfterMs) }),
    }
    try {
      await this.manager.consumers.add(stream, {
        durable_name: name,
        ack_policy: AckPolicy.Explicit,
        ...(from === undefined
          ? { deliver_policy: DeliverPolicy.All }
          : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: from }),
        max_deliver: -1,
        ...changeable,
      })
    } catch (error) {
      const code = streamCode(error)
      if (code === streamCodes.consumerNameExists || code === streamCodes.consumerExists)
        await this.manager.consumers.update(stream, name, changeable)
      else throw error
    }
  }

  private pull(): void {
    if (this.isStopping) return
    this.wanted = pullCount
    const { stream, name } = this.options
    const request = { batch: pullCount, expires: nanos(pullMs), idle_heartbeat: nanos(heartbeatMs) }
    // Not sent: the feed opens anew when the connection is back, or when it has been silent for too long.
    this.parts.bus.publish(
      `$JS.API.CONSUMER.MSG.NEXT.${stream}.${name}`,
      Buffer.from(JSON.stringify(request)),
      {
        reply: this.inbox,
      },
    )
  }

  private take(message: Msg): void {
    const facts = deliveryFacts(message.reply ?? '')
    if (facts === undefined) {
      this.takeStatus(message)
      return
    }
    const delivery = new NatsDelivery(this.parts, message, facts)
    if (this.isStopping) {
      delivery.nak(0)
      return
    }
    if (--this.wanted <= 0) this.pull()
    try {
      this.options.handler(delivery)
    } catch (thrown) {
      const fault = TrafficError.from(thrown)
      this.parts.log.error(`What takes from stream '${this.options.stream}' failed: ${fault.message}`, {
        code: fault.code,
        source: fault.source,
        stack: fault.stack,
      })
    }
  }

  private takeStatus(message: Msg): void {
    if (this.isStopping) return
    switch (message.headers?.code) {
      case status.heartbeat:
        break
      case status.noMessages:
      case status.expired:
        this.pull()
        break
      default:
        // The consumer was deleted, its leader has changed, or the server wants the request otherwise: looked at anew.
        this.feed.restart()
    }
  }
}

class NatsDelivery implements Delivery {
  private readonly parts: NatsParts
  private readonly message: Msg
  private readonly facts: DeliveryFacts

  constructor(parts: NatsParts, message: Msg, facts: DeliveryFacts) {
    this.parts = parts
    this.message = message
    this.facts = facts
  }

  get sequence(): number {
    return this.facts.streamSequence
  }

  get attempt(): number {
    return this.facts.attempt
  }

  get count(): number {
    return this.facts.consumerSequence
  }

  get timeMs(): number {
    return this.facts.timeMs
  }

  get subject(): string {
    return this.message.subject
  }

  get payload(): Uint8Array {
    return this.message.data
  }

  get headers(): BusHeaders | undefined {
    return plainHeaders(this.message.headers)
  }

  async ack(): Promise<void> {
    await this.parts.bus.request(this.message.reply as string, answers.ack, ackMs).catch((error: unknown) => {
      throw busError(error, `message ${this.sequence} cannot be acknowledged`)
    })
  }

  nak(delayMs: number): void {
    const text = delayMs > 0 ? `-NAK {"delay":${nanos(delayMs)}}` : '-NAK'
    this.parts.bus.publish(this.message.reply as string, Buffer.from(text))
  }

  extend(): void {
    this.parts.bus.publish(this.message.reply as string, answers.working)
  }
}

const answers = { ack: Buffer.from('+ACK'), working: Buffer.from('+WPI') } as const
