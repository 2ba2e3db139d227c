import type { ClusterReceiver } from '../../actors/shared/cluster-link.ts'
import type { SharedPipeline } from '../../actors/shared/shared-pipelines.ts'
import { after } from '../../runtime/clock.ts'
import { TrafficError } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/log.ts'
import { RetryDelay } from '../../runtime/retry-delay.ts'
import type { Bus, StreamInfo } from '../bus/bus.ts'
import type { Place } from '../membership/member.ts'
import type { DeadLetterOffice } from './dead-letter-office.ts'
import { ackWaitMs, HostedShard, type Inheritance, maxPending, ShardMemory } from './hosted-shard.ts'
import type { Lease, Leases } from './leases.ts'
import { consumerPrefix, copyPrefix, leaseKey, shardSubject, streamOf } from './names.ts'
import type { Readiness } from './shard-sender.ts'
import type { StreamLedger } from './stream-ledger.ts'

export interface ShardHostOptions {
  readonly bus: Bus
  readonly log: Logger
  readonly cluster: string
  readonly node: string
  readonly pipeline: () => SharedPipeline
  readonly shard: number
  readonly receiver: ClusterReceiver
  readonly leases: Leases
  readonly office: DeadLetterOffice
  readonly ledger: StreamLedger
  readonly ready: Readiness
  /** It cannot be served, or can again. */
  readonly tell: (shard: number, fault: TrafficError | undefined) => void
}

/** A lease that somebody else has is looked at so often, should the news of its end be lost. */
const lookMs = 1_000

/** How long a shard that goes to another node may take to finish what it has; the rest is handed back. */
const handOverMs = 5_000

/** The consumer of a copy that its node does not come back for goes after so long, and what was kept for it. */
const forgetCopyMs = 3_600_000

/** After so many holders that died one after the other, suspects are given event by event. */
const deathsToCare = 2

/** What a shard begins with: its consumer, and what those before have left. */
interface Beginning {
  readonly consumer: string
  readonly suspects: number
}

/** A consumer to take from. */
interface Beginner {
  readonly name: string
  /** Sequence of its first message; undefined: the oldest. */
  readonly from?: number | undefined
  /** It is there. */
  readonly begun?: () => Promise<void>
}

type ConsumerInfo = StreamInfo['consumers'][number]

/**
 * A shard of a pipeline that this thread may have: takes the lease when the shard is to be here, consumes while it has
 * it, and gives it back when the shard is to be elsewhere.
 *
 *     elsewhere ──wanted──► waiting for the lease ──► serving ──not wanted, or lost──► finishing ──► elsewhere
 *
 * Each holder has a consumer of its own, made anew: the server then gives it all that is not done, from the oldest on and
 * at once. Going on with the consumer of a holder that died would first give what is new, and the rest, which is older,
 * only when the time to acknowledge it has passed. Where each node takes a copy, the same holds for the node's consumer;
 * the stream keeps a message for as long as a consumer has not done it, so the next one is made before the last one goes.
 */
export class ShardHost {
  private readonly options: ShardHostOptions
  private readonly memory = new ShardMemory()
  private place: Place | undefined
  private running: Promise<void> | undefined
  private wakeUp: (() => void) | undefined
  private isCut = false
  private isStopped = false
  /** As what it may have the lease without knowing it, since nobody answered when it wanted it. */
  private mayHold: Place | undefined
  /** How often the connection has come back. */
  private connections = 0

  constructor(options: ShardHostOptions) {
    this.options = options
  }

  /** Resolves when it has nothing any more. */
  get ended(): Promise<void> {
    return this.running ?? Promise.resolve()
  }

  /** @param place as what this thread is to have it; undefined: not at all */
  want(place: Place | undefined): void {
    if (isSame(place, this.place)) return
    this.place = place
    if (place !== undefined) this.isCut = false
    this.wake()
    this.running ??= this.run()
  }

  /** The others take this node for dead: there is no time to finish anything. */
  cut(): void {
    this.isCut = true
    this.want(undefined)
  }

  /** The thread ends now. */
  stop(): void {
    this.isStopped = true
    this.cut()
    this.wake()
  }

  wake(): void {
    this.wakeUp?.()
  }

  /** The connection is back, and what was under way when it broke is lost. */
  reconnected(): void {
    this.connections++
    this.wake()
  }

  private async run(): Promise<void> {
    const delay = new RetryDelay(100, 2_000)
    let wasMissing = false
    while (this.place !== undefined) {
      const { place } = this
      try {
        await this.options.ready(wasMissing)
        wasMissing = false
        if (this.options.pipeline().fanout === 'all') await this.serveCopy(place)
        else {
          this.mayHold = place
          const lease = await this.options.leases.take(this.leaseKey, place)
          this.mayHold = undefined
          if (lease === undefined) await this.sleep(lookMs)
          else await this.serveLease(place, lease)
        }
        delay.reset()
      } catch (thrown) {
        this.tell(thrown)
        wasMissing = true
        await this.sleep(delay.next())
      }
    }
    await this.giveBack(() => this.clear())
    this.running = undefined
    if (this.place !== undefined) this.running = this.run()
  }

  private tell(thrown: unknown): void {
    this.options.tell(this.options.shard, TrafficError.from(thrown, 'ClusterError'))
  }

  private async clear(): Promise<void> {
    if (this.mayHold !== undefined) await this.options.leases.clear(this.leaseKey, this.mayHold)
    this.mayHold = undefined
  }

  private get leaseKey(): string {
    return leaseKey(this.options.pipeline().name, this.options.shard)
  }

  private async serveLease(place: Place, lease: Lease): Promise<void> {
    const note: Inheritance['note'] = async at => {
      await lease.note(at === undefined ? { deaths: 0, suspects: 0, at: undefined } : { at })
      if (!lease.isLost) return
      this.wake()
      throw new TrafficError('ClusterError', 'another host has taken the shard')
    }
    try {
      const beginning = await this.succeed(lease)
      const { deaths, at } = lease.record
      if (deaths > 0 && beginning.suspects === 0) await note(undefined)
      const isCareful = deaths >= deathsToCare
      const triedBefore = Math.min(deaths, deathsToCare)
      await this.serve(
        place,
        { suspects: beginning.suspects, isCareful, at, triedBefore, note },
        (hosted, isWanted) => this.consumeInOrder(hosted, beginning.consumer, { lease, isWanted }),
        lease,
      )
    } finally {
      await this.giveBack(() => lease.release())
    }
  }

  /** Nobody else takes it for as long as this thread lives. */
  private async giveBack(release: () => Promise<void>): Promise<void> {
    const delay = new RetryDelay(100, 2_000)
    while (!this.isStopped) {
      try {
        await release()
        return
      } catch (thrown) {
        this.tell(thrown)
        await this.sleep(delay.next())
      }
    }
  }

  /** Takes the place of the consumers before. */
  private async succeed(lease: Lease): Promise<Beginning> {
    const { cluster, shard } = this.options
    await this.deleteOlder(streamOf(cluster, this.options.pipeline().name), lease)
    return { consumer: `${consumerPrefix(shard)}${lease.record.epoch}`, suspects: lease.record.suspects }
  }

  /**
   * Deletes the consumers of this shard. How many messages they had given that are not done is noted before: with them
   * the server forgets it.
   */
  private async deleteOlder(stream: string, lease: Lease): Promise<void> {
    const { streams } = this.options.bus
    const prefix = consumerPrefix(this.options.shard)
    const older = ((await streams.info(stream))?.consumers ?? []).filter(({ name }) =>
      name.startsWith(prefix),
    )
    const suspects = older.reduce((sum, { pending }) => sum + pending, 0)
    if (suspects > lease.record.suspects) await lease.note({ suspects })
    for (const { name } of older) await streams.deleteConsumer(stream, name)
  }

  /** Every node takes what comes, so there is nothing to be agreed on. */
  private async serveCopy(place: Place): Promise<void> {
    const suspects = (await this.copies()).at(-1)?.pending ?? 0
    await this.serve(
      place,
      { suspects, isCareful: false, at: undefined, triedBefore: 0, note: async () => {} },
      (hosted, isWanted) => this.consumeCopy(hosted, isWanted),
    )
  }

  /** The consumers that this node has had for its copy, and not deleted; the newest last. */
  private async copies(): Promise<ConsumerInfo[]> {
    const { bus, cluster, node, shard } = this.options
    const info = await bus.streams.info(streamOf(cluster, this.options.pipeline().name))
    const prefix = copyPrefix(node, shard)
    return (info?.consumers ?? [])
      .filter(({ name }) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
      .sort((a, b) => numberOf(a) - numberOf(b))
  }

  /** As `consumeInOrder`. A message that only this node has not done goes with the last consumer that wants it. */
  private async consumeCopy(hosted: HostedShard, isWanted: () => boolean): Promise<void> {
    const { bus, cluster, node, shard } = this.options
    const stream = streamOf(cluster, this.options.pipeline().name)
    const delay = new RetryDelay(100, 2_000)
    while (isWanted()) {
      try {
        const before = await this.copies()
        const last = before.at(-1)
        const name = `${copyPrefix(node, shard)}${last === undefined ? 1 : numberOf(last) + 1}`
        const begun = async (): Promise<void> => {
          for (const { name } of before) await bus.streams.deleteConsumer(stream, name)
        }
        await this.consume(hosted, { name, from: last && last.through + 1, begun }, isWanted)
        delay.reset()
      } catch (thrown) {
        this.tell(thrown)
        await this.sleep(delay.next())
        if (isWanted()) await this.options.ready(true)?.catch((error: unknown) => this.tell(error))
      }
    }
  }

  private async serve(
    place: Place,
    inheritance: Inheritance,
    consume: (hosted: HostedShard, isWanted: () => boolean) => Promise<void>,
    lease?: Lease,
  ): Promise<void> {
    const { bus, log, cluster, node, receiver, office, ledger } = this.options
    const pipeline = this.options.pipeline()
    const parts = { bus, log, cluster, node, pipeline, receiver, office, ledger }
    const hosted = new HostedShard({ ...parts, memory: this.memory, inheritance })
    // Once it was not, what it has goes; should it be wanted again meanwhile, that is another time.
    let isOver = false
    const isWanted = (): boolean => {
      isOver ||= !isSame(this.place, place) || lease?.isLost === true
      return !isOver
    }
    try {
      await consume(hosted, isWanted)
      if (!this.isCut) await hosted.finish(handOverMs)
    } finally {
      hosted.abandon()
    }
  }

  /**
   * What was lost on its way from the server, with a connection or in a silence, would come again only when the time to
   * acknowledge it has passed, behind what is newer. So a consumer that has left something out is replaced by a new one,
   * which begins with the oldest that is not done; what of that is in hand is known.
   */
  private async consumeInOrder(
    hosted: HostedShard,
    consumer: string,
    { lease, isWanted }: { readonly lease: Lease; readonly isWanted: () => boolean },
  ): Promise<void> {
    const stream = streamOf(this.options.cluster, this.options.pipeline().name)
    const delay = new RetryDelay(100, 2_000)
    for (let number = 1; isWanted(); number++) {
      try {
        await this.consume(hosted, { name: `${consumer}-${number}` }, isWanted)
        if (isWanted()) await this.deleteOlder(stream, lease)
        delay.reset()
      } catch (thrown) {
        this.tell(thrown)
        await this.sleep(delay.next())
        if (isWanted()) await this.mend(stream, lease).catch((error: unknown) => this.tell(error))
      }
    }
  }

  /** The stream may be gone; or the consumer was made all the same, and another cannot be. */
  private async mend(stream: string, lease: Lease): Promise<void> {
    await this.options.ready(true)
    await this.deleteOlder(stream, lease)
  }

  /** Gives to the shard what its consumer gives, until it is not wanted, or something of it is missing. */
  private async consume(
    hosted: HostedShard,
    { name, from, begun }: Beginner,
    isWanted: () => boolean,
  ): Promise<void> {
    const { bus, cluster, shard } = this.options
    const pipeline = this.options.pipeline()
    const { connections } = this
    const isCopy = pipeline.fanout === 'all'
    let last = 0
    let isWhole = true
    const consumption = await bus.streams.consume(
      streamOf(cluster, pipeline.name),
      {
        name,
        from,
        filter: shardSubject(cluster, pipeline.name, shard),
        maxPending,
        ackWaitMs,
        ...(isCopy ? { forgetAfterMs: forgetCopyMs } : undefined),
      },
      delivery => {
        isWhole &&= delivery.count === ++last && connections === this.connections
        if (isWhole) hosted.take(delivery)
        else this.wake()
      },
    )
    // Deleted by the next holder, or lost by the server.
    void consumption.ended.then(() => {
      isWhole = false
      this.wake()
    })
    try {
      await begun?.()
      this.options.tell(shard, undefined)
      while (isWanted() && isWhole && connections === this.connections) await this.sleep()
    } finally {
      isWhole = false
      if (this.isCut || !isWanted()) hosted.close()
      await consumption.stop()
    }
  }

  /** Until something has changed, or for so long. */
  private sleep(ms?: number): Promise<void> {
    return new Promise(resolve => {
      const cancel = ms === undefined ? undefined : after(ms, () => this.wake())
      this.wakeUp = () => {
        cancel?.()
        this.wakeUp = undefined
        resolve()
      }
    })
  }
}

/** A copy's consumers are numbered. */
const numberOf = ({ name }: ConsumerInfo): number => Number(name.slice(name.lastIndexOf('_') + 1))

const isSame = (one: Place | undefined, other: Place | undefined): boolean =>
  one?.node === other?.node &&
  one?.incarnation === other?.incarnation &&
  one?.thread === other?.thread &&
  one?.life === other?.life
