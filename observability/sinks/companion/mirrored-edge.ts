import type { LedgerRow } from '../../../actors/host.ts'
import { Edge } from '../../../actors/kernel/ledger.ts'

type Settled = Pick<LedgerRow, 'delivered' | 'duplicate' | 'deadLettered' | 'dropped'>

const nothing: Settled = { delivered: 0, duplicate: 0, deadLettered: 0, dropped: {} }

/**
 * The ledger of a place that writes to a sink of the companion. What is accepted is counted here, what became of it as far as the
 * companion has told: so it balances, and goes on when the companion dies.
 */
export class MirroredEdge {
  readonly edge: Edge
  /** What the companion that lives has told of. */
  private told: Settled = nothing
  /** Entries that were given up here, and of which the companion may yet tell. */
  private writtenOff = 0

  constructor(from: string, to: string) {
    this.edge = new Edge('sink', from, to, 'drop')
  }

  /** Takes over what has been settled since the companion told last. */
  settle(row: Settled): void {
    const { edge, told } = this
    this.told = row
    edge.delivered += this.take(row.delivered - told.delivered)
    edge.duplicate += this.take(row.duplicate - told.duplicate)
    edge.deadLettered += this.take(row.deadLettered - told.deadLettered)
    for (const [reason, entries] of Object.entries(row.dropped)) {
      const more = this.take(entries - (told.dropped[reason] ?? 0))
      if (more > 0) edge.drop(reason, more)
    }
  }

  private take(entries: number): number {
    const known = Math.min(entries, this.writtenOff)
    this.writtenOff -= known
    this.edge.inFlight -= entries - known
    return entries - known
  }

  /** Entries that nobody waits for any more. */
  writeOff(entries: number, reason: string): void {
    if (entries <= 0) return
    this.writtenOff += entries
    this.edge.inFlight -= entries
    this.edge.drop(reason, entries)
  }

  /** The companion is gone, with all that it had. */
  lose(reason: string): void {
    const { edge } = this
    if (edge.inFlight > 0) edge.drop(reason, edge.inFlight)
    edge.inFlight = 0
    this.told = nothing
    this.writtenOff = 0
  }
}
