import { randomBytes } from 'node:crypto'
import type { LedgerRow } from '../../actors/host.ts'
import type { Edge } from '../../actors/kernel/ledger.ts'
import type { ClusterReceiver, Sending } from '../../actors/shared/cluster-link.ts'
import type { SharedPipeline } from '../../actors/shared/shared-pipelines.ts'
import { every } from '../../runtime/clock.ts'
import type { TrafficError } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/log.ts'
import type { Source } from '../../runtime/turn.ts'
import type { Bus, StreamOptions } from '../bus/bus.ts'
import type { DurableDelivery, Standing } from '../cluster-thread.ts'
import type { Place } from '../membership/member.ts'
import { Placement } from '../placement/placement.ts'
import { DeadLetterOffice } from './dead-letter-office.ts'
import { Leases } from './leases.ts'
import { shardOf, streamOf } from './names.ts'
import { ShardHost } from './shard-host.ts'
import type { Readiness } from './shard-sender.ts'
import { StreamLedger } from './stream-ledger.ts'
import { StreamSender } from './stream-sender.ts'
import { partsStreamOptions, pipelineStream } from './stream-setup.ts'

export interface DurableOptions {
  readonly bus: Bus
  readonly log: Logger
  readonly cluster: string
  readonly node: string
  readonly thread: number
  /** This life of the thread. */
  readonly life: number
}

/** A pipeline with `delivery: 'at-least-once'` as this thread knows it. */
interface Known {
  pipeline: SharedPipeline
  readonly sender: StreamSender
  readonly ledger: StreamLedger
  readonly shards: (ShardHost | undefined)[]
  readonly ready: Readiness
  /** Shards beyond those of the script that its stream has had events of. */
  readonly found: Set<number>
  /** Code of what keeps its shards from being served. */
  trouble: string | undefined
}

/**
 * How often a host looks whether its streams have events in shards that its script does not have, beside when nodes come or
 * go: those who send may be loaded anew, with other shards, without anybody hearing of it.
 */
const lookMs = 60_000

/** Each shard that is served costs a consumer: whoever may publish can name any number of them. */
const mostFound = 1024

/**
 * At-least-once delivery: what is sent is stored in the pipeline's stream, and given from there to whichever thread has
 * the shard of its key, until the pipeline says that it is done.
 *
 *     edge ──► StreamSender ──► ShardSender ══ stream ══► ShardHost ──► HostedShard ──► actor of the key
 *              window, policy   batches        (broker)   lease         events,          │ output
 *                                                                       acknowledges ◄───┘
 */
export class DurableStreams implements DurableDelivery {
  private readonly options: DurableOptions
  private readonly leases: Leases
  private readonly office: DeadLetterOffice
  /** Of this life of the thread: no other sender has the same. */
  private readonly senderId = randomBytes(9).toString('base64url')
  private lastBatch = 0
  private lastEpoch = 0
  private receiver: ClusterReceiver | undefined
  private placement = new Placement()
  private readonly known = new Map<string, Known>()
  private readonly forgetState: () => void
  private readonly cancelLook: () => void
  private standing: Standing | undefined
  private isDraining = false
  /** Pipelines of which it was told that their streams have what nobody takes. */
  private readonly left = new Set<string>()
  private readonly partsReady = this.readiness(() =>
    partsStreamOptions(this.options.cluster, this.options.bus),
  )

  constructor(options: DurableOptions) {
    this.options = options
    const { bus, log, cluster } = options
    this.office = new DeadLetterOffice(bus, cluster)
    this.leases = new Leases({
      bus,
      log,
      cluster,
      isThere: place => this.placement.isThere(place),
      nextEpoch: () => `${this.senderId}-${++this.lastEpoch}`,
      changed: () => this.wake(),
    })
    this.cancelLook = every(lookMs, () => this.look())
    this.forgetState = bus.onState(state => {
      if (state !== 'connected') return
      for (const { sender, shards } of this.known.values()) {
        sender.hurry()
        for (const shard of shards) shard?.reconnected()
      }
    })
  }

  attach(receiver: ClusterReceiver): void {
    this.receiver = receiver
  }

  changed(standing: Standing): void {
    this.standing = standing
    this.placement = standing.placement
    for (const pipeline of standing.pipelines.values()) {
      if (pipeline.durable === undefined) continue
      const known = this.known.get(pipeline.name)
      if (known !== undefined) this.reloaded(known, pipeline)
      else if (pipeline.isHosted) this.knows(pipeline)
    }
    this.place()
    this.look()
  }

  send(sending: Sending, edge: Edge, source: Source | null): void {
    const { pipeline, key } = sending
    this.knows(pipeline).sender.send(sending, this.placement.shardOf(pipeline, key), edge, source)
  }

  /** The edges go on counting: what they have accepted is stored all the same. */
  leave(_edges: readonly Edge[]): void {}

  private reloaded(known: Known, pipeline: SharedPipeline): void {
    const hasChanged = JSON.stringify(known.pipeline.durable) !== JSON.stringify(pipeline.durable)
    known.pipeline = pipeline
    if (hasChanged) known.ready(true)?.catch(() => {})
  }

  private knows(pipeline: SharedPipeline): Known {
    let known = this.known.get(pipeline.name)
    if (known === undefined) {
      const { bus, log, cluster } = this.options
      const ready = this.readiness(() => pipelineStream(cluster, known?.pipeline ?? pipeline, bus))
      const { partsReady } = this
      const nextId = (): string => `${this.senderId}-${++this.lastBatch}`
      const sender = new StreamSender({ bus, log, cluster, pipeline, nextId, ready, partsReady })
      const ledger = new StreamLedger(streamOf(cluster, pipeline.name), pipeline.name)
      known = { pipeline, sender, ledger, shards: [], ready, found: new Set(), trouble: undefined }
      this.known.set(pipeline.name, known)
    }
    return known
  }

  /** Finds what was stored while the script had more shards, or is by nodes whose script has: hosts do that as well. */
  private look(): void {
    for (const known of this.known.values())
      if (this.isHosted(known) && this.standing?.self !== undefined && !this.isDraining)
        // Looked for again, soon enough.
        this.lookAt(known).catch(() => {})
    if (this.options.thread > 0 || this.standing?.self === undefined) return
    for (const pipeline of this.standing.pipelines.values())
      if (pipeline.isHosted && pipeline.durable === undefined && !this.known.has(pipeline.name))
        this.lookForLeft(pipeline).catch(() => {})
  }

  /** What was stored while the script delivered at least once, or is by nodes whose script does, is nobody's here. */
  private async lookForLeft({ name }: SharedPipeline): Promise<void> {
    const { bus, cluster, log } = this.options
    if (!bus.isConnected || this.left.has(name)) return
    const waiting = await bus.streams.waiting(streamOf(cluster, name))
    const batches = [...(waiting?.values() ?? [])].reduce((sum, count) => sum + count, 0)
    if (batches === 0 || this.left.has(name)) return
    this.left.add(name)
    const amount = batches === 1 ? '1 batch' : `${batches} batches`
    log.warn(
      `The pipeline '${name}' is delivered at most once here, but its stream has ${amount} of events: give it delivery 'at-least-once' on the nodes that host it until sluice streams shows none`,
      { code: 'StreamLeft', source: 'cluster' },
    )
  }

  private async lookAt(known: Known): Promise<void> {
    const { bus, cluster, log } = this.options
    const { name, shards } = known.pipeline
    if (!bus.isConnected) return
    const subjects = [...((await bus.streams.waiting(streamOf(cluster, name))) ?? new Map()).keys()]
    const found = subjects.map(shardOf).filter(shard => shard !== undefined && shard >= shards) as number[]
    const before = known.found.size
    for (const shard of found) if (known.found.size < mostFound) known.found.add(shard)
    if (known.found.size === before) return
    log.info(
      `The stream of pipeline '${name}' has events of shards beyond the ${shards} of the script, which are served as well`,
      { code: 'MoreShards' },
    )
    this.place()
  }

  private isHosted({ pipeline: { name } }: Known): boolean {
    return this.standing?.pipelines.get(name)?.isHosted === true
  }

  /** Makes a stream, once and whenever it is missing. */
  private readiness(stream: () => StreamOptions): Readiness {
    let making: Promise<void> | undefined
    let isThere = false
    return isMissing => {
      if (isMissing) isThere = false
      if (isThere) return undefined
      making ??= this.options.bus.streams
        .ensure(stream())
        .then(() => {
          isThere = true
        })
        .finally(() => {
          making = undefined
        })
      return making
    }
  }

  /** What keeps one shard from being served mostly keeps all: told once. */
  private tell(known: Known, shard: number, fault: TrafficError | undefined): void {
    const before = known.trouble
    known.trouble = fault?.code
    if (fault === undefined || fault.code === before) return
    const about = `Shard ${shard} of pipeline '${known.pipeline.name}' cannot be served, and is tried again`
    this.options.log.warn(`${about}: ${fault.message}`, { code: fault.code, source: fault.source })
  }

  /** Which shards are to be here follows from who is there. */
  private place(): void {
    const { standing } = this
    for (const known of this.known.values()) {
      const isHosted = this.isHosted(known)
      const { shards } = known.pipeline
      for (const shard of new Set([...Array(shards).keys(), ...known.found, ...hostsOf(known)])) {
        const isOurs = isHosted && (shard < shards || known.found.has(shard))
        const place = isOurs ? this.placeOf(known.pipeline, shard) : undefined
        if (place !== undefined) this.host(known, shard).want(place)
        else if (standing?.self === undefined) known.shards[shard]?.cut()
        else known.shards[shard]?.want(undefined)
      }
    }
  }

  /** As what this thread is to have the shard. */
  private placeOf(pipeline: SharedPipeline, shard: number): Place | undefined {
    const { placement, self } = this.standing as Standing
    if (self === undefined || this.isDraining) return undefined
    const owner = pipeline.fanout === 'all' ? self : placement.ownerOf(pipeline, shard)
    if (owner?.incarnation !== self.incarnation) return undefined
    const place = placement.placeOn(self, shard)
    return place.thread === this.options.thread && place.life === this.options.life ? place : undefined
  }

  private host(known: Known, shard: number): ShardHost {
    let host = known.shards[shard]
    if (host === undefined) {
      const { bus, log, cluster, node } = this.options
      const { ledger, ready } = known
      const { leases, office } = this
      const receiver = this.receiver as ClusterReceiver
      host = new ShardHost({
        ...{ bus, log, cluster, node, shard, receiver, leases, office, ledger, ready },
        tell: (shard, fault) => this.tell(known, shard, fault),
        // A reload may have brought another.
        pipeline: () => known.pipeline,
      })
      known.shards[shard] = host
    }
    return host
  }

  private wake(): void {
    for (const { shards } of this.known.values()) for (const shard of shards) shard?.wake()
  }

  /** The ledgers of the hops from the streams to the pipelines that are hosted here. */
  rows(): LedgerRow[] {
    return [...this.known.values()]
      .filter(({ shards }) => shards.length > 0)
      .map(({ ledger }) => ledger.row())
  }

  async drain(limitMs: number): Promise<void> {
    this.isDraining = true
    this.place()
    const known = [...this.known.values()]
    await Promise.all([
      ...known.map(({ sender }) => sender.drain(limitMs)),
      ...known.flatMap(({ shards }) => shards.map(shard => shard?.ended)),
    ])
  }

  stop(): void {
    this.forgetState()
    this.cancelLook()
    for (const { sender, shards } of this.known.values()) {
      sender.stop()
      for (const shard of shards) shard?.stop()
    }
    this.leases.stop()
  }
}

/** The shards that this thread has, or had. */
const hostsOf = ({ shards }: Known): readonly number[] => Object.keys(shards).map(Number)
