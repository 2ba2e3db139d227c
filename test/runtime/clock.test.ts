/** Timers and deadlines: when they fire, and that thousands of them are one timer. */

import anyTest from 'ava'
import { after, Deadline, every, monotonicMs, wallMs } from '../../runtime/clock.ts'

const test = anyTest.serial

/** Deadlines let the process end: a test that waits for one keeps it up. */
const keepUp = setInterval(() => {}, 1000)
test.after(() => clearInterval(keepUp))

const fired = (ms: number): Promise<number> => {
  const { promise, resolve } = Promise.withResolvers<number>()
  const start = monotonicMs()
  new Deadline(ms, () => resolve(monotonicMs() - start)).touch()
  return promise
}

test('a deadline fires when it is due or up to a second later, never before', async t => {
  const limits = [1, 300, 500, 501, 999]
  const took = await Promise.all(limits.map(fired))
  for (const [i, ms] of limits.entries()) {
    const late = (took[i] as number) - ms
    t.true(late >= -1 && late < 1000 + 250, `${ms} ms took ${took[i]} ms`)
  }
})

test('a deadline that is touched starts over; one that is cleared does not fire', async t => {
  let count = 0
  const touched = new Deadline(1, () => count++)
  const cleared = new Deadline(1, () => t.fail('it was cleared'))
  touched.touch()
  touched.touch()
  cleared.touch()
  cleared.clear()
  cleared.clear()
  await fired(1)
  t.is(count, 1, 'it fires once')
  await fired(1)
  t.is(count, 1)
  touched.touch()
  await fired(1)
  t.is(count, 2, 'and again when it is armed again')
})

test('deadlines that set and clear others while they fire are all kept track of', async t => {
  const log: string[] = []
  const victim = new Deadline(1, () => log.push('victim'))
  const again: Deadline = new Deadline(1, () => {
    log.push('again')
    if (log.filter(each => each === 'again').length < 2) again.touch()
  })
  const killer = new Deadline(1, () => {
    log.push('killer')
    victim.clear()
  })
  victim.touch()
  again.touch()
  // Deadlines are looked at from the last to the first: this one comes before its victim.
  killer.touch()
  const many = Array.from({ length: 100 }, (_, i) => new Deadline(1, () => log.push(`many-${i}`)))
  for (const each of many) each.touch()
  await fired(600)
  await fired(600)
  t.false(log.includes('victim'))
  t.is(log.filter(each => each === 'again').length, 2)
  t.is(log.filter(each => each.startsWith('many')).length, 100)
})

test('a deadline without end never fires, however often it is looked at', async t => {
  const never = new Deadline(Number.POSITIVE_INFINITY, () => t.fail('it has no end'))
  never.touch()
  await fired(1)
  never.clear()
  t.pass()
})

test('after runs once, unless it is cancelled', async t => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const cancel = after(1, () => t.fail('cancelled'))
  cancel()
  cancel()
  after(5, resolve)
  await promise
  t.pass()
})

test('after and every take times that are longer than a timer can be', async t => {
  const warnings: Error[] = []
  const warned = (warning: Error): void => void warnings.push(warning)
  process.on('warning', warned)
  const cancels = [
    after(30 * 86_400_000, () => t.fail('30 days are not over')),
    after(Number.POSITIVE_INFINITY, () => t.fail('it has no end')),
    every(30 * 86_400_000, () => t.fail('30 days are not over')),
  ]
  const { promise, resolve } = Promise.withResolvers<void>()
  after(20, resolve)
  await promise
  for (const cancel of cancels) cancel()
  process.off('warning', warned)
  t.deepEqual(warnings, [])
})

test('every repeats until it is cancelled', async t => {
  const { promise, resolve } = Promise.withResolvers<void>()
  let count = 0
  const cancel = every(1, () => {
    if (++count === 3) resolve()
  })
  await promise
  cancel()
  t.is(count, 3)
})

test('the clocks tell milliseconds', t => {
  t.true(Math.abs(wallMs() - Date.now()) < 1000)
  const before = monotonicMs()
  t.true(monotonicMs() >= before)
})
