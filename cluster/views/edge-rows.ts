import type { LedgerRow } from '../../actors/host.ts'
import { droppedOf, missingOf, sumLedgers } from '../../actors/kernel/ledger-sum.ts'
import { table } from './table.ts'
import type { ViewAnswer } from './view-messages.ts'

/** A ledger, of one node or of all that answered together. */
export interface EdgeRow extends LedgerRow {
  /** Undefined: all of them. */
  readonly node: string | undefined
  /** What was accepted and is nowhere: 0, or something is wrong with Sluice. */
  readonly missing: number
}

export function edgeRows(answers: readonly ViewAnswer[], isByNode: boolean): EdgeRow[] {
  const rows = isByNode
    ? answers.flatMap(({ node, edges }) => (edges ?? []).map(edge => ({ ...edge, node })))
    : sumLedgers(answers.flatMap(({ edges }) => edges ?? [])).map(edge => ({ ...edge, node: undefined }))
  return rows
    .map(row => ({ ...row, missing: missingOf(row) }))
    .sort(
      (a, b) =>
        a.from.localeCompare(b.from) ||
        a.to.localeCompare(b.to) ||
        (a.node ?? '').localeCompare(b.node ?? ''),
    )
}

const reasons = ({ dropped }: EdgeRow): string =>
  Object.entries(dropped)
    .map(([reason, count]) => `${reason} ${count}`)
    .join(', ')

export function showEdges(rows: readonly EdgeRow[]): string {
  if (rows.length === 0) return 'Nothing was sent over any edge.\n'
  const isByNode = rows.some(({ node }) => node !== undefined)
  const text = table<EdgeRow>(
    [
      { title: 'FROM', value: ({ from }) => from },
      { title: 'TO', value: ({ to }) => to },
      { title: 'KIND', value: ({ kind }) => kind },
      ...(isByNode ? [{ title: 'NODE', value: ({ node }: EdgeRow) => node ?? '' }] : []),
      { title: 'ACCEPTED', value: ({ accepted }) => accepted },
      { title: 'DELIVERED', value: ({ delivered }) => delivered },
      { title: 'DUPLICATE', value: ({ duplicate }) => duplicate },
      { title: 'DEAD', value: ({ deadLettered }) => deadLettered },
      { title: 'DROPPED', value: row => droppedOf(row) },
      { title: 'IN FLIGHT', value: ({ inFlight }) => inFlight },
      { title: 'WHY DROPPED', value: reasons },
    ],
    rows,
  )
  const wrong = rows.filter(({ missing }) => missing !== 0)
  if (wrong.length === 0) return text
  const names = wrong.map(({ from, to, missing }) => `${from} → ${to} (${missing})`).join(', ')
  return `${text}These do not balance: ${names}. That is a fault of Sluice; report it.\n`
}
