import type { LedgerRow } from '../host.ts'

type Ledger = Omit<LedgerRow, 'lastFault'>

/** Adds the ledgers of edges that have the same ends and kind: those of several threads, or of several nodes. */
export function sumLedgers(rows: Iterable<LedgerRow>): LedgerRow[] {
  const sums = new Map<string, LedgerRow>()
  for (const row of rows) {
    const name = `${row.kind}\0${row.from}\0${row.to}`
    const sum = sums.get(name)
    sums.set(name, sum === undefined ? row : add(sum, row))
  }
  return [...sums.values()]
}

function add(a: LedgerRow, b: LedgerRow): LedgerRow {
  const dropped: Record<string, number> = { ...a.dropped }
  for (const [reason, count] of Object.entries(b.dropped)) dropped[reason] = (dropped[reason] ?? 0) + count
  return {
    kind: a.kind,
    from: a.from,
    to: a.to,
    accepted: a.accepted + b.accepted,
    delivered: a.delivered + b.delivered,
    duplicate: a.duplicate + b.duplicate,
    deadLettered: a.deadLettered + b.deadLettered,
    dropped,
    inFlight: a.inFlight + b.inFlight,
    ...(a.redelivered === undefined && b.redelivered === undefined
      ? undefined
      : { redelivered: (a.redelivered ?? 0) + (b.redelivered ?? 0) }),
    lastFault: b.lastFault ?? a.lastFault,
  }
}

export const droppedOf = ({ dropped }: Pick<Ledger, 'dropped'>): number =>
  Object.values(dropped).reduce((sum, count) => sum + count, 0)

/** What was accepted and is nowhere; 0 when the ledger balances. */
export const missingOf = (row: Ledger): number =>
  row.accepted - row.delivered - row.duplicate - row.deadLettered - row.inFlight - droppedOf(row)
