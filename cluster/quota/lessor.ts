import { Buffer } from 'node:buffer'
import { after, wallMs } from '../../runtime/clock.ts'
import { TrafficError } from '../../runtime/errors.ts'
import type { ClusterRate, TokenLease, TokenLessor } from '../../runtime/token-lessor.ts'
import type { Bucket, BucketEntry, Bus } from '../bus/bus.ts'
import { freshRecord, leaseFrom, readRecord, recordAt, type TokenRecord } from './token-records.ts'

/** Writers that meet on one record: each time one of them gets through, so this many others before us is a crowd. */
const maxTries = 50
/** A try that met another waits up to so long, so that a crowd spreads. */
const spreadMs = 8
/** How long the cluster may take to answer. */
const leaseMs = 2_000

/** The bucket with the quotas of a cluster. */
export const quotaBucket = (cluster: string): string => `sluice_${cluster}_quotas`

/** Keys of buckets have few characters: a name that has others is written in hex. */
const keyOf = (name: string): string =>
  /^[\w-]+(?:\.[\w-]+)*$/.test(name) ? `n.${name}` : `x.${Buffer.from(name).toString('hex')}`

/** Leases tokens from the bucket of quotas: what is taken is written with compare-and-set, so that nothing is twice. */
export class BucketLessor implements TokenLessor {
  readonly threads: number
  private readonly bus: Bus
  private readonly bucketName: string
  private readonly holder: string
  private bucket: Promise<Bucket> | undefined
  /** As last seen: right unless another has written since, which the write then tells. */
  private readonly seen = new Map<string, { record: TokenRecord; revision: number }>()

  /** @param holder unique among the threads of all nodes, for as long as it lives */
  constructor(bus: Bus, cluster: string, holder: string, threads: number) {
    this.threads = threads
    this.bus = bus
    this.bucketName = quotaBucket(cluster)
    this.holder = holder
  }

  lease(rate: ClusterRate, wanted: number): Promise<TokenLease> {
    return this.withinTime(async () => {
      const lease = await this.change(rate, (record, nowMs) => {
        const taken = leaseFrom(record, rate, this.holder, wanted, nowMs)
        const validMs = Math.min(rate.perMs, record.sinceMs + rate.perMs - nowMs)
        const holders = Object.keys(taken.record.holders).length
        return {
          record: taken.record,
          result: { tokens: taken.granted, validMs, mayKeepOne: taken.mayKeepOne, holders },
        }
      })
      return lease
    })
  }

  async reset(rate: ClusterRate): Promise<void> {
    await this.withinTime(() =>
      this.change(rate, (record, nowMs) => ({
        record: { ...freshRecord(rate, nowMs), holders: record.holders },
        result: undefined,
      })),
    )
  }

  private async change<R>(
    rate: ClusterRate,
    next: (record: TokenRecord, nowMs: number) => { record: TokenRecord; result: R },
  ): Promise<R> {
    // The first connection is waited for: who has never had one knows of nobody to share with.
    if (!this.bus.isConnected && this.bucket !== undefined)
      throw new TrafficError('ClusterError', 'there is no connection to NATS')
    this.bucket ??= this.bus.bucket(this.bucketName)
    const bucket = await this.bucket.catch(error => {
      this.bucket = undefined
      throw error
    })
    const key = keyOf(rate.name)
    for (let tries = 0; tries < maxTries; tries++) {
      if (tries > 0) await spread(tries)
      const seen = this.seen.get(key) ?? read(await bucket.get(key))
      const nowMs = wallMs()
      const record = recordAt(seen?.record ?? freshRecord(rate, nowMs), rate, nowMs)
      const { record: changed, result } = next(record, nowMs)
      const bytes = Buffer.from(JSON.stringify(changed))
      // A deleted key has a revision too, and `create` is for it.
      const revision =
        seen === undefined ? await bucket.create(key, bytes) : await bucket.update(key, bytes, seen.revision)
      if (revision !== undefined) {
        this.seen.set(key, { record: changed, revision })
        return result
      }
      this.seen.delete(key)
    }
    throw new TrafficError('ClusterError', `too many threads lease of the quota '${rate.name}' at one time`)
  }

  private async withinTime<R>(work: () => Promise<R>): Promise<R> {
    const { promise: late, reject } = Promise.withResolvers<never>()
    const cancel = after(leaseMs, () =>
      reject(new TrafficError('AskTimeout', `the quotas of the cluster did not answer within ${leaseMs} ms`)),
    )
    try {
      return await Promise.race([work(), late])
    } finally {
      cancel()
    }
  }
}

const spread = (tries: number): Promise<void> =>
  new Promise(resolve => after(Math.random() * spreadMs * Math.min(tries, 4), resolve))

function read(entry: BucketEntry | undefined): { record: TokenRecord; revision: number } | undefined {
  if (entry?.value === undefined) return undefined
  const record = readRecord(Buffer.from(entry.value).toString(), wallMs())
  // None of ours: it is written anew.
  return { record: record ?? { tokens: 0, sinceMs: 0, holders: {} }, revision: entry.revision }
}
