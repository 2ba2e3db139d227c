import type { ClusterReceiver } from '../../actors/shared/cluster-link.ts'
import type { SharedPipeline } from '../../actors/shared/shared-pipelines.ts'
import { after, every } from '../../runtime/clock.ts'
import { type FaultRecord, TrafficError } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/log.ts'
import { RetryDelay } from '../../runtime/retry-delay.ts'
import type { Bus, Delivery } from '../bus/bus.ts'
import { type Batch, type BatchItem, decodeBatch } from './batch.ts'
import type { DeadEvent, DeadLetterOffice } from './dead-letter-office.ts'
import { EventWork, type WorkHost } from './event-work.ts'
import { KnownIds } from './known-ids.ts'
import type { Suspect } from './leases.ts'
import { partsStream } from './names.ts'
import { OpenBatch } from './open-batch.ts'
import type { StreamLedger } from './stream-ledger.ts'

/**
 * Messages of the stream that a shard may have in hand. Each is some 256 KiB at most unless its events are larger, so this
 * bounds memory; the pipeline is told not to gather any longer when it is reached.
 */
export const maxPending = 128

/** An acknowledgement whose answer does not come is sent again so often. */
const ackTries = 3

/** What is neither done nor extended for so long is delivered again. */
export const ackWaitMs = 30_000

/** Ids that a shard remembers, to know what comes a second time: of messages, and of events that have ids of their own. */
const known = { batches: 2_048, events: 16_384 } as const

/** Read again after so long, when a newer program wrote it: some host may know it by then. */
const newerMs = 5_000

/** What is known of done work outlives the host's hold on a shard, in case it comes back. */
export class ShardMemory {
  readonly batches = new KnownIds<string>(known.batches)
  readonly events = new KnownIds<string>(known.events)
}

/** How a shard begins that others have had before. */
export interface Inheritance {
  /** The first so many messages may have been worked on before. */
  readonly suspects: number
  /** Holders died, one after the other: suspects are given event by event, and each is noted before. */
  readonly isCareful: boolean
  /** Event at which the last one died that went event by event. */
  readonly at: Suspect | undefined
  /** How often someone may have died on each of them before it went event by event. */
  readonly triedBefore: number
  /** Notes the event that is given next; rejects when that cannot be noted. Undefined: all suspects are done. */
  readonly note: (at: Suspect | undefined) => Promise<void>
}

export interface HostedShardOptions {
  readonly bus: Bus
  readonly log: Logger
  readonly cluster: string
  readonly node: string
  readonly pipeline: SharedPipeline
  readonly receiver: ClusterReceiver
  readonly office: DeadLetterOffice
  readonly ledger: StreamLedger
  readonly memory: ShardMemory
  readonly inheritance: Inheritance
}

/**
 * A shard while this thread has it: takes its messages in their order, gives their events to the actors of their keys,
 * and acknowledges a message when all its events are done or have become dead letters.
 */
export class HostedShard implements WorkHost {
  readonly awaitsOutput: boolean
  readonly maxDeliver: number
  private readonly options: HostedShardOptions
  private readonly open = new Map<number, OpenBatch>()
  /** What has come and must wait, because what came before it is not all given. */
  private queue: Delivery[] = []
  private isGiving = false
  /** Messages that may still be suspects. */
  private suspects: number
  /** Suspects that are not done. */
  private readonly suspected = new Set<number>()
  private readonly cancelExtend: () => void
  private whenEmpty: (() => void) | undefined
  private isAbandoned = false
  private isClosed = false
  private whenSettled: ((work: EventWork) => void) | undefined

  constructor(options: HostedShardOptions) {
    this.options = options
    const { durable } = options.pipeline
    this.awaitsOutput = durable?.acknowledge !== 'taken'
    this.maxDeliver = durable?.maxDeliver ?? 1
    this.suspects = options.inheritance.suspects
    this.cancelExtend = every(ackWaitMs / 3, () => {
      for (const { delivery } of this.open.values()) delivery.extend()
    })
  }

  private get ledger(): StreamLedger {
    return this.options.ledger
  }

  take(delivery: Delivery): void {
    if (this.isClosed) return
    this.queue.push(delivery)
    this.giveNext()
  }

  private giveNext(): void {
    while (!this.isGiving && !this.isAbandoned) {
      const delivery = this.queue.shift()
      if (delivery === undefined) return
      this.giveOne(delivery)
    }
  }

  private giveOne(delivery: Delivery): void {
    const open = this.begin(delivery)
    if (open === undefined) return
    const isSuspect = this.suspects > 0 || delivery.attempt > 1
    if (this.suspects > 0) {
      this.suspects--
      this.suspected.add(delivery.sequence)
    }
    if (isSuspect) this.ledger.redelivered += open.left
    const isCareful = isSuspect && this.options.inheritance.isCareful
    const hasParts = open.batch.items.some(item => item[3] != null)
    if (isCareful || hasParts) void this.giveSlowly(open, isCareful)
    else
      for (let index = 0; index < open.batch.items.length; index++)
        this.give(new EventWork(this, open, index))
    if (this.open.size >= maxPending) this.options.receiver.hurry(this.options.pipeline.name)
  }

  /** Undefined when there is nothing to be done for it. */
  private begin(delivery: Delivery): OpenBatch | undefined {
    const { edge } = this.ledger
    let batch: Batch
    try {
      batch = decodeBatch(delivery.payload)
    } catch (thrown) {
      this.unreadable(delivery, TrafficError.from(thrown))
      return undefined
    }
    if (this.isKnown(batch, delivery)) {
      edge.accepted += batch.items.length
      edge.duplicate += batch.items.length
      return undefined
    }
    const open = new OpenBatch(batch, delivery)
    this.open.set(delivery.sequence, open)
    edge.accepted += open.left
    edge.inFlight += open.left
    if (open.left === 0) this.complete(open)
    return open
  }

  private isKnown(batch: Batch, delivery: Delivery): boolean {
    const inHand = this.open.get(delivery.sequence)
    if (inHand?.batch.id === batch.id) {
      inHand.delivery = delivery
      return true
    }
    // A second copy, which the stream took because it had forgotten the first: that one is still there until it is done.
    const isCopy = [...this.open.values()].some(open => open.batch.id === batch.id)
    if (!isCopy && !this.options.memory.batches.has(batch.id)) return false
    void this.acknowledge(delivery)
    return true
  }

  private give(work: EventWork): void {
    const [key, , id] = work.open.item(work.index)
    if (typeof id === 'string' && this.options.memory.events.has(id)) {
      this.ledger.edge.duplicate++
      this.settled(work)
    } else this.options.receiver.accept(this.options.pipeline.name, key, work)
  }

  /** What has to wait for something holds up what comes behind it, so that the order stays. */
  private async giveSlowly(open: OpenBatch, isCareful: boolean): Promise<void> {
    this.isGiving = true
    const { items } = open.batch
    for (let index = 0; index < items.length && !open.isAbandoned; index++) {
      const work = new EventWork(this, open, index)
      if ((items[index] as BatchItem)[3] != null && !(await this.collect(work))) continue
      if (isCareful) await this.giveAlone(work)
      else this.give(work)
    }
    this.isGiving = false
    this.giveNext()
  }

  /** Puts the parts of an event together. False when they are not there any more. */
  private async collect(work: EventWork): Promise<boolean> {
    const { bus, cluster } = this.options
    const delay = new RetryDelay(100, 5_000)
    const [, , , parts] = work.open.item(work.index)
    const pieces: Uint8Array[] = []
    for (const sequence of parts ?? []) {
      while (!work.open.isAbandoned) {
        try {
          const part = await bus.streams.get(partsStream(cluster), sequence)
          if (part === undefined) {
            const fault = new TrafficError('ClusterError', `part ${sequence} of the message is gone`)
            this.bury(work, 'unreadable', fault.toRecord())
            return false
          }
          pieces.push(part.payload)
          break
        } catch (thrown) {
          this.troubled(TrafficError.from(thrown).toRecord())
          await pause(delay.next())
        }
      }
    }
    if (work.open.isAbandoned) return false
    try {
      work.open.putTogether(work.index, Buffer.concat(pieces))
    } catch (thrown) {
      this.bury(work, 'unreadable', TrafficError.from(thrown).toRecord())
      return false
    }
    return true
  }

  /** Notes the event, gives it, and waits until it is done: should this process die on it, the next one knows. */
  private async giveAlone(work: EventWork): Promise<void> {
    const { at, triedBefore, note } = this.options.inheritance
    const { sequence } = work.open.delivery
    let tries = triedBefore
    if (at?.sequence === sequence) {
      if (work.index < at.index) {
        // The one before us had done it.
        this.ledger.edge.duplicate++
        this.settled(work)
        return
      }
      if (work.index === at.index) tries = at.tries + 1
    }
    const settled = new Promise<void>(resolve => {
      this.whenSettled = other => {
        if (other === work) resolve()
      }
    })
    if (tries >= this.maxDeliver) {
      work.tries = tries
      this.bury(work, 'crashed', undefined)
    } else if (await this.noted(work, { sequence, index: work.index, tries }, note)) this.give(work)
    else return
    await settled
  }

  /** False when the shard was lost meanwhile. */
  private async noted(work: EventWork, at: Suspect, note: Inheritance['note']): Promise<boolean> {
    const delay = new RetryDelay(100, 5_000)
    while (!work.open.isAbandoned) {
      try {
        await note(at)
        return true
      } catch {
        await pause(delay.next())
      }
    }
    return false
  }

  private unreadable(delivery: Delivery, fault: TrafficError): void {
    const { log, pipeline } = this.options
    const record = fault.toRecord()
    if (fault.code === 'WireVersion') {
      log.error(`A message for pipeline '${pipeline.name}' waits for a newer host: ${fault.message}`, {
        code: fault.code,
        source: fault.source,
      })
      after(newerMs, () => {
        if (!this.isAbandoned) delivery.nak(newerMs)
      })
      return
    }
    const { edge } = this.ledger
    const open = new OpenBatch({ id: `unreadable-${delivery.sequence}`, items: [['', null]] }, delivery)
    this.open.set(delivery.sequence, open)
    edge.accepted++
    edge.inFlight++
    this.bury(new EventWork(this, open, 0), 'unreadable', record)
  }

  // WorkHost

  delivered(work: EventWork): void {
    const [, , id, parts] = work.open.item(work.index)
    if (typeof id === 'string') this.options.memory.events.add(id)
    this.ledger.edge.delivered++
    if (parts != null && this.options.pipeline.fanout === 'one') this.deleteParts(parts)
    this.settled(work)
  }

  givenUp(work: EventWork, fault: FaultRecord): void {
    this.ledger.edge.failed(fault)
    this.bury(work, 'failed', fault)
  }

  troubled(fault: FaultRecord): void {
    this.ledger.edge.failed(fault)
  }

  again(work: EventWork): void {
    this.options.receiver.accept(this.options.pipeline.name, work.open.item(work.index)[0], work)
  }

  private bury(work: EventWork, reason: DeadEvent['reason'], fault: FaultRecord | undefined): void {
    void this.buryUntilKept(work, reason, fault)
  }

  /** It counts as done when the dead letter is stored, however long that takes. */
  private async buryUntilKept(
    work: EventWork,
    reason: DeadEvent['reason'],
    fault: FaultRecord | undefined,
  ): Promise<void> {
    const { office, pipeline, node, log } = this.options
    const { open, index, id, tries } = work
    const [key, , , parts] = open.item(index)
    const wire = reason === 'unreadable' || parts != null ? null : open.wire(index)
    const { subject } = open.delivery
    const delay = new RetryDelay(250, 10_000)
    while (!open.isAbandoned) {
      try {
        await office.add({
          pipeline: pipeline.name,
          key,
          id,
          reason,
          fault,
          tries,
          node,
          subject,
          wire,
          parts: parts ?? undefined,
        })
        if (open.isAbandoned) return
        this.ledger.edge.deadLettered++
        this.settled(work)
        return
      } catch (thrown) {
        const trouble = TrafficError.from(thrown)
        log.warn(`A dead letter of pipeline '${pipeline.name}' cannot be stored: ${trouble.message}`, {
          code: trouble.code,
          source: trouble.source,
        })
        await pause(delay.next())
      }
    }
  }

  private deleteParts(parts: readonly number[]): void {
    const { bus, cluster } = this.options
    // Those that cannot be deleted now go with their age.
    for (const part of parts) bus.streams.delete(partsStream(cluster), part).catch(() => {})
  }

  private settled(work: EventWork): void {
    const { open } = work
    this.ledger.edge.inFlight--
    if (--open.left === 0) this.complete(open)
    this.whenSettled?.(work)
  }

  private complete(open: OpenBatch): void {
    const { delivery, batch } = open
    const { memory, inheritance } = this.options
    this.open.delete(delivery.sequence)
    memory.batches.add(batch.id)
    void this.acknowledge(delivery)
    if (this.suspected.delete(delivery.sequence) && this.suspected.size === 0 && this.suspects === 0)
      inheritance.note(undefined).catch(() => {})
    if (this.open.size === 0) this.whenEmpty?.()
  }

  /** When the server does not hear of it even so, the message comes again, and is known. */
  private async acknowledge(delivery: Delivery): Promise<void> {
    const delay = new RetryDelay(100, 1_000)
    for (let tries = 0; tries < ackTries; tries++) {
      try {
        await delivery.ack()
        return
      } catch (thrown) {
        const fault = TrafficError.from(thrown)
        this.options.log.debug(fault.message, { code: fault.code })
        await pause(delay.next())
      }
    }
  }

  /** What comes from now on is not for us. */
  close(): void {
    this.isClosed = true
    this.queue = []
  }

  /** Nothing new is given. Resolves when what the pipeline has is done, or at the limit. */
  async finish(limitMs: number): Promise<void> {
    this.close()
    for (const open of this.open.values()) if (!open.isStarted) this.handBack(open)
    if (this.open.size === 0) return
    this.options.receiver.hurry(this.options.pipeline.name)
    await new Promise<void>(resolve => {
      const cancel = after(limitMs, resolve)
      this.whenEmpty = () => {
        cancel()
        resolve()
      }
    })
  }

  /** What is in hand is not ours any more. */
  abandon(): void {
    this.isAbandoned = true
    this.cancelExtend()
    this.close()
    for (const open of this.open.values()) this.handBack(open)
    this.whenEmpty?.()
  }

  private handBack(open: OpenBatch): void {
    const { edge } = this.ledger
    open.isAbandoned = true
    edge.inFlight -= open.left
    edge.drop('handed-back', open.left)
    this.open.delete(open.delivery.sequence)
  }
}

const pause = (ms: number): Promise<void> => new Promise(resolve => void after(ms, resolve))
