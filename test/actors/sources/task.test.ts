/** task: ticks, one at a time, each a session of its own. */

import test from 'ava'
import { sluice } from '../../../actors/index.ts'
import { type Event, StreamEnd } from '../../../runtime/event.ts'
import { Occurrences } from '../../support/occurrences.ts'
import { showEvent } from '../../support/pipeline-harness.ts'
import { runScript } from '../../support/run-script.ts'

/** Intervals let the process end: a test that waits for one keeps it up. */
const keepUp = setInterval(() => {}, 1000)
test.after(() => clearInterval(keepUp))

test('a task without an interval runs once, at the start: an empty message', async t => {
  const seen: string[] = []
  const { host } = await runScript(
    t,
    sluice()
      .task()
      .handle(event => void seen.push(showEvent(event as Event))),
  )
  t.deepEqual(seen, ['S', 'E'])
  t.true(host.hasSources)
})

test('a task with an interval runs at once and then again, each time in a session of its own', async t => {
  const ticks = new Occurrences<number>()
  await runScript(
    t,
    sluice({ n: 0 })
      .task('10ms')
      .handleMessage((_message, ctx) => ticks.add(++ctx.n))
      .replaceMessage(() => new StreamEnd()),
  )
  t.deepEqual(ticks.seen, [1])
  await ticks.next()
  await ticks.next()
  t.is(await ticks.next(), 1)
})

test('a tick is left out while the session of the one before has not ended', async t => {
  const ticks = new Occurrences<number>()
  const first = Promise.withResolvers<void>()
  let count = 0
  await runScript(
    t,
    sluice()
      .task('10ms')
      .handleMessage(() => {
        ticks.add(++count)
        return count === 1 ? first.promise : undefined
      })
      .replaceMessage(() => new StreamEnd()),
  )
  const other = new Occurrences<number>()
  // Another task with the same interval tells that the time has passed.
  await runScript(
    t,
    sluice()
      .task('10ms')
      .handleMessage(() => other.add(1))
      .replaceMessage(() => new StreamEnd()),
  )
  for (let i = 0; i < 5; i++) await other.next()
  t.deepEqual(ticks.seen, [1])
  first.resolve()
  await ticks.next(tick => tick === 2)
  t.pass()
})

test('a session that fails has ended: the next tick comes', async t => {
  const ticks = new Occurrences<number>()
  let count = 0
  const { logs } = await runScript(
    t,
    sluice()
      .task('10ms')
      .handleMessage(() => {
        ticks.add(++count)
        throw new Error('a bug')
      }),
  )
  await ticks.next(tick => tick === 3)
  t.true(logs.length >= 2)
  t.regex(logs[0]?.message ?? '', /a bug/)
})

test('a task that is stopped ticks no more', async t => {
  const ticks = new Occurrences<number>()
  const { host } = await runScript(
    t,
    sluice()
      .task('10ms')
      .handleMessage(() => ticks.add(1))
      .replaceMessage(() => new StreamEnd()),
  )
  host.stop()
  const seen = ticks.seen.length
  const other = new Occurrences<number>()
  await runScript(
    t,
    sluice()
      .task('10ms')
      .handleMessage(() => other.add(1))
      .replaceMessage(() => new StreamEnd()),
  )
  for (let i = 0; i < 3; i++) await other.next()
  t.is(ticks.seen.length, seen)
})

test('a drain waits for what a tick has under way', async t => {
  const work = Promise.withResolvers<void>()
  const done: string[] = []
  const { host } = await runScript(
    t,
    sluice()
      .task()
      .replaceMessage(() => work.promise)
      .handleStreamEnd(() => void done.push('end')),
  )
  const drained = host.drain(60_000).then(() => done.push('drained'))
  await Promise.resolve()
  t.deepEqual(done, [])
  work.resolve()
  await drained
  t.deepEqual(done, ['end', 'drained'])
})

test('a task that never ends its sessions by itself does not hold a drain up', async t => {
  for (const interval of [undefined, '1h'] as const) {
    const seen: string[] = []
    const { host } = await runScript(
      t,
      sluice()
        .task(interval)
        .handle(event => void seen.push(showEvent(event as Event))),
    )
    await host.drain(60_000)
    t.is(host.status().sessions, 0)
    t.deepEqual(seen, interval === undefined ? ['S', 'E', 'X'] : ['S', 'E', 'X', 'S', 'E', 'X'])
  }
})
