/** Which messages that went in belong to which that come out. */

import test from 'ava'
import fc from 'fast-check'
import { Units } from '../../actors/shared/units.ts'

test('each message out answers one in, and more when they were joined', t => {
  const units = new Units()
  const pack = units.joiner(() => {})
  for (let i = 0; i < 5; i++) units.add()
  pack.join(3)
  t.is(units.take(), 3)
  pack.join(2)
  t.is(units.take(), 2)
  t.is(units.take(), 0, 'nobody waits for this one')
})

test('who joins what others have joined answers all of it', t => {
  const units = new Units()
  const [first, second] = [units.joiner(() => {}), units.joiner(() => {})]
  for (let i = 0; i < 7; i++) units.add()
  first.join(2)
  first.join(2)
  second.join(2)
  first.join(3)
  second.join(1)
  t.is(units.take(), 4)
  t.is(units.take(), 3)
})

test('whatever two filters join one behind the other, every message has one answer, in order', t => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 4 }), fc.boolean())),
      plan => {
        const units = new Units()
        const [first, second] = [units.joiner(() => {}), units.joiner(() => {})]
        let waiting = 0
        let gathered = 0
        const out: number[] = []
        const expected: number[] = []
        let group = 0
        for (const [size, groups, isTaken] of plan) {
          for (let i = 0; i < size; i++) units.add()
          first.join(size)
          gathered += size
          if (++group >= groups) {
            second.join(group)
            expected.push(gathered)
            waiting++
            group = 0
            gathered = 0
          }
          if (isTaken && waiting > 0) {
            out.push(units.take())
            waiting--
          }
        }
        for (; waiting > 0; waiting--) out.push(units.take())
        t.deepEqual(out, expected)
      },
    ),
  )
})
