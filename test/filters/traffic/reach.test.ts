import ava from 'ava'
import { Reach } from '../../../actors/filters/traffic/reach.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

// One after the other: there is one clock.
const test = ava.serial

test('a mirror that stays away rests for longer and longer, and for a second again once it has answered', async t => {
  const clock = new VirtualClock()
  t.teardown(clock.install())
  await clock.advance(1)
  const reach = new Reach(true)
  t.false(reach.isResting)
  const rest = async (): Promise<number> => {
    reach.failed('ConnectionRefused')
    // So do the others that were under way.
    reach.failed('ConnectionRefused')
    let ms = 0
    for (; reach.isResting; ms += 100) await clock.advance(100)
    return ms
  }
  t.deepEqual(
    [await rest(), await rest(), await rest(), await rest(), await rest()],
    [1000, 2000, 4000, 8000, 8000],
  )
  reach.answered()
  t.is(await rest(), 1000)
})

test('what is no matter of reaching it, or of one of several mirrors, is no reason to rest', async t => {
  const clock = new VirtualClock()
  t.teardown(clock.install())
  await clock.advance(1)
  const one = new Reach(true)
  for (const code of ['', 'ReadTimeout', 'ConnectionReset']) one.failed(code)
  t.false(one.isResting)
  const several = new Reach(false)
  several.failed('ConnectionRefused')
  t.false(several.isResting)
})
