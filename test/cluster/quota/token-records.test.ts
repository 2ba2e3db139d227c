/** The arithmetic of quotas that all nodes share, over any order of leases and any time between them. */

import test from 'ava'
import fc from 'fast-check'
import { freshRecord, goneMs, leaseFrom, recordAt } from '../../../cluster/quota/token-records.ts'
import type { ClusterRate } from '../../../runtime/token-lessor.ts'

const rateOf = (initial: number, perMs = 1000): ClusterRate => ({
  name: 'q',
  initial,
  max: initial,
  produce: initial,
  perMs,
})

const leases = fc.array(
  fc.record({
    holder: fc.constantFrom('a', 'b', 'c', 'd'),
    wanted: fc.nat(50),
    waitMs: fc.nat(700),
    uses: fc.boolean(),
  }),
  { maxLength: 100 },
)

test('however holders lease, keep and use, no period has more than the quota', t => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), leases, (initial, steps) => {
      const rate = rateOf(initial)
      let nowMs = 10_000
      let record = freshRecord(rate, nowMs)
      /** What each holder has in hand, and since which period. */
      const hands = new Map<string, { tokens: number; sinceMs: number; keeps: boolean }>()
      const usedIn = new Map<number, number>()
      for (const { holder, wanted, waitMs, uses } of steps) {
        nowMs += waitMs
        record = recordAt(record, rate, nowMs)
        const { sinceMs } = record
        const hand = hands.get(holder) ?? { tokens: 0, sinceMs, keeps: false }
        // As a thread does: what is left of a period that is over is one token at most, if it may keep it.
        if (hand.sinceMs !== sinceMs) hand.tokens = Math.min(hand.tokens, hand.keeps ? 1 : 0)
        hand.sinceMs = sinceMs
        if (uses) {
          usedIn.set(sinceMs, (usedIn.get(sinceMs) ?? 0) + hand.tokens)
          hand.tokens = 0
        }
        const taken = leaseFrom(record, rate, holder, wanted, nowMs)
        record = taken.record
        hand.tokens += taken.granted
        hand.keeps = taken.mayKeepOne
        hands.set(holder, hand)
        t.true(record.tokens >= 0)
      }
      for (const used of usedIn.values()) t.true(used <= initial, `${used} of ${initial}`)
    }),
  )
})

test('a period that is over brings what it should, however many have passed, and a late clock nothing', t => {
  const rate = rateOf(10)
  const used = leaseFrom(freshRecord(rate, 0), rate, 'a', 5, 0).record
  t.is(recordAt(used, rate, 999).tokens, 5)
  t.like(recordAt(used, rate, 3500), { tokens: 9, sinceMs: 3000 })
  t.is(recordAt({ ...used, sinceMs: 5000 }, rate, 3500).tokens, 5)
})

test('who was not heard of for long is gone, and what it kept is there again', t => {
  const rate = rateOf(10)
  const { record, mayKeepOne } = leaseFrom(freshRecord(rate, 0), rate, 'a', 5, 0)
  t.true(mayKeepOne)
  t.is(recordAt(record, rate, 1000).tokens, 9)
  const later = recordAt(record, rate, goneMs)
  t.like(later, { tokens: 10, holders: {} })
})

test('a quota too small to set tokens aside lets nobody keep one', t => {
  const rate = rateOf(3)
  t.false(leaseFrom(freshRecord(rate, 0), rate, 'a', 1, 0).mayKeepOne)
})

test('one lease takes no more than half of what is there, so that others find some', t => {
  const rate = rateOf(10)
  const first = leaseFrom(freshRecord(rate, 0), rate, 'a', 100, 0)
  t.is(first.granted, 5)
  t.is(leaseFrom(first.record, rate, 'b', 100, 0).granted, 2)
  t.is(leaseFrom({ ...first.record, tokens: 1 }, rate, 'b', 100, 0).granted, 1)
})
