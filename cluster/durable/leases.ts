import { Buffer } from 'node:buffer'
import { monotonicMs } from '../../runtime/clock.ts'
import type { Logger } from '../../runtime/log.ts'
import type { Bucket, BucketEntry, Bus, Subscription } from '../bus/bus.ts'
import type { Place } from '../membership/member.ts'
import { leaseBucket } from './names.ts'

/** Who has a shard: an entry of the bucket, as JSON, so that an operator can read it with the tools of NATS. */
export interface LeaseRecord extends Place {
  /** Tells this holding from others by the same thread. */
  readonly epoch: string
  /** Holders before this one that died with it, one after the other. */
  readonly deaths: number
  /** Messages, at most, that somebody has had and that are not done. */
  readonly suspects: number
  /** Nobody has the shard; the entry is there for what it says of the suspects. */
  readonly isVacant: boolean
  /** The event at which it is, when it goes one by one because of those deaths. */
  readonly at?: Suspect | undefined
}

/** An event on which a holder may have died. */
export interface Suspect {
  /** Of the message in the stream. */
  readonly sequence: number
  readonly index: number
  /** How often someone has died on it. */
  readonly tries: number
}

export interface LeaseOptions {
  readonly bus: Bus
  readonly log: Logger
  readonly cluster: string
  /** Whether this life of a thread is still there, as far as this node knows. */
  readonly isThere: (place: Place) => boolean
  readonly nextEpoch: () => string
  /** Something has changed that somebody may wait for. */
  readonly changed: () => void
}

/**
 * How long a holder that this node does not know must be seen before it counts as dead: news of members and of leases come
 * by different ways, and a holder may have joined a moment ago.
 */
const strangerMs = 1_000

/**
 * The leases on shards: whoever has one is the only one that consumes the shard. They do not expire. A holder gives its
 * lease back, or dies, and then its place goes from the table of members and the next one takes it.
 */
export class Leases {
  private readonly options: LeaseOptions
  private bucket: Promise<Bucket> | undefined
  private watching: Subscription | undefined
  private isStopped = false
  /** All that are there; one that cannot be read has no record. */
  private readonly entries = new Map<
    string,
    { readonly record: LeaseRecord | undefined; readonly revision: number }
  >()
  private readonly held = new Map<string, Lease>()
  /** Epochs of strangers, and when we first saw them. */
  private readonly strangers = new Map<string, number>()

  constructor(options: LeaseOptions) {
    this.options = options
  }

  /** The lease, or undefined while somebody else has it. Rejects when the bucket cannot be asked. */
  async take(key: string, place: Place): Promise<Lease | undefined> {
    const bucket = await this.open()
    const found = this.entries.get(key)
    const record = { ...place, epoch: this.options.nextEpoch(), deaths: 0, suspects: 0, isVacant: false }
    if (found === undefined) {
      const revision = await bucket.create(key, encodeRecord(record))
      return revision === undefined ? undefined : this.hold(bucket, key, record, revision)
    }
    if (found.record === undefined) return this.replace(bucket, key, record, found.revision)
    if (!this.isFree(found.record, place)) return undefined
    const { deaths, suspects, isVacant, at } = found.record
    // What this life holds it has not died on: it could not give it back, or did not hear that it had got it.
    const hasDied = !isVacant && !isSameLife(found.record, place)
    const next = { ...record, suspects, deaths: hasDied ? deaths + 1 : deaths, at }
    const revision = await bucket.update(key, encodeRecord(next), found.revision)
    return revision === undefined ? undefined : this.hold(bucket, key, next, revision)
  }

  /** Nobody can say whom an entry names that is no lease, so it is nobody's. Told by the one who takes it. */
  private async replace(
    bucket: Bucket,
    key: string,
    record: LeaseRecord,
    unreadable: number,
  ): Promise<Lease | undefined> {
    const revision = await bucket.update(key, encodeRecord(record), unreadable)
    if (revision === undefined) return undefined
    this.options.log.warn(`What stood in the bucket of leases for shard '${key}' is no lease: it is taken`, {
      code: 'LeaseUnreadable',
      source: 'cluster',
    })
    return this.hold(bucket, key, record, revision)
  }

  /** Gives back what this life of the thread may hold without knowing it, because an answer was lost. */
  async clear(key: string, place: Place): Promise<void> {
    const bucket = await this.open()
    const entry = await bucket.get(key)
    const record = entry?.value && decodeRecord(entry.value)
    if (entry !== undefined && record !== undefined && isSameLife(record, place) && !record.isVacant)
      await bucket.delete(key, entry.revision)
  }

  /**
   * Whether its holder is gone. An earlier life of ours is, and what we hold ourselves was not given back: both at once,
   * since there is one node of a name, and one life of a thread.
   */
  private isFree(holder: LeaseRecord, place: Place): boolean {
    if (holder.isVacant) return true
    const isThere = this.options.isThere(holder)
    const isOurs = holder.node === place.node && holder.thread === place.thread
    if (isOurs && (isSameLife(holder, place) || !isThere)) return true
    if (isThere) {
      this.strangers.delete(holder.epoch)
      return false
    }
    const sinceMs = this.strangers.get(holder.epoch)
    if (sinceMs !== undefined) return monotonicMs() - sinceMs >= strangerMs
    this.strangers.set(holder.epoch, monotonicMs())
    return false
  }

  private hold(bucket: Bucket, key: string, record: LeaseRecord, revision: number): Lease {
    const lease = new Lease(bucket, key, record, revision)
    this.strangers.delete(record.epoch)
    this.held.set(key, lease)
    return lease
  }

  private open(): Promise<Bucket> {
    this.bucket ??= this.watch().catch(error => {
      this.bucket = undefined
      throw error
    })
    return this.bucket
  }

  private async watch(): Promise<Bucket> {
    const bucket = await this.options.bus.bucket(leaseBucket(this.options.cluster))
    const { promise: initial, resolve } = Promise.withResolvers<void>()
    this.watching = await bucket.watch(entry => this.note(entry), resolve)
    if (this.isStopped) this.watching.unsubscribe()
    await initial
    return bucket
  }

  private note({ key, value, revision }: BucketEntry): void {
    const before = this.entries.get(key)
    const record = value === undefined ? undefined : decodeRecord(value)
    // What has gone without a word is told with the revision that it had.
    const isOld = (than: number): boolean => (value === undefined ? revision < than : revision <= than)
    if (before !== undefined && isOld(before.revision)) return
    if (value === undefined) this.entries.delete(key)
    else this.entries.set(key, { record, revision })
    const lease = this.held.get(key)
    if (lease !== undefined && record?.epoch !== lease.record.epoch && !isOld(lease.revision)) {
      lease.isLost = true
      this.held.delete(key)
    }
    this.options.changed()
  }

  stop(): void {
    this.isStopped = true
    this.watching?.unsubscribe()
  }
}

/** A shard that this thread has. */
export class Lease {
  readonly key: string
  record: LeaseRecord
  revision: number
  /** Somebody else has taken it. */
  isLost = false
  private readonly bucket: Bucket

  constructor(bucket: Bucket, key: string, record: LeaseRecord, revision: number) {
    this.bucket = bucket
    this.key = key
    this.record = record
    this.revision = revision
  }

  /** Writes something into it. Rejects when that cannot be done; `isLost` is true when somebody else has it. */
  async note(change: Partial<Pick<LeaseRecord, 'deaths' | 'suspects' | 'isVacant' | 'at'>>): Promise<void> {
    const record = { ...this.record, ...change }
    while (!this.isLost) {
      const revision = await this.bucket.update(this.key, encodeRecord(record), this.revision)
      if (revision !== undefined) {
        this.record = record
        this.revision = revision
        return
      }
      await this.lookAgain()
    }
  }

  /** Gives it back. Rejects when that cannot be done. */
  async release(): Promise<void> {
    if (this.record.suspects > 0) await this.note({ isVacant: true })
    else while (!this.isLost && !(await this.bucket.delete(this.key, this.revision))) await this.lookAgain()
  }

  /** It is not as we left it: somebody else has it, or a change of ours was made and we did not hear of it. */
  private async lookAgain(): Promise<void> {
    const entry = await this.bucket.get(this.key)
    const record = entry?.value && decodeRecord(entry.value)
    if (entry === undefined || record?.epoch !== this.record.epoch) this.isLost = true
    else this.revision = entry.revision
  }
}

const isSameLife = (one: Place, other: Place): boolean =>
  one.incarnation === other.incarnation && one.thread === other.thread && one.life === other.life

const encodeRecord = (record: LeaseRecord): Uint8Array => Buffer.from(JSON.stringify(record))

/** Undefined when it is none that this program understands. */
function decodeRecord(bytes: Uint8Array): LeaseRecord | undefined {
  let value: Partial<LeaseRecord> | null
  try {
    value = JSON.parse(Buffer.from(bytes).toString())
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { node, incarnation, thread, life, epoch } = value
  if (typeof node !== 'string' || typeof incarnation !== 'string' || typeof epoch !== 'string')
    return undefined
  if (!isCount(thread) || !isCount(life)) return undefined
  const deaths = isCount(value.deaths) ? value.deaths : 0
  const at = isSuspect(value.at) ? value.at : undefined
  const suspects = isCount(value.suspects) ? value.suspects : 0
  return { node, incarnation, thread, life, epoch, deaths, suspects, isVacant: value.isVacant === true, at }
}

/** Less than the largest, so that one more can be counted. */
const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < Number.MAX_SAFE_INTEGER

const isSuspect = (value: Partial<Suspect> | null | undefined): value is Suspect =>
  typeof value === 'object' && value !== null && [value.sequence, value.index, value.tries].every(isCount)
