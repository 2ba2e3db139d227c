/** Actors on other threads, over real worker threads: the same promises as on one's own. */

import test, { type ExecutionContext } from 'ava'
import { kernel } from '../../../actors/kernel/actor.ts'
import type { DeadLetter } from '../../../actors/kernel/dead-letters.ts'
import type { ActorRef, Terminated } from '../../../actors/kernel/ref.ts'
import { RemoteActors } from '../../../actors/kernel/remote.ts'
import { turn } from '../../../runtime/turn.ts'
import { Occurrences } from '../../support/occurrences.ts'
import { type TestThread, TestThreads } from '../../support/threads.ts'

const fixture = new URL('./fixtures/remote-actors.ts', import.meta.url)
const longMs = 60_000

interface Side {
  readonly threads: TestThreads
  readonly remote: RemoteActors
  readonly thread: TestThread
  readonly worker: ActorRef<unknown>
}

async function begin(t: ExecutionContext): Promise<Side> {
  const threads = new TestThreads(t)
  const { mesh } = threads
  const remote = new RemoteActors(mesh)
  mesh.onItems((from, _life, items) => {
    for (const item of items) remote.receive(from, item as readonly unknown[])
  })
  mesh.onPeer((thread, _life, state) => {
    if (state === 'down') remote.lost(thread)
  })
  const thread = await startThread(threads)
  return { threads, remote, thread, worker: await remote.find(1, 'worker', longMs) }
}

async function startThread(threads: TestThreads, life = 1): Promise<TestThread> {
  const thread = threads.start(1, fixture, life)
  await thread.said.next(said => said === 'ready')
  return thread
}

/** The next thing that an actor over there was told. */
const told = async (thread: TestThread): Promise<unknown> =>
  ((await thread.said.next(said => Object.hasOwn(said as object, 'told'))) as { told: unknown }).told

const deadLetter = async (thread: TestThread): Promise<unknown> =>
  ((await thread.said.next(said => Object.hasOwn(said as object, 'deadLetter'))) as { deadLetter: unknown })
    .deadLetter

test('tells arrive in order, whether they were sent in one turn or in many', async t => {
  const { thread, worker } = await begin(t)
  turn.begin(null)
  for (let i = 0; i < 100; i++) worker.tell(i)
  turn.end()
  for (let i = 100; i < 200; i++) worker.tell(i)
  for (let i = 0; i < 200; i++) t.is(await told(thread), i)
})

test('an ask is answered; what cannot be sent is left out or refused', async t => {
  const { worker } = await begin(t)
  t.deepEqual(await worker.ask({ what: 'echo', value: { deep: [1, 'ü', null, true] } }, longMs), {
    deep: [1, 'ü', null, true],
  })
  t.is(await worker.ask({ what: 'echo' }, longMs), undefined)
  t.deepEqual(await worker.ask({ what: 'function' }, longMs), { f: undefined, s: undefined, kept: 1 })
  await t.throwsAsync(worker.ask({ what: 'cycle' }, longMs), {
    code: 'RuntimeError',
    message: /refers to itself/,
  })
})

test('a message that cannot be sent harms nothing else of its turn', async t => {
  const { thread, worker } = await begin(t)
  const loop: { self?: unknown } = {}
  loop.self = loop
  const before = kernel.deadLetters.count
  turn.begin(null)
  worker.tell('before')
  worker.tell(loop)
  worker.tell(2n ** 70n)
  worker.tell('after')
  turn.end()
  t.is(kernel.deadLetters.count, before + 2)
  t.is(await told(thread), 'before')
  t.is(await told(thread), 'after')
  await t.throwsAsync(worker.ask(loop, longMs), { code: 'RuntimeError' })
})

test('what is changed after it was sent arrives as it was', async t => {
  const { thread, worker } = await begin(t)
  const message = { list: [1], bytes: new Uint8Array([1, 2]) }
  turn.begin(null)
  worker.tell(message)
  message.list.push(2)
  message.bytes[0] = 9
  turn.end()
  const arrived = (await told(thread)) as typeof message
  t.deepEqual(arrived.list, [1])
  t.deepEqual([...arrived.bytes], [1, 2])
})

test('an ask is rejected with what the actor refused it with, or threw', async t => {
  const { worker } = await begin(t)
  await t.throwsAsync(worker.ask({ what: 'refuse' }, longMs), { code: 'Unauthorized', message: /not you/ })
  await t.throwsAsync(worker.ask({ what: 'throw' }, longMs), { code: 'RuntimeError', message: /a bug/ })
})

test('an ask without an answer is rejected at its deadline, and its watch is taken back', async t => {
  const { worker } = await begin(t)
  await t.throwsAsync(worker.ask({ what: 'nothing' }, 1), { code: 'AskTimeout', message: /thread-1\/worker/ })
  // One watch is that of the name; this question has one as well.
  t.is(await worker.ask({ what: 'watchers' }, longMs), 2)
})

test('an ask to an actor that stops before it replies is rejected then, not at the deadline', async t => {
  const { worker } = await begin(t)
  await t.throwsAsync(worker.ask({ what: 'stop' }, longMs), { code: 'DeadLetter' })
})

test('find rejects for a name that nobody has, and for a thread that is not there', async t => {
  const { remote } = await begin(t)
  await t.throwsAsync(remote.find(1, 'nobody', longMs), { code: 'DeadLetter', message: /nobody/ })
  await t.throwsAsync(remote.find(7, 'worker', longMs), { code: 'DeadLetter', message: /thread 7/ })
})

test('stop stops it, and its watchers are told; later messages are dead letters over there', async t => {
  const { thread, worker } = await begin(t)
  const ended = new Occurrences<Terminated>()
  worker.watch(terminated => ended.add(terminated))
  worker.stop()
  t.deepEqual(await ended.next(), { path: worker.path, incarnation: worker.incarnation, fault: undefined })
  worker.tell('late')
  t.deepEqual(await deadLetter(thread), {
    to: `worker#${worker.incarnation}`,
    reason: 'stopped',
    message: 'late',
  })
  await t.throwsAsync(worker.ask({ what: 'echo' }, longMs), { code: 'DeadLetter' })
  worker.watch(terminated => ended.add(terminated))
  t.is((await ended.next()).path, worker.path)
})

test('a watcher is told the fault of an actor that failed', async t => {
  const { worker } = await begin(t)
  const ended = new Occurrences<Terminated>()
  worker.watch(terminated => ended.add(terminated))
  const end = worker.watch(() => t.fail('this watch was taken back'))
  end()
  worker.tell('fail')
  const { fault } = await ended.next()
  t.is(fault?.code, 'RuntimeError')
  t.regex(fault?.message ?? '', /told to fail/)
})

test('a thread that dies rejects the asks to its actors and tells those who watch them', async t => {
  const { worker, thread } = await begin(t)
  const ended = new Occurrences<Terminated>()
  worker.watch(terminated => ended.add(terminated))
  const asked = worker.ask({ what: 'nothing' }, longMs)
  await thread.kill()
  await t.throwsAsync(asked, { code: 'ThreadDied' })
  t.is((await ended.next()).fault?.code, 'ThreadDied')
})

test('a ref to an actor of a dead thread never leads to the one that took its place', async t => {
  const { threads, remote, worker, thread } = await begin(t)
  await thread.kill()
  const next = await startThread(threads, 2)
  const successor = await remote.find<unknown>(1, 'worker', longMs)
  // The new thread counts its actors from 1 again, so the number alone would not tell them apart.
  t.is(successor.incarnation, worker.incarnation)
  const letters: DeadLetter[] = []
  t.teardown(kernel.deadLetters.subscribe(letter => letters.push(letter)))
  worker.tell('for the dead')
  successor.tell('for the living')
  t.is(await told(next), 'for the living')
  t.like(letters, [{ to: 'thread-1/worker', reason: 'stopped', message: 'for the dead' }])
  await t.throwsAsync(worker.ask({ what: 'echo' }, longMs), { code: 'DeadLetter' })
  const ended = new Occurrences<Terminated>()
  worker.watch(terminated => ended.add(terminated))
  t.is((await ended.next()).fault?.code, 'ThreadDied')
  worker.stop()
  t.is(await successor.ask({ what: 'echo', value: 'alive' }, longMs), 'alive')
})
