/** Who has a shard: one at a time, whatever becomes of him. */

import test, { type ExecutionContext } from 'ava'
import { Leases } from '../../../cluster/durable/leases.ts'
import type { Place } from '../../../cluster/membership/member.ts'
import { MemoryBroker } from '../../support/memory-bus.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const place = (node: string, life = 1): Place => ({ node, incarnation: `${node}${life}`, thread: 0, life: 1 })

function scene(t: ExecutionContext) {
  const clock = new VirtualClock()
  t.teardown(clock.install())
  const broker = new MemoryBroker(1)
  const there = new Set(['a1', 'b1'])
  let epochs = 0
  const leases = (): Leases =>
    new Leases({
      bus: broker.connect(),
      cluster: 'test',
      isThere: ({ incarnation }) => there.has(incarnation),
      nextEpoch: () => `e${++epochs}`,
      changed: () => {},
    })
  /** Lets what was promised come. */
  const given = async <T>(promise: Promise<T>): Promise<T> => {
    let isDone = false
    const done = promise.finally(() => {
      isDone = true
    })
    await clock.until(() => isDone, 20_000)
    return done
  }
  return { clock, there, leases, given }
}

test.serial('one has it, and the next when it was given back', async t => {
  const { leases, given } = scene(t)
  const [a, b] = [leases(), leases()]
  const lease = await given(a.take('log.0', place('a')))
  t.is(lease?.record.node, 'a')
  t.is(await given(b.take('log.0', place('b'))), undefined)
  await given(lease?.release() as Promise<void>)
  const next = await given(b.take('log.0', place('b')))
  t.like(next?.record, { node: 'b', deaths: 0, suspects: 0 })
})

test.serial('a holder that has died is followed after a moment, and his death is counted', async t => {
  const { clock, there, leases, given } = scene(t)
  const [a, b] = [leases(), leases()]
  const lease = await given(a.take('log.0', place('a')))
  there.delete('a1')
  t.is(await given(b.take('log.0', place('b'))), undefined, 'news of him may be on its way')
  await clock.advance(1_000)
  const next = await given(b.take('log.0', place('b')))
  t.like(next?.record, { node: 'b', deaths: 1 })
  await clock.advance(100)
  t.true(lease?.isLost)
  await t.notThrowsAsync(given(lease?.release() as Promise<void>))
  t.is(await given(leases().take('log.0', place('a', 2))), undefined, 'what he gives back late is not his')
})

test.serial('the next life of a holder follows him at once', async t => {
  const { there, leases, given } = scene(t)
  await given(leases().take('log.0', place('a')))
  there.delete('a1')
  there.add('a2')
  t.like((await given(leases().take('log.0', place('a', 2))))?.record, { incarnation: 'a2', deaths: 1 })
})

test.serial('what is known of suspects outlives a holder that leaves', async t => {
  const { leases, given } = scene(t)
  const lease = await given(leases().take('log.0', place('a')))
  await given(lease?.note({ suspects: 3 }) as Promise<void>)
  await given(lease?.release() as Promise<void>)
  t.like((await given(leases().take('log.0', place('b'))))?.record, { node: 'b', suspects: 3, deaths: 0 })
})
