/** The clock that simulations run on. It takes the place of the system's for the whole thread: one test at a time. */

import test from 'ava'
import { after, Deadline, every, monotonicMs, wallMs } from '../../runtime/clock.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

test.serial('an hour of timers passes in their order, in no time', async t => {
  const clock = new VirtualClock()
  const giveBack = clock.install()
  const began = wallMs()
  const seen: string[] = []
  after(3_000_000, () => seen.push(`fifty minutes: ${monotonicMs()}`))
  after(10, () => seen.push('first of two at the same time'))
  after(10, () => seen.push('second of two at the same time'))
  const cancel = every(1_000_000, () => seen.push(`again: ${monotonicMs()}`))
  const never = after(20, () => seen.push('cancelled'))
  never()
  await clock.advance(3_600_000)
  cancel()
  await clock.advance(3_600_000)
  giveBack()
  t.deepEqual(seen, [
    'first of two at the same time',
    'second of two at the same time',
    'again: 1000000',
    'again: 2000000',
    'fifty minutes: 3000000',
    'again: 3000000',
  ])
  t.true(wallMs() - began > 3_600_000, 'the system clock is back')
})

test.serial('what a timer sets off by promises is done before the next timer', async t => {
  const clock = new VirtualClock()
  const giveBack = clock.install()
  const seen: string[] = []
  after(1, () => {
    void (async () => {
      for (let i = 0; i < 5; i++) await undefined
      seen.push('the end of a chain of promises')
      after(0, () => seen.push('and a timer that it set'))
    })()
  })
  after(2, () => seen.push('a later timer'))
  await clock.advance(5)
  giveBack()
  t.deepEqual(seen, ['the end of a chain of promises', 'and a timer that it set', 'a later timer'])
})

test.serial('deadlines run on it too', async t => {
  const clock = new VirtualClock()
  const giveBack = clock.install()
  let expired = 0
  const deadline = new Deadline(10_000, () => expired++)
  deadline.touch()
  await clock.advance(9_000)
  deadline.touch()
  await clock.advance(9_000)
  t.is(expired, 0)
  await clock.advance(3_000)
  giveBack()
  t.is(expired, 1)
})
