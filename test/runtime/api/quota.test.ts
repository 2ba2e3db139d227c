/** Quotas: how much may be used, by time, by hand and over threads. */

import { Worker } from 'node:worker_threads'
import test from 'ava'
import fc from 'fast-check'
import { Quota } from '../../../runtime/api/algo/quota.ts'
import { Data } from '../../../runtime/data.ts'
import { SharedCells, sharedCells } from '../../../runtime/shared-cells.ts'

/** A clock that stands still until it is told to go on. */
const clock = { ms: 1000 }
process.hrtime.bigint = () => BigInt(Math.round(clock.ms * 1000)) * 1000n

let keys = 0
const steps = fc.array(fc.tuple(fc.nat(400), fc.nat(30)), { minLength: 1, maxLength: 60 })

for (const kind of ['of one thread', 'of all threads'] as const) {
  const key = (): { key?: string } => (kind === 'of one thread' ? {} : { key: `key ${++keys}` })

  test.serial(`a quota ${kind} never lets more through than its rate, and all of it in the end`, t => {
    fc.assert(
      fc.property(
        fc.nat(20),
        fc.nat(20),
        fc.integer({ min: 1, max: 500 }),
        steps,
        (initial, produce, per, uses) => {
          const startMs = clock.ms
          const quota = new Quota(initial, {
            produce,
            per: `${per}ms`,
            max: Math.max(initial, produce),
            ...key(),
          })
          t.is(quota.current, initial)
          let used = 0
          for (const [ms, amount] of uses) {
            clock.ms += ms
            const got = quota.consume(amount)
            t.true(got >= 0 && got <= amount)
            used += got
            t.true(used <= initial + produce * Math.floor((clock.ms - startMs) / per))
          }
          clock.ms += per
          if (produce > 0) t.true(quota.current >= produce)
        },
      ),
    )
  })

  test.serial(`a quota ${kind} is refilled to its limit, by time and by hand`, t => {
    const quota = new Quota(10, { per: 1, ...key() })
    t.is(quota.consume(4), 4)
    t.is(quota.consume(40), 6)
    t.is(quota.consume(1), 0)
    clock.ms += 999
    t.is(quota.current, 0)
    quota.produce(3)
    t.is(quota.current, 3)
    clock.ms += 1
    t.is(quota.current, 10)
    clock.ms += 10_000
    t.is(quota.consume(11), 10)
    quota.reset()
    t.is(quota.current, 10)
    const byHand = new Quota(0, key())
    byHand.produce(1e12)
    clock.ms += 1e6
    t.is(byHand.consume(2e12), 1e12)
  })
}

test.serial('who waits for a quota is told once there is something', async t => {
  const quota = new Quota(1)
  quota.consume(1)
  let told = 0
  const calledOff = quota.whenProduced(() => t.fail())
  quota.whenProduced(() => told++)
  calledOff()
  quota.produce(0)
  t.is(told, 0)
  quota.produce(1)
  quota.produce(1)
  t.is(told, 1)
  const timed = new Quota(1, { per: '1s' })
  timed.consume(1)
  clock.ms += 1000
  await new Promise<void>(resolve => void timed.whenProduced(resolve))
  t.is(timed.current, 1)
})

test.serial('two quotas of one key are one', t => {
  const [one, other] = [new Quota(5, { key: 'shared' }), new Quota(5, { key: 'shared' })]
  t.is(one.consume(3), 3)
  t.is(other.consume(3), 2)
  t.is(new Quota(5, { key: 'another' }).consume(3), 3)
})

test.serial('threads that use one quota at the same time get no more than there is', async t => {
  const memory = SharedCells.allocate()
  sharedCells.attach(memory)
  const total = 50_000
  const quota = new Quota(total, { key: 'threads' })
  const module = new URL('../../../runtime', import.meta.url).href
  const source = `
    import { parentPort, workerData } from 'node:worker_threads'
    const { sharedCells } = await import('${module}/shared-cells.ts')
    const { Quota } = await import('${module}/api/algo/quota.ts')
    sharedCells.attach(workerData)
    const quota = new Quota(${total}, { key: 'threads' })
    let used = 0
    for (let got = 1; got > 0; used += got) got = quota.consume(3)
    parentPort.postMessage(used)`
  const used = await Promise.all(
    [1, 2, 3].map(
      () =>
        new Promise<number>((resolve, reject) => {
          new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), { workerData: memory })
            .once('message', resolve)
            .once('error', reject)
        }),
    ),
  )
  t.is(
    used.reduce((sum, one) => sum + one, 0),
    total,
  )
  t.is(quota.current, 0)
})

test.serial('what cannot be a quota is refused', t => {
  t.throws(() => new Quota(-1), { message: /got -1/ })
  t.throws(() => new Quota('x' as never), { message: /got "x"/ })
  t.throws(() => new Quota(1, { pre: 1 } as never), { message: /did you mean 'per'/ })
  const cells = new SharedCells()
  for (let i = 1; i <= 4096; i++) cells.find(i)
  t.throws(() => cells.find(5000), { code: 'Overloaded' })
})

test('numbers of 32 bits go in and out of Data', t => {
  fc.assert(
    fc.property(fc.nat(0xffff_ffff), value => {
      const data = new Data('x').pushUInt32BE(value)
      t.is(data.size, 5)
      data.shift(1)
      t.is(data.shiftUInt32BE(), value)
      t.is(data.size, 0)
    }),
  )
  t.is(new Data([1]).shiftUInt32BE(), 0x0100_0000)
})
