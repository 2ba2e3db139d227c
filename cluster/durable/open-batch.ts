import type { WireMessage } from '../../actors/kernel/wire.ts'
import type { Delivery } from '../bus/bus.ts'
import { type Batch, type BatchItem, decodeBatch, decodeMessage } from './batch.ts'

/** A message of the stream that a host has in hand: its events, and how many of them are not done. */
export class OpenBatch {
  readonly batch: Batch
  /** What acknowledges it; a later one when it was delivered again. */
  delivery: Delivery
  left: number
  /** The shard is somebody else's now: what becomes of its events here is of no interest. */
  isAbandoned = false
  /** The pipeline has some of it. */
  isStarted = false
  /** What has been unpacked and not given yet. */
  private readonly fresh: (WireMessage | null)[]
  /** Events that were in parts, by their place. */
  private readonly whole = new Map<number, Uint8Array>()

  constructor(batch: Batch, delivery: Delivery) {
    this.batch = batch
    this.delivery = delivery
    this.left = batch.items.length
    this.fresh = batch.items.map(([, wire]) => wire)
  }

  item(index: number): BatchItem {
    return this.batch.items[index] as BatchItem
  }

  /** The message of an event, as it was sent: filters change what they get, so it is unpacked again for each try. */
  wire(index: number): WireMessage {
    const fresh = this.fresh[index]
    this.fresh[index] = null
    if (fresh !== null && fresh !== undefined) return fresh
    const whole = this.whole.get(index)
    if (whole !== undefined) return decodeMessage(whole)
    return decodeBatch(this.delivery.payload).items[index]?.[1] as WireMessage
  }

  /** The parts of an event have been put together. */
  putTogether(index: number, bytes: Uint8Array): void {
    this.fresh[index] = decodeMessage(bytes)
    this.whole.set(index, bytes)
  }
}
