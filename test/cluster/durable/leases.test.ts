/** Who has a shard: one at a time, whatever becomes of him. */

import { Buffer } from 'node:buffer'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { Leases } from '../../../cluster/durable/leases.ts'
import { leaseBucket } from '../../../cluster/durable/names.ts'
import type { Place } from '../../../cluster/membership/member.ts'
import { MemoryBroker } from '../../support/memory-bus.ts'
import { Occurrences } from '../../support/occurrences.ts'
import { type LogLine, recordingLog } from '../../support/recording-log.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const place = (node: string, life = 1): Place => ({ node, incarnation: `${node}${life}`, thread: 0, life: 1 })

function scene(t: ExecutionContext) {
  const clock = new VirtualClock()
  t.teardown(clock.install())
  const broker = new MemoryBroker(1)
  const there = new Set(['a1', 'b1'])
  const logs = new Occurrences<LogLine>()
  const log = recordingLog(logs)
  let epochs = 0
  const leases = (): Leases =>
    new Leases({
      bus: broker.connect(),
      log,
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
  /** Overwrites an entry, as whoever may write to the bucket can. */
  const overwrite = async (key: string, value: Uint8Array): Promise<void> => {
    const bucket = await given(broker.connect().bucket(leaseBucket('test')))
    await given(bucket.put(key, value))
  }
  return { clock, broker, logs, there, leases, given, overwrite }
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

test.serial('an entry that is no lease keeps nobody from its shard, and is told once', async t => {
  const { logs, leases, given, overwrite } = scene(t)
  await overwrite('log.0', Buffer.from('not a lease'))
  const hosts = [leases(), leases()]
  const taken = await given(Promise.all(hosts.map(each => each.take('log.0', place('a')))))
  t.is(taken.filter(lease => lease !== undefined).length, 1)
  t.is(await given(leases().take('log.0', place('b'))), undefined, 'one has it now')
  t.deepEqual(
    logs.seen.map(({ level, code, source }) => ({ level, code, source })),
    [{ level: 'warn', code: 'LeaseUnreadable', source: 'cluster' }],
  )
  t.true(logs.seen[0]?.message.includes("'log.0'"))
})

test.serial('a holder whose entry was overwritten has lost it, and can have it again', async t => {
  const { clock, leases, given, overwrite } = scene(t)
  const host = leases()
  const lease = await given(host.take('log.0', place('a')))
  await overwrite('log.0', Buffer.from('[]'))
  t.true(await clock.until(() => lease?.isLost === true, 5_000))
  await t.notThrowsAsync(given(lease?.release() as Promise<void>))
  t.like((await given(host.take('log.0', place('a'))))?.record, { node: 'a', deaths: 0, suspects: 0 })
})

const number = fc.oneof(fc.constantFrom(0, 1, -1, 0.5, 1e308), fc.double(), fc.jsonValue())
const nearlyLease = fc.record(
  {
    node: fc.oneof(fc.constantFrom('a', 'b'), fc.jsonValue()),
    incarnation: fc.oneof(fc.constantFrom('gone', 'b0'), fc.jsonValue()),
    epoch: fc.oneof(fc.string(), fc.jsonValue()),
    ...{ thread: number, life: number, deaths: number, suspects: number },
    at: fc.oneof(fc.record({ sequence: number, index: number, tries: number }), fc.jsonValue()),
    isVacant: fc.oneof(fc.boolean(), fc.jsonValue()),
  },
  { requiredKeys: [] },
)
const anything = fc.oneof(
  fc.uint8Array(),
  fc.jsonValue().map(each => Buffer.from(JSON.stringify(each))),
  nearlyLease.map(each => Buffer.from(JSON.stringify(each))),
)

test.serial(
  'whatever stands in an entry, a host gets the shard, and what it hands on can be counted',
  async t => {
    const { clock, broker, leases, given } = scene(t)
    const bucket = await given(broker.connect().bucket(leaseBucket('test')))
    const [host, next] = [leases(), leases()]
    let shard = 0
    await fc.assert(
      fc.asyncProperty(anything, async bytes => {
        const key = `log.${shard++}`
        await given(bucket.put(key, bytes))
        let lease = await given(host.take(key, place('a')))
        if (lease === undefined) {
          // It names one of whom nothing is known, who may have joined a moment ago.
          await clock.advance(1_000)
          lease = await given(host.take(key, place('a')))
        }
        const { deaths = -1, suspects = -1, at } = lease?.record ?? {}
        for (const count of [deaths, suspects, ...(at ? [at.sequence, at.index, at.tries] : [])])
          t.true(Number.isSafeInteger(count) && count >= 0)
        t.is(await given(next.take(key, place('b'))), undefined)
      }),
      { numRuns: 300 },
    )
  },
)
