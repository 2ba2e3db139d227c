/** algo.Quota with `cluster`: threads of several nodes share one, over a real nats-server. */

import ava, { type ExecutionContext } from 'ava'
import { BucketLessor, quotaBucket } from '../../../cluster/quota/lessor.ts'
import type { TokenRecord } from '../../../cluster/quota/token-records.ts'
import { Quota, type QuotaOptions } from '../../../runtime/api/algo/quota.ts'
import { monotonicMs, wallMs } from '../../../runtime/clock.ts'
import { allWarm, tokenLessor } from '../../../runtime/token-lessor.ts'
import { connectBus, type NatsServer, startNatsServer } from '../../support/nats-server.ts'

const test = ava.serial

const settle = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

/** The quota as `count` threads of different nodes have it. */
async function quotasOn(
  t: ExecutionContext,
  server: NatsServer,
  count: number,
  initial: number,
  options: QuotaOptions,
): Promise<Quota[]> {
  const quotas: Quota[] = []
  for (let i = 0; i < count; i++) {
    tokenLessor.current = new BucketLessor(await connectBus(t, server.url), 'test', `node-${i}/0`, 1)
    quotas.push(new Quota(initial, options))
  }
  tokenLessor.current = undefined
  await allWarm(5000)
  return quotas
}

/** Looks until something holds; the test's own time limit bounds it. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await settle()
}

/** For so long, whatever the machine does meanwhile. */
async function during(ms: number, work: () => void): Promise<void> {
  const endMs = monotonicMs() + ms
  while (monotonicMs() < endMs) {
    work()
    await settle()
  }
}

test('all together use no more in any period than it has, and nearly all of that', async t => {
  const server = await startNatsServer(t)
  const [initial, perMs] = [400, 1_000]
  // Whom a busy machine lets wait for an answer has nothing, instead of a share of its own.
  const options = { cluster: 'busy', per: `${perMs}ms`, offline: 'none' } as const
  const quotas = await quotasOn(t, server, 4, initial, options)
  const bucket = await (await connectBus(t, server.url)).bucket(quotaBucket('test'))
  const record = async (): Promise<TokenRecord> => {
    const entry = await bucket.get('n.busy')
    return JSON.parse(Buffer.from(entry?.value as Uint8Array).toString())
  }
  const uses: [fromMs: number, untilMs: number, amount: number][] = []
  const used = quotas.map(() => 0)
  const use = (): void => {
    for (const [i, quota] of quotas.entries()) {
      const fromMs = wallMs()
      const got = quota.consume(3)
      used[i] = (used[i] as number) + got
      if (got > 0) uses.push([fromMs, wallMs(), got])
    }
  }
  /** What was used in each period. A use during which the machine stood still may belong to another. */
  const sums = async (): Promise<number[]> => {
    const { sinceMs } = await record()
    const periodOf = (atMs: number): number => Math.floor((atMs - sinceMs) / perMs)
    const sure = uses.filter(([fromMs, untilMs]) => periodOf(fromMs) === periodOf(untilMs))
    const byPeriod = Map.groupBy(sure, ([fromMs]) => periodOf(fromMs))
    return [...byPeriod.values()].map(each => each.reduce((sum, [, , amount]) => sum + amount, 0))
  }
  // A busy machine may not get round to asking for all in each.
  do await during(3 * perMs, use)
  while (Math.max(...(await sums())) < initial * 0.9)
  for (const sum of await sums()) t.true(sum <= initial, `${await sums()}`)
  t.true(
    used.every(amount => amount > 0),
    `${used}`,
  )
  t.is(Object.keys((await record()).holders).length, 4)
})

test('the first who comes to a thread that was idle finds a token, and one who waits is woken', async t => {
  const server = await startNatsServer(t)
  const [a, b] = (await quotasOn(t, server, 2, 8, { cluster: 'idle', per: '100ms' })) as [Quota, Quota]
  await during(250, () => {})
  t.is(a.consume(1), 1)
  t.is(b.consume(1), 1)
  // Everything of a period is used up; with the next one there is something again.
  while (a.consume(8) + b.consume(8) > 0) await settle()
  await new Promise<void>(resolve => void a.whenProduced(resolve))
  t.true(a.current > 0)
})

test('a quota is what it was for the rest when a thread of it is gone, and for one that comes later', async t => {
  const server = await startNatsServer(t)
  const options = { cluster: 'logins', per: '1h' }
  const [a] = (await quotasOn(t, server, 1, 100, options)) as [Quota]
  let used = 0
  await until(() => {
    used += a.consume(1)
    return used >= 60
  })
  const [b] = (await quotasOn(t, server, 1, 100, options)) as [Quota]
  let more = 0
  // All but what the first had leased and not used: that is lost until the period is over.
  await until(() => {
    more += b.consume(1)
    return used + more >= 70
  })
  await during(500, () => {
    more += b.consume(1)
  })
  t.true(used + more <= 100, `${used} + ${more}`)
})

test('without the cluster a thread has its share, or nothing, as the option says', async t => {
  const server = await startNatsServer(t)
  const options = { per: '50ms' }
  const [shared] = (await quotasOn(t, server, 2, 100, { ...options, cluster: 'cut' })) as [Quota]
  const [strict] = (await quotasOn(t, server, 1, 100, {
    ...options,
    cluster: 'strict',
    offline: 'none',
  })) as [Quota]
  // A lease after the other's tells it that there are two; it was told when it has asked for a further one.
  const bucket = await (await connectBus(t, server.url)).bucket(quotaBucket('test'))
  const leasedMs = async (afterMs: number, node: string): Promise<number> => {
    while (true) {
      shared.consume(1)
      await settle()
      const entry = await bucket.get('n.cut')
      if (entry?.value === undefined) continue
      const { holders } = JSON.parse(Buffer.from(entry.value).toString()) as TokenRecord
      const [seenMs = 0] = holders[`${node}/0`] ?? []
      if (seenMs > afterMs) return seenMs
    }
  }
  await leasedMs(await leasedMs(await leasedMs(0, 'node-1'), 'node-0'), 'node-0')
  await server.kill()
  // What both have leased before is good until its period is over.
  let idle = 0
  await until(() => {
    shared.consume(100)
    idle = strict.consume(100) === 0 ? idle + 1 : 0
    return idle >= 100
  })
  await during(200, () => {
    shared.consume(100)
    strict.consume(100)
  })
  const startMs = monotonicMs()
  let used = 0
  const use = (): void => {
    used += shared.consume(100)
    t.is(strict.consume(1), 0)
  }
  await during(400, use)
  // Half of the quota, in the periods of this time and what is left of one.
  const periods = (monotonicMs() - startMs) / 50 + 1
  t.true(used <= periods * 50, `${used} in ${periods} periods`)
  await until(() => {
    use()
    return used >= 50
  })
})

test('in a process that is in no cluster it is one for all threads, and it takes a period', t => {
  const a = new Quota(5, { cluster: 'alone', per: '1h' })
  const b = new Quota(5, { cluster: 'alone', per: '1h' })
  t.is(a.consume(3), 3)
  t.is(b.consume(3), 2)
  t.throws(() => new Quota(5, { cluster: 'alone' }), { message: /'cluster' of Quota goes with 'per'/ })
})

test('a name with any characters is a name, and a reset is one for all', async t => {
  const server = await startNatsServer(t)
  const [a, b] = (await quotasOn(t, server, 2, 10, { cluster: 'Tür an/der *', per: '1h' })) as [Quota, Quota]
  let used = 0
  await during(400, () => {
    used += a.consume(1) + b.consume(1)
  })
  t.true(used <= 10, `${used}`)
  b.reset()
  let again = 0
  await until(() => {
    again += b.consume(1)
    return again > 0
  })
  await during(300, () => {
    again += b.consume(1)
  })
  t.true(again <= 10, `${again}`)
})
