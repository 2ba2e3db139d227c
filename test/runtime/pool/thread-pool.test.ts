import test, { type ExecutionContext } from 'ava'
import { monotonicMs } from '../../../runtime/clock.ts'
import type { FaultRecord } from '../../../runtime/errors.ts'
import { type PoolThread, ThreadPool } from '../../../runtime/pool/thread-pool.ts'
import { Occurrences } from '../../support/occurrences.ts'

interface Occurrence {
  readonly kind: 'starting' | 'hello' | 'died'
  readonly thread: PoolThread
  readonly reason?: FaultRecord
  readonly restartMs?: number | undefined
  readonly atMs: number
}

const makePool = (
  t: ExecutionContext,
  slots: number,
  options: { deadly?: number; maxHeapMb?: number; host?: string } = {},
) => {
  const events = new Occurrences<Occurrence>()
  const add = (event: Omit<Occurrence, 'atMs'>): void => events.add({ ...event, atMs: monotonicMs() })
  const pool = new ThreadPool({
    slots,
    module: new URL(`./fixtures/${options.host ?? 'obedient'}-host.ts`, import.meta.url),
    data: () => ({ deadly: options.deadly ?? 0 }),
    maxHeapMb: options.maxHeapMb,
    listener: {
      starting(thread) {
        add({ kind: 'starting', thread })
        thread.port.on('message', () => {
          pool.confirmReady(thread)
          add({ kind: 'hello', thread })
        })
      },
      died: (thread, reason, restartMs) => add({ kind: 'died', thread, reason, restartMs }),
    },
  })
  const stop = async (): Promise<void> => {
    pool.expectEnd()
    for (const thread of pool.threads) thread.port.postMessage('stop')
    await pool.close(2000)
  }
  t.teardown(stop)
  return { pool, events, stop }
}

const hello = (event: Occurrence): boolean => event.kind === 'hello'
const died = (event: Occurrence): boolean => event.kind === 'died'
/** When it was begun: how long it takes from there to its first word is the machine's. */
const startOf = ({ seen }: Occurrences<Occurrence>, thread: PoolThread): number =>
  seen.find(event => event.kind === 'starting' && event.thread === thread)?.atMs ?? Number.NaN

test('every slot gets a thread, and all end when told', async t => {
  const { pool, events, stop } = makePool(t, 3)
  pool.start()
  const slots = [await events.next(hello), await events.next(hello), await events.next(hello)].map(
    event => event.thread.slot,
  )
  t.deepEqual(slots.sort(), [0, 1, 2])
  await stop()
  await stop()
  t.is(pool.threads.length, 0)
  t.false(events.seen.some(died))
})

for (const [order, reason] of [
  ['crash', /boom/],
  ['exit', /exited with code 7/],
] as const) {
  test(`a thread that ends by ${order} is replaced at once, and the other is not touched`, async t => {
    const { pool, events } = makePool(t, 2)
    pool.start()
    const first = (await events.next(hello)).thread
    const other = (await events.next(hello)).thread
    first.port.postMessage(order)
    const death = await events.next(died)
    t.is(death.thread, first)
    t.is(death.reason?.code, 'ThreadDied')
    t.regex(death.reason?.message ?? '', reason)
    t.is(death.restartMs, 0)
    const next = await events.next(hello)
    t.is(next.thread.slot, first.slot)
    t.is(next.thread.incarnation, 2)
    t.true(startOf(events, next.thread) - death.atMs < 1000)
    t.true(pool.threads.includes(other))
    t.is(pool.restarts, 1)
  })
}

test('a thread that runs out of heap dies alone, with that as the reason', async t => {
  const { pool, events } = makePool(t, 2, { maxHeapMb: 16 })
  pool.start()
  const first = (await events.next(hello)).thread
  await events.next(hello)
  first.port.postMessage('hoard')
  const death = await events.next(died)
  t.is(death.thread, first)
  t.regex(death.reason?.message ?? '', /out of its heap of 16 MB/)
  const next = await events.next(hello)
  t.is(next.thread.slot, first.slot)
  t.true(startOf(events, next.thread) - death.atMs < 1000)
})

test('a thread that dies while starting is tried again after longer and longer waits', async t => {
  const { pool, events } = makePool(t, 1, { deadly: 3 })
  pool.start()
  const waits = [await events.next(died), await events.next(died), await events.next(died)].map(
    event => event.restartMs,
  )
  t.deepEqual(waits, [100, 200, 400])
  t.regex(events.seen.find(died)?.reason?.message ?? '', /no life for incarnation 1/)
  t.is((await events.next(hello)).thread.incarnation, 4)
})

for (const [host, reason] of [
  ['stillborn', /exited with code 3/],
  ['unloadable', /this module does not load/],
] as const) {
  test(`the death of an ${host} thread is told and it is tried again, though Piscina would not`, async t => {
    const { pool, events } = makePool(t, 1, { host })
    pool.start()
    for (const wait of [100, 200, 400]) {
      const death = await events.next(died)
      t.is(death.restartMs, wait)
      t.regex(death.reason?.message ?? '', reason)
    }
  })
}

test('a thread that hangs can be replaced, and does not hold up the end', async t => {
  const { pool, events } = makePool(t, 1)
  pool.start()
  const { thread } = await events.next(hello)
  thread.port.postMessage('spin')
  pool.replace(thread, 'it does not answer')
  t.regex((await events.next(died)).reason?.message ?? '', /it does not answer/)
  const next = await events.next(hello)
  next.thread.port.postMessage('spin')
  await pool.close(100)
  t.is(pool.threads.length, 0)
})
