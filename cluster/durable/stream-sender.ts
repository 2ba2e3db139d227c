import type { Edge } from '../../actors/kernel/ledger.ts'
import type { Sending } from '../../actors/shared/cluster-link.ts'
import type { SharedPipeline } from '../../actors/shared/shared-pipelines.ts'
import { after } from '../../runtime/clock.ts'
import type { TrafficError } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/log.ts'
import type { Source } from '../../runtime/turn.ts'
import type { Bus } from '../bus/bus.ts'
import { partsSubject, shardSubject } from './names.ts'
import { type Entry, type Readiness, ShardSender, type ShardSenderOptions } from './shard-sender.ts'

/**
 * Bytes of a pipeline's events that a thread keeps while they are not stored: a second of traffic at 10,000 events of 800
 * bytes. That is how long servers may be away before anything is dropped, or any source paused.
 */
const windowBytes = 8 * 1024 * 1024

/**
 * How long events are gathered. A publication costs the sender 40 us of CPU with its answer, or 8 among sixteen, and the server
 * half a millisecond, however much is in it: with 16 shards and 20,000 events a second, 75 ms are 90 events in each. What
 * a request costs on its way into a full batch is 0.6 us (`bench/micro/cluster-fork.ts`, 2026-11).
 */
const gatherMs = 75

export interface StreamSenderOptions {
  readonly bus: Bus
  readonly log: Logger
  readonly cluster: string
  readonly pipeline: SharedPipeline
  readonly nextId: () => string
  readonly ready: Readiness
  readonly partsReady: Readiness
}

/**
 * The events of one pipeline on their way from this thread to its stream. They are in flight until the stream has stored
 * them, and are kept over lost connections and full streams, up to the window; behind that the policy of the edge says what
 * happens: `drop` counts them as dropped, with the reason why there was no room, `block` pauses their source.
 */
export class StreamSender {
  private readonly options: StreamSenderOptions
  private readonly shardOptions: ShardSenderOptions
  private readonly shards: (ShardSender | undefined)[] = []
  private bytes = 0
  private readonly paused = new Set<Source>()
  private cancelGather: (() => void) | undefined
  /** Why nothing can be stored at the moment. */
  private trouble: TrafficError | undefined
  private whenEmpty: (() => void) | undefined

  constructor(options: StreamSenderOptions) {
    this.options = options
    this.shardOptions = {
      bus: options.bus,
      nextId: options.nextId,
      partsSubject: partsSubject(options.cluster, options.pipeline.name),
      ready: options.ready,
      partsReady: options.partsReady,
      settled: (entries, dropped) => this.settled(entries, dropped),
      trouble: fault => this.noteTrouble(fault),
    }
  }

  send({ pipeline, key, wire, bytes }: Sending, shard: number, edge: Edge, source: Source | null): void {
    if (bytes > pipeline.maxMessageBytes) {
      edge.drop('too-large')
      return
    }
    if (this.bytes > 0 && this.bytes + bytes > windowBytes && !this.waits(edge, source)) {
      edge.drop(this.reason)
      return
    }
    this.bytes += bytes
    edge.inFlight++
    this.shard(shard).add({ key, wire, bytes, edge })
    this.cancelGather ??= after(gatherMs, () => this.flush())
  }

  /** There is no room. A paused source sends no more than what it had read; what has no source cannot be paused. */
  private waits(edge: Edge, source: Source | null): boolean {
    if (edge.policy !== 'block' || source === null) return false
    if (!this.paused.has(source)) {
      this.paused.add(source)
      source.pause()
    }
    return true
  }

  private get reason(): string {
    if (this.trouble?.code === 'StreamFull') return 'stream-full'
    return this.trouble !== undefined || !this.options.bus.isConnected ? 'disconnected' : 'window'
  }

  private shard(number: number): ShardSender {
    let shard = this.shards[number]
    if (shard === undefined) {
      const { cluster, pipeline } = this.options
      shard = new ShardSender(shardSubject(cluster, pipeline.name, number), this.shardOptions)
      this.shards[number] = shard
    }
    return shard
  }

  private flush(): void {
    this.cancelGather = undefined
    for (const shard of this.shards) shard?.flush()
  }

  private settled(entries: readonly Entry[], dropped: string | undefined): void {
    for (const { edge, bytes } of entries) {
      this.bytes -= bytes
      edge.inFlight--
      if (dropped === undefined) edge.delivered++
      else edge.drop(dropped)
    }
    if (this.bytes <= windowBytes / 2) {
      for (const source of this.paused) {
        this.paused.delete(source)
        source.resume()
      }
    }
    if (this.bytes > 0)
      this.cancelGather ??= after(this.whenEmpty === undefined ? gatherMs : 0, () => this.flush())
    else this.whenEmpty?.()
  }

  private noteTrouble(fault: TrafficError | undefined): void {
    const before = this.trouble
    this.trouble = fault
    if (before?.code === fault?.code) return
    const { log, pipeline } = this.options
    const about = `events for pipeline '${pipeline.name}'`
    if (fault === undefined) log.info(`The stream takes ${about} again`, { code: 'StreamTakes' })
    else
      log.warn(`The stream takes no ${about}, which wait as far as there is room: ${fault.message}`, {
        code: fault.code,
        source: fault.source,
      })
  }

  /** The connection is back: what waits for that does not wait longer. */
  hurry(): void {
    for (const shard of this.shards) shard?.hurry()
  }

  /** Stores all there is. Resolves when that is done, or at the limit. */
  async drain(limitMs: number): Promise<void> {
    if (this.bytes === 0) return
    await new Promise<void>(resolve => {
      const cancel = after(limitMs, resolve)
      this.whenEmpty = () => {
        cancel()
        resolve()
      }
      this.flush()
    })
    this.whenEmpty = undefined
    const left = this.shards.reduce((sum, shard) => sum + (shard?.count ?? 0), 0)
    if (left === 0) return
    const { log, pipeline } = this.options
    const what = left === 1 ? 'One event' : `${left} events`
    log.error(
      `${what} for pipeline '${pipeline.name}' could not be stored, and ${left === 1 ? 'goes' : 'go'} with this process`,
      {
        code: 'NotStored',
        source: 'cluster',
        left,
      },
    )
  }

  /** What is not stored now never will be, or nobody will know: it is counted as dropped. */
  stop(): void {
    this.cancelGather?.()
    for (const shard of this.shards) if (shard !== undefined) this.settled(shard.stop(), 'stopped')
    this.cancelGather?.()
  }
}
