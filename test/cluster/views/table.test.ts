/** Tables for terminals, and what ledgers add up to. */

import test from 'ava'
import type { LedgerRow } from '../../../actors/host.ts'
import { missingOf, sumLedgers } from '../../../actors/kernel/ledger-sum.ts'
import { edgeRows, showEdges } from '../../../cluster/views/edge-rows.ts'
import { duration, table } from '../../../cluster/views/table.ts'

const row = (more: Partial<LedgerRow>): LedgerRow => ({
  kind: 'fork',
  from: 'a.fork',
  to: 'log',
  accepted: 0,
  delivered: 0,
  duplicate: 0,
  deadLettered: 0,
  dropped: {},
  inFlight: 0,
  ...more,
})

test('columns are as wide as what is in them, numbers stand to the right, and nothing trails', t => {
  const text = table(
    [
      { title: 'NAME', value: ({ name }: { name: string; n: number }) => name },
      { title: 'N', value: ({ n }) => n },
      { title: 'NOTE', value: () => '' },
    ],
    [
      { name: 'a', n: 5 },
      { name: 'longer', n: 1234 },
    ],
  )
  t.is(text, 'NAME       N  NOTE\na          5\nlonger  1234\n')
})

test('what a terminal would obey is not printed', t => {
  t.notRegex(table([{ title: 'KEY', value: (key: string) => key }], ['\u001b[2Jx\u009b']), /\p{Cc}(?<!\n)/u)
})

test('a time is told in the largest unit of which there are two', t => {
  t.deepEqual([0, 119, 120, 7199, 7200, 200_000].map(duration), ['0s', '119s', '2m', '119m', '2h', '2d'])
})

test('ledgers of one edge on several threads and nodes are added, reason by reason', t => {
  const rows = [
    row({ accepted: 5, delivered: 3, dropped: { window: 2 } }),
    row({ accepted: 4, dropped: { window: 1, 'too-large': 1 }, inFlight: 2 }),
    row({ kind: 'ask', accepted: 1, delivered: 1 }),
  ]
  const [sum, other] = sumLedgers(rows)
  t.like(sum, { accepted: 9, delivered: 3, inFlight: 2, dropped: { window: 3, 'too-large': 1 } })
  t.like(other, { kind: 'ask', accepted: 1 })
  t.is(missingOf(sum as LedgerRow), 0)
})

test('a ledger that does not balance is named', t => {
  const answers = [{ version: 1, node: 'n', edges: [row({ accepted: 5, delivered: 3 })] }]
  const rows = edgeRows(answers, false)
  t.is(rows[0]?.missing, 2)
  t.regex(showEdges(rows), /do not balance: a\.fork → log \(2\)/)
})
