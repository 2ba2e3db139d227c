/** Asks and death watch inside one thread: each question ends in exactly one of reply, fault, deadline, death. */

import test from 'ava'
import { mailboxLimits } from '../../../actors/kernel/actor.ts'
import { Ask } from '../../../actors/kernel/ref.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import { TestActor } from '../../support/test-actor.ts'

const longMs = 60_000

test('an ask is answered with what the actor replies', async t => {
  const actor = new TestActor<unknown>('double', ask => {
    if (ask instanceof Ask) ask.reply((ask.message as number) * 2)
  })
  t.is(await actor.ask(21, longMs), 42)
})

test('a reply may come later, from anywhere', async t => {
  const asks: Ask[] = []
  const actor = new TestActor<unknown>('later', ask => void asks.push(ask as Ask))
  const first = actor.ask('a', longMs)
  const second = actor.ask('b', longMs)
  asks[1]?.reply('second')
  asks[0]?.reply('first')
  asks[0]?.reply('too late to count')
  t.deepEqual(await Promise.all([first, second]), ['first', 'second'])
})

test('an ask that the actor refuses is rejected with its fault', async t => {
  const actor = new TestActor<unknown>('no', ask =>
    (ask as Ask).fail(new TrafficError('Unauthorized', 'not you')),
  )
  await t.throwsAsync(actor.ask('x', longMs), { code: 'Unauthorized', message: /not you/ })
})

test('an ask on which the actor throws is rejected with what it threw', async t => {
  const actor = new TestActor<unknown>('bad', () => {
    throw new Error('broken')
  })
  await t.throwsAsync(actor.ask('x', longMs), { code: 'RuntimeError', message: /broken/ })
})

test('an ask without a reply is rejected at its deadline, and leaves no watch behind', async t => {
  const actor = new TestActor<unknown>('silent')
  await t.throwsAsync(actor.ask('x', 1), { code: 'AskTimeout', message: /silent did not reply within 1 ms/ })
  t.is((actor as unknown as { watchers: Set<unknown> }).watchers.size, 0)
})

test('an ask to an actor that has stopped is rejected at once', async t => {
  const actor = new TestActor<unknown>('gone')
  actor.stop()
  await t.throwsAsync(actor.ask('x', longMs), { code: 'DeadLetter', message: /gone/ })
})

test('an ask to an actor that stops before it replies is rejected then', async t => {
  const actor = new TestActor<unknown>('leaving')
  const asked = actor.ask('x', longMs)
  actor.stop()
  await t.throwsAsync(asked, { code: 'DeadLetter', message: /leaving/ })
})

test('an ask that waits in the mailbox of an actor that stops is rejected', async t => {
  const asked: Promise<unknown>[] = []
  const actor = new TestActor<unknown>('busy', (message, self) => {
    if (message !== 'work') return
    asked.push(self.ask('question', longMs))
    self.stop()
  })
  actor.tell('work')
  await t.throwsAsync(Promise.all(asked), { code: 'DeadLetter' })
})

test('an ask that finds the mailbox full is told so', async t => {
  const asked: Promise<unknown>[] = []
  const actor = new TestActor<unknown>('flooded', (message, self) => {
    if (message !== 'work') return
    for (let i = 0; i < mailboxLimits.messages; i++) self.tell(i)
    asked.push(self.ask('question', longMs))
  })
  actor.tell('work')
  await t.throwsAsync(Promise.all(asked), { code: 'Overloaded', message: /mailbox of flooded is full/ })
})

test('a watcher is told once when the actor stops', t => {
  const actor = new TestActor('watched')
  const told = actor.watched()
  actor.stop()
  actor.stop()
  t.deepEqual(told, [{ path: 'watched', incarnation: actor.incarnation, fault: undefined }])
})

test('a watcher is told why, when the actor failed', t => {
  const actor = new TestActor('watched', () => {
    throw new Error('broken')
  })
  const told = actor.watched()
  actor.tell(1)
  t.is(told.length, 1)
  t.is(told[0]?.fault?.code, 'RuntimeError')
})

test('a watcher that comes too late is told at once', t => {
  const actor = new TestActor('watched')
  actor.stop()
  t.is(actor.watched().length, 1)
})

test('a watcher is told after the message in hand is done', t => {
  const order: string[] = []
  const actor = new TestActor('watched', (_message, self) => {
    self.stop()
    order.push('done')
  })
  actor.watch(() => order.push('told'))
  actor.tell(1)
  t.deepEqual(order, ['done', 'told'])
})

test('a watch that was taken back is not told', t => {
  const actor = new TestActor('watched')
  let told = 0
  actor.watch(() => told++)()
  actor.stop()
  t.is(told, 0)
})

test('the same watcher twice is told twice, and each watch is taken back alone', t => {
  const actor = new TestActor('watched')
  let told = 0
  const watcher = (): void => void told++
  actor.watch(watcher)
  const end = actor.watch(watcher)
  end()
  actor.stop()
  t.is(told, 1)
})
