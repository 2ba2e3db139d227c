/** How long to wait before something is tried again. */

import test from 'ava'
import { doubled, jittered, RetryDelay } from '../../runtime/retry-delay.ts'

test('pauses double up to the longest, and begin anew after a success', t => {
  const delay = new RetryDelay(100, 5000)
  for (const ms of [100, 200, 400, 800, 1600, 3200, 5000, 5000]) t.is(delay.next(), ms)
  delay.reset()
  t.is(delay.next(), 100)
})

test('after any number of failures the pause is a number of milliseconds that a timer can take', t => {
  t.is(doubled(100, 5000, 100_000), 5000)
  t.is(doubled(100, 50, 0), 50)
})

test('jitter leaves between half of a pause and the whole', t => {
  const some = Array.from({ length: 1000 }, () => jittered(1000))
  t.true(some.every(ms => ms >= 500 && ms <= 1000))
  t.true(new Set(some).size > 100)
})
