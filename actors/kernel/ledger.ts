// Hot path: plain counters; the accounting of a local send is two increments.

import type { FaultRecord } from '../../runtime/errors.ts'
import type { LedgerRow } from '../host.ts'

/** What happens to an event for which the receiver has no room. */
export type Policy = 'block' | 'drop'

export type EdgeKind = LedgerRow['kind']

/**
 * A directed relation from sender to receiver, made by `fork`, `link`, `mux` or `demux`: one per place in the script,
 * shared by all sessions of the thread that pass there.
 *
 * Its ledger balances at any moment: `accepted = delivered + duplicate + deadLettered + dropped{reason} + inFlight`.
 * `inFlight` is counted where the events wait (mailboxes, windows), not derived, so that the sum can be wrong and a
 * test can see it.
 */
export class Edge {
  readonly kind: EdgeKind
  readonly from: string
  readonly to: string
  readonly policy: Policy
  accepted = 0
  delivered = 0
  duplicate = 0
  deadLettered = 0
  inFlight = 0
  private readonly droppedBy = new Map<string, number>()
  private lastFault: FaultRecord | undefined

  constructor(kind: EdgeKind, from: string, to: string, policy: Policy) {
    this.kind = kind
    this.from = from
    this.to = to
    this.policy = policy
  }

  /** Counts events that were accepted and then given up, with the reason. */
  drop(reason: string, events = 1): void {
    this.droppedBy.set(reason, (this.droppedBy.get(reason) ?? 0) + events)
  }

  failed(fault: FaultRecord): void {
    this.lastFault = fault
  }

  get dropped(): number {
    let sum = 0
    for (const events of this.droppedBy.values()) sum += events
    return sum
  }

  get isBalanced(): boolean {
    return (
      this.accepted === this.delivered + this.duplicate + this.deadLettered + this.dropped + this.inFlight
    )
  }

  row(): LedgerRow {
    const { kind, from, to, accepted, delivered, duplicate, deadLettered, inFlight, lastFault } = this
    return {
      kind,
      from,
      to,
      accepted,
      delivered,
      duplicate,
      deadLettered,
      dropped: Object.fromEntries(this.droppedBy),
      inFlight,
      lastFault,
    }
  }
}
