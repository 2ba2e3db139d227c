/** Tables for terminals, and what ledgers add up to. */

import test from 'ava'
import type { LedgerRow } from '../../../actors/host.ts'
import { missingOf, sumLedgers } from '../../../actors/kernel/ledger-sum.ts'
import { showActors } from '../../../cluster/views/actor-rows.ts'
import { edgeRows, showEdges } from '../../../cluster/views/edge-rows.ts'
import { duration, short, table } from '../../../cluster/views/table.ts'

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

test('a dash among numbers leaves them to the right', t => {
  const columns = [{ title: 'SESSIONS', value: (n: number | '-') => n }]
  t.is(table<number | '-'>(columns, [5, '-']), 'SESSIONS\n       5\n       -\n')
})

test('a key of any length leaves the table readable', t => {
  t.is(short('tea'), 'tea')
  t.is(short('k'.repeat(60)), 'k'.repeat(60))
  t.is(short('🦊'.repeat(61)), `${'🦊'.repeat(57)}...`)
  t.is(short('k'.repeat(100_000)).length, 60)
  const actor = { pipeline: 'log', placement: 'cluster', key: 'k'.repeat(7000), state: 'running', waiting: 0 }
  const place = { node: 'a', thread: 0 }
  const text = showActors({
    counts: [{ ...place, pipeline: 'log', count: 1 }],
    actors: [{ ...actor, ...place } as never],
    omitted: 0,
  })
  t.true(text.split('\n').every(line => line.length < 150))
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
