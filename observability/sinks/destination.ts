import type { SinkEntry } from '../../actors/sink.ts'
import { keepBytes } from '../../runtime/kept-bytes.ts'
import type { Settled } from './backlog.ts'

/** An entry that a sink has and that is not settled. */
export class Item {
  entry: SinkEntry
  readonly settled: Settled
  /** What it takes in memory. */
  readonly bytes: number
  /** How often it was refused for a reason of its own. */
  refusals = 0
  /** Where it is on disk: for the buffer that has it there. */
  place: unknown = null

  constructor(entry: SinkEntry, settled: Settled, bytes: number, place: unknown = null) {
    this.entry = entry
    this.settled = settled
    this.bytes = bytes
    this.place = place
  }

  /** Leaves the memory that its document shares with those that were made with it. */
  moveOut(): void {
    this.entry = { ...this.entry, json: keepBytes(this.entry.json) }
  }
}

/** What a destination says of one entry. */
export type ItemVerdict =
  | { readonly kind: 'stored' }
  | { readonly kind: 'duplicate' }
  /** It will never be taken. */
  | { readonly kind: 'rejected'; readonly reason: string }
  /**
   * It may be taken later: because there is too much (`congestion`), because of how the destination is set up
   * (`configuration`), or for a reason that may lie in the entry (`fault`), which is tried so often and no more.
   */
  | {
      readonly kind: 'later'
      readonly reason: string
      readonly cause: 'congestion' | 'configuration' | 'fault'
    }

/** What came of a request. */
export type Verdict =
  /** One for each entry in their order, or one for all of them. */
  | {
      readonly kind: 'answered'
      readonly items: ItemVerdict | readonly ItemVerdict[]
      readonly sentBytes: number
    }
  /**
   * Nothing is known to be stored: the same is to be sent again, after so long, or after a pause that grows. A failure of
   * `configuration` is one that only a person can end.
   */
  | {
      readonly kind: 'again'
      readonly reason: string
      readonly afterMs?: number | undefined
      readonly cause: 'congestion' | 'configuration' | 'failure'
    }
  /** Nothing is stored, and half of it may be: `size` when less at a time helps, `content` when one of them is at fault. */
  | { readonly kind: 'split'; readonly reason: string; readonly cause: 'size' | 'content' }

/** Where a sink writes to. It knows its protocol, and nothing of batches, retries and ledgers. */
export interface Destination {
  /** Its kind and where it leads, for the ledger: no secrets. */
  readonly name: string
  /** How many requests may be in flight, whatever the options say. */
  readonly maxConcurrency: number
  /** Never rejects. */
  send(batch: readonly Item[]): Promise<Verdict>
  close(): Promise<void>
}

export const stored: ItemVerdict = { kind: 'stored' }
export const duplicate: ItemVerdict = { kind: 'duplicate' }
