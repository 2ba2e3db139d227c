/** Actors on other nodes, over a bus in memory that loses and repeats: the same promises as on other threads. */

import anyTest, { type ExecutionContext } from 'ava'
import { Ask, type Terminated } from '../../../actors/kernel/ref.ts'
import { RemoteActors } from '../../../actors/kernel/remote.ts'
import type { Bus } from '../../../cluster/bus/bus.ts'
import { KernelPosts } from '../../../cluster/kernels/kernel-posts.ts'
import type { Member } from '../../../cluster/membership/member.ts'
import { Placement } from '../../../cluster/placement/placement.ts'
import { noLog } from '../../../runtime/log.ts'
import { MemoryBroker } from '../../support/memory-bus.ts'
import { TestActor } from '../../support/test-actor.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

// One after the other: there is one clock.
const test = anyTest.serial

const member = (name: string, incarnation = `${name}-1`): Member => ({
  name,
  incarnation,
  wires: [1],
  pipelines: [],
  threads: [1],
  state: 'serving',
})

class Side {
  readonly placement = new Placement()
  readonly posts: KernelPosts
  readonly remote: RemoteActors
  readonly bus: Bus

  constructor(broker: MemoryBroker, name: string) {
    this.bus = broker.connect()
    this.posts = new KernelPosts({ bus: this.bus, cluster: 'test', placement: this.placement, log: noLog })
    this.remote = new RemoteActors(this.posts)
    this.posts.attach({
      receive: (from, item) => void this.remote.receive(from, item),
      lost: from => this.remote.lost(from),
    })
    this.posts.listenAs({ incarnation: `${name}-1`, thread: 0, life: 1 })
  }

  sees(...members: Member[]): void {
    this.placement.update(members)
    this.posts.placed()
  }
}

function begin(t: ExecutionContext) {
  const clock = new VirtualClock()
  t.teardown(clock.install())
  const broker = new MemoryBroker(7)
  const a = new Side(broker, 'a')
  const b = new Side(broker, 'b')
  t.teardown(() => {
    a.posts.stop()
    b.posts.stop()
    broker.close()
  })
  for (const side of [a, b]) side.sees(member('a'), member('b'))
  return { clock, broker, a, b }
}

/** What a promise gives, with as much virtual time as it needs. */
async function given<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  let isSettled = false
  const settle = (): void => {
    isSettled = true
  }
  promise.then(settle, settle)
  await clock.until(() => isSettled, 60_000)
  return promise
}

const echo = () =>
  new TestActor<unknown>('echo', message => {
    if (message instanceof Ask) message.reply({ you: message.message })
  })

test('an actor on another node is found by name, told in order, asked and stopped', async t => {
  const { clock, a, b } = begin(t)
  const actor = echo()
  b.remote.register('echo', actor)
  const ref = await given(clock, a.remote.find('b/0', 'echo', 1000))
  t.is(ref.path, 'b/0/echo')
  for (let i = 0; i < 10; i++) ref.tell(i)
  t.deepEqual(await given(clock, ref.ask('hello', 1000)), { you: 'hello' })
  t.deepEqual(actor.received.slice(0, 10), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  const ended: Terminated[] = []
  ref.watch(terminated => ended.push(terminated))
  await clock.advance(20)
  ref.stop()
  t.true(await clock.until(() => ended.length === 1, 1000))
  t.is(ended[0]?.fault, undefined)
  await t.throwsAsync(given(clock, ref.ask('anyone?', 1000)), { code: 'DeadLetter' })
})

test('what the bus loses or repeats is told once, in order, and so is the end of an actor', async t => {
  const { clock, broker, a, b } = begin(t)
  const actor = echo()
  b.remote.register('echo', actor)
  const ref = await given(clock, a.remote.find('b/0', 'echo', 1000))
  broker.setWeather({ dropRate: 0.4, duplicateRate: 0.4 })
  for (let i = 0; i < 200; i++) {
    ref.tell(i)
    await clock.advance(10)
  }
  const ended: Terminated[] = []
  ref.watch(terminated => ended.push(terminated))
  await clock.advance(20_000)
  t.deepEqual(
    actor.received,
    Array.from({ length: 200 }, (_, i) => i),
  )
  actor.stop()
  t.true(await clock.until(() => ended.length === 1, 30_000))
})

test('an ask has its deadline, also when nobody hears it', async t => {
  const { clock, broker, a, b } = begin(t)
  b.remote.register('echo', echo())
  const ref = await given(clock, a.remote.find('b/0', 'echo', 1000))
  broker.setWeather({ dropRate: 1 })
  await t.throwsAsync(given(clock, ref.ask('hello', 700)), { code: 'AskTimeout' })
  await t.throwsAsync(given(clock, a.remote.find('c/0', 'echo', 1000)), { code: 'DeadLetter' })
})

test('a node that dies is told to who watches its actors, and to who awaits an answer', async t => {
  const { clock, broker, a, b } = begin(t)
  b.remote.register('silent', new TestActor('silent'))
  const ref = await given(clock, a.remote.find('b/0', 'silent', 1000))
  const ended: Terminated[] = []
  ref.watch(terminated => ended.push(terminated))
  const asking = ref.ask('hello', 60_000)
  asking.catch(() => {})
  await clock.advance(50)
  broker.crash(b.bus)
  a.sees(member('a'))
  t.is(ended.length, 1)
  t.is(ended[0]?.fault?.code, 'ThreadDied')
  await t.throwsAsync(asking, { code: 'ThreadDied' })
  a.sees(member('a'), member('b', 'b-2'))
  ref.tell('late')
  await t.throwsAsync(given(clock, ref.ask('hello', 500)), { code: 'DeadLetter' })
})

test('two nodes of which one lost sight of the other begin anew, and nothing old is taken for new', async t => {
  const { clock, a, b } = begin(t)
  const actor = echo()
  b.remote.register('echo', actor)
  const ref = await given(clock, a.remote.find('b/0', 'echo', 1000))
  for (let i = 0; i < 5; i++) ref.tell(i)
  await clock.advance(50)
  a.sees(member('a'))
  a.sees(member('a'), member('b'))
  const again = await given(clock, a.remote.find('b/0', 'echo', 1000))
  for (let i = 5; i < 10; i++) again.tell(i)
  await clock.advance(50)
  t.deepEqual(actor.received, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
})
