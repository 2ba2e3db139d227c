/** Buckets on NATS: nats.js's KV for single entries, and a watch of our own that is mended in seconds. */

import { jetstream } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import { nanos } from '@nats-io/transport-node'
import type { Bucket, BucketEntry, BucketOptions, Subscription } from './bus.ts'
import { busError, managementError, notConnected, streamCode, streamCodes } from './nats-errors.ts'
import { heartbeatMs, type NatsParts } from './nats-feed.ts'
import { NatsWatch } from './nats-watch.ts'

const defaultDeadlineMs = 5_000

export async function openBucket(parts: NatsParts, name: string, options: BucketOptions): Promise<Bucket> {
  const bucket = new NatsBucket(parts, name, options)
  await bucket.open()
  return bucket
}

class NatsBucket implements Bucket {
  private readonly parts: NatsParts
  private readonly name: string
  private readonly options: BucketOptions
  private kv: KV | undefined

  constructor(parts: NatsParts, name: string, options: BucketOptions) {
    this.parts = parts
    this.name = name
    this.options = options
  }

  /** Finds the bucket or makes it: also when a server has lost it while we ran. */
  async open(): Promise<KV> {
    const kv = await this.find()
    await this.parts.calls.run(this.mend(kv)).catch((error: unknown) => {
      throw managementError(error, `cannot change the bucket '${this.name}'`)
    })
    this.kv = kv
    return kv
  }

  /** One that was there keeps what it has but for how long: an entry that goes by itself is a lease that nobody gave back. */
  private async mend(kv: KV): Promise<void> {
    const { streamInfo } = await kv.status()
    const wanted = nanos(this.options.maxAgeMs ?? 0)
    if (streamInfo.config.max_age === wanted) return
    const { connection, log } = this.parts
    const manager = await jetstream(connection, { checkAPI: false }).jetstreamManager(false)
    await manager.streams.update(streamInfo.config.name, { ...streamInfo.config, max_age: wanted })
    log.warn(`The bucket '${this.name}' kept its entries for another time than this program wants: changed`, {
      code: 'BusBucket',
    })
  }

  private async find(): Promise<KV> {
    try {
      return await this.parts.calls.run(this.make(this.parts.bus.replicas))
    } catch (error) {
      const code = streamCode(error)
      const isTooMany = code === streamCodes.noSuitablePeers || code === streamCodes.insufficientResources
      if (this.parts.bus.replicas === 1 || !isTooMany)
        throw managementError(error, `cannot open the bucket '${this.name}'`)
      this.parts.log.warn(`The bucket '${this.name}' gets one copy: NATS has too few servers for more`, {
        code: 'BusReplicas',
      })
      return await this.make(1)
    }
  }

  private make(replicas: number): Promise<KV> {
    const { maxAgeMs, history, deadlineMs: timeout = defaultDeadlineMs } = this.options
    return new Kvm(jetstream(this.parts.connection, { checkAPI: false, timeout })).create(this.name, {
      history: history ?? 1,
      replicas,
      timeout,
      // Reads go to the leader: a copy may be behind.
      allow_direct: false,
      ...(maxAgeMs === undefined ? undefined : { ttl: maxAgeMs }),
    })
  }

  async get(key: string): Promise<BucketEntry | undefined> {
    const entry = await this.call(kv => kv.get(key), `cannot read '${key}'`)
    if (entry === null || entry.operation !== 'PUT') return undefined
    return { key, value: entry.value, revision: entry.revision }
  }

  put(key: string, value: Uint8Array): Promise<number> {
    return this.call(kv => kv.put(key, value), `cannot write '${key}'`)
  }

  create(key: string, value: Uint8Array): Promise<number | undefined> {
    return this.agree(kv => kv.create(key, value), `cannot create '${key}'`)
  }

  update(key: string, value: Uint8Array, revision: number): Promise<number | undefined> {
    return this.agree(kv => kv.update(key, value, revision), `cannot update '${key}'`)
  }

  async delete(key: string, revision?: number): Promise<boolean> {
    const options = revision === undefined ? undefined : { previousSeq: revision }
    const done = await this.agree(kv => kv.delete(key, options).then(() => true), `cannot delete '${key}'`)
    return done === true
  }

  keys(): Promise<string[]> {
    return this.call(async kv => {
      const keys: string[] = []
      for await (const key of await kv.keys()) keys.push(key)
      return keys
    }, 'cannot list its keys')
  }

  async watch(handler: (entry: BucketEntry) => void, onInitial?: () => void): Promise<Subscription> {
    const watch = new NatsWatch(this.parts, {
      bucket: this.name,
      heartbeatMs,
      handler,
      onInitial,
      reopen: () => this.open(),
    })
    await watch.start()
    return { unsubscribe: () => void watch.stop() }
  }

  /** A write that another may have been quicker with: undefined then. */
  private agree<T>(run: (kv: KV) => Promise<T>, doing: string): Promise<T | undefined> {
    return this.call(
      kv =>
        run(kv).catch((error: unknown) => {
          if (streamCode(error) === streamCodes.wrongLastSequence) return undefined
          throw error
        }),
      doing,
    )
  }

  private async call<T>(run: (kv: KV) => Promise<T>, doing: string): Promise<T> {
    try {
      if (!this.parts.bus.isConnected) throw notConnected('it cannot be reached')
      return await this.parts.calls.run(run(this.kv ?? (await this.open())))
    } catch (error) {
      // Opened anew by the next call: a server that was started afresh has no buckets.
      if (streamCode(error) === streamCodes.streamNotFound) this.kv = undefined
      throw busError(error, `bucket '${this.name}', ${doing}`)
    }
  }
}
