/** The kernel of one thread: how messages reach actors, in which order, and what becomes of those that do not. */

import test from 'ava'
import fc from 'fast-check'
import { kernel } from '../../../actors/kernel/actor.ts'
import type { DeadLetter } from '../../../actors/kernel/dead-letters.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import { TestActor } from '../../support/test-actor.ts'

/** Dead letters that come while `run` runs. */
const deadLettersOf = (run: () => void): DeadLetter[] => {
  const letters: DeadLetter[] = []
  const end = kernel.deadLetters.subscribe(letter => letters.push(letter))
  run()
  end()
  return letters
}

test('a message to an idle actor is processed before tell returns', t => {
  const actor = new TestActor<string>('a')
  actor.tell('one')
  t.deepEqual(actor.received, ['one'])
})

test('a message to an actor that is busy further up the stack waits until it is free', t => {
  const order: string[] = []
  const a: TestActor<string> = new TestActor('a', message => {
    order.push(`a begins ${message}`)
    if (message === 'first') b.tell('ping')
    order.push(`a ends ${message}`)
  })
  const b = new TestActor<string>('b', message => {
    order.push(`b ${message}`)
    a.tell('second')
  })
  a.tell('first')
  t.deepEqual(order, ['a begins first', 'b ping', 'a ends first', 'a begins second', 'a ends second'])
})

test('an actor that tells itself gets the message when it is done with the one before', t => {
  const order: number[] = []
  const actor: TestActor<number> = new TestActor('a', count => {
    if (count > 0) actor.tell(count - 1)
    order.push(count)
  })
  actor.tell(1000)
  t.deepEqual(order.slice(0, 3), [1000, 999, 998])
  t.is(order.length, 1001)
})

test('a chain of actors far longer than the stack is deep delivers every message once', t => {
  const actors: TestActor<number>[] = []
  for (let i = 0; i < 100_000; i++)
    actors.push(new TestActor(`a${i}`, at => void actors[at + 1]?.tell(at + 1)))
  actors[0]?.tell(0)
  t.true(actors.every(({ received }) => received.length === 1))
})

test('what waits for a flatter stack is not overtaken by what is sent from further up', t => {
  // a(depth 0) → chain down to depth 100, whose end tells z; on the way back up, each link tells z again.
  const z = new TestActor<number>('z')
  const links: TestActor<number>[] = []
  for (let i = 0; i <= 120; i++) {
    links.push(
      new TestActor(`link${i}`, depth => {
        links[depth + 1]?.tell(depth + 1)
        sender.tell(depth)
      }),
    )
  }
  const sent: number[] = []
  const sender = new TestActor<number>('sender', depth => {
    sent.push(depth)
    z.tell(depth)
  })
  links[0]?.tell(0)
  t.is(z.received.length, 121)
  t.deepEqual(z.received, sent)
})

/** What to do on receipt: messages to send, each with what its receiver does in turn. `hops`: relayed so often first. */
interface Plan {
  readonly to: number
  readonly hops: number
  readonly sends: readonly Plan[]
}

const plans = fc.letrec<{ plan: Plan; plans: readonly Plan[] }>(tie => ({
  plan: fc.record({
    to: fc.nat(4),
    // Beyond the depth of 100 at which sends are queued instead of called.
    hops: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(250)),
    sends: tie('plans'),
  }),
  plans: fc.oneof({ maxDepth: 4 }, fc.constant([]), fc.array(tie('plan'), { minLength: 1, maxLength: 4 })),
})).plans

test('any tree of sends keeps the order of each sender and receiver, and delivers each message once', t => {
  interface Message {
    readonly from: number
    readonly number: number
    readonly plan: Plan
  }
  fc.assert(
    fc.property(fc.array(plans, { minLength: 1, maxLength: 3 }), roots => {
      const sent: number[][] = Array.from({ length: 6 }, () => [])
      const arrived = new Map<string, number[]>()
      let next = 0
      const send = (from: number, plan: Plan): void => {
        const number = next++
        const pair = `${from}>${plan.to}`
        ;(sent[from] as number[]).push(number)
        expected.set(pair, [...(expected.get(pair) ?? []), number])
        actors[plan.to]?.tell({ from, number, plan })
      }
      const expected = new Map<string, number[]>()
      const actors = Array.from(
        { length: 5 },
        (_, self) =>
          new TestActor<Message>(`actor-${self}`, ({ from, number, plan }) => {
            const pair = `${from}>${self}`
            arrived.set(pair, [...(arrived.get(pair) ?? []), number])
            if (plan.hops > 0) send(self, { to: (self + 1) % 5, hops: plan.hops - 1, sends: plan.sends })
            else for (const each of plan.sends) send(self, each)
          }),
      )
      for (const root of roots) for (const plan of root) send(5, plan)
      t.deepEqual(Object.fromEntries(arrived), Object.fromEntries(expected))
      t.is(kernel.depth, 0)
    }),
    { numRuns: 300 },
  )
})

test('an actor that has stopped processes nothing: what comes goes to dead letters', t => {
  const actor = new TestActor<string>('gone')
  actor.stop()
  const letters = deadLettersOf(() => actor.tell('late'))
  t.deepEqual(letters, [{ to: 'gone', reason: 'stopped', message: 'late' }])
  t.deepEqual(actor.received, [])
  t.is(actor.stops, 1)
})

test('an actor that is stopped while it is busy finishes its message; what waits goes to dead letters', t => {
  const actor = new TestActor<string>('busy', (message, self) => {
    if (message !== 'work') return
    self.tell('waiting')
    self.stop()
    self.tell('later')
  })
  const letters = deadLettersOf(() => actor.tell('work'))
  t.deepEqual(actor.received, ['work'])
  t.deepEqual(
    letters.map(({ message, reason }) => [message, reason]),
    [
      ['later', 'stopped'],
      ['waiting', 'stopped'],
    ],
  )
  t.is(actor.stops, 1)
})

test('an actor that waits for a flatter stack can be stopped: its mail goes to dead letters', t => {
  const target = new TestActor<string>('target')
  const links: TestActor<number>[] = []
  for (let i = 0; i <= 99; i++) {
    links.push(
      new TestActor(`link${i}`, depth => {
        if (depth < 99) links[depth + 1]?.tell(depth + 1)
        else {
          target.tell('deep')
          target.stop()
        }
      }),
    )
  }
  const letters = deadLettersOf(() => links[0]?.tell(0))
  t.deepEqual(target.received, [])
  t.deepEqual(letters, [{ to: 'target', reason: 'stopped', message: 'deep' }])
  t.true(target.isStopped)
})

test('a throw stops this actor alone; the message and the fault are in a dead letter', t => {
  const bad = new TestActor<string>('bad', () => {
    throw new TypeError('no such thing')
  })
  const good: TestActor<string> = new TestActor('good', message => {
    if (message === 'go') bad.tell('poison')
  })
  const letters = deadLettersOf(() => good.tell('go'))
  t.true(bad.isStopped)
  t.false(good.isStopped)
  t.is(letters.length, 1)
  t.like(letters[0], { to: 'bad', reason: 'failed', message: 'poison' })
  t.is(letters[0]?.fault?.code, 'RuntimeError')
  t.regex(letters[0]?.fault?.message ?? '', /no such thing/)
  t.is(bad.failure?.code, 'RuntimeError')
  t.is(bad.stops, 1)
  good.tell('still here')
  t.deepEqual(good.received, ['go', 'still here'])
  t.is(kernel.depth, 0)
})

test('a fault with a code of its own keeps it', t => {
  const actor = new TestActor('a', () => {
    throw new TrafficError('BufferOverflow', 'full')
  })
  actor.tell(1)
  t.is(actor.failure?.code, 'BufferOverflow')
})

for (const [what, thrown] of [
  ['an object that cannot be made text of', Object.create(null)],
  ['an object whose toString throws', { toString: () => assertNever() }],
  ['a symbol', Symbol('odd')],
  ['undefined', undefined],
  ['null', null],
] as const) {
  test(`a script may throw ${what}: the kernel survives it`, t => {
    const actor = new TestActor('a', () => {
      throw thrown
    })
    actor.tell(1)
    t.true(actor.isStopped)
    t.is(actor.failure?.code, 'RuntimeError')
    t.is(kernel.depth, 0)
  })
}

function assertNever(): never {
  throw new Error('toString was called')
}

class ThrowsInTheEnd extends TestActor<string> {
  protected override failed(): void {
    throw new Error('in failed')
  }

  protected override stopped(): void {
    throw new Error('in stopped')
  }
}

test('what an actor throws while it ends harms nobody else, and its watchers are told all the same', t => {
  const actor = new ThrowsInTheEnd('bad', () => {
    throw new Error('first')
  })
  const told = actor.watched()
  actor.watch(() => {
    throw new Error('in a watcher')
  })
  const toldToo = actor.watched()
  const caller = new TestActor<string>('caller', () => actor.tell('x'))
  const letters = deadLettersOf(() => caller.tell('go'))
  t.false(caller.isStopped)
  t.is(kernel.depth, 0)
  t.is(told.length, 1)
  t.is(toldToo.length, 1)
  t.deepEqual(
    letters.map(({ fault }) => fault?.message.replace(/^[^:]*: /, '')),
    ['first', 'in failed', 'in stopped', 'in a watcher'],
  )
})

test('a dead letter listener sees the last hundred when it asks for them', t => {
  const actor = new TestActor<number>('gone')
  actor.stop()
  const before = kernel.deadLetters.count
  for (let i = 0; i < 250; i++) actor.tell(i)
  t.is(kernel.deadLetters.count, before + 250)
  t.deepEqual(
    kernel.deadLetters.recent().map(letter => letter.message),
    Array.from({ length: 100 }, (_, i) => String(150 + i)),
  )
})

test('each actor has an incarnation of its own: a ref never leads to a successor', t => {
  const first = new TestActor('shared')
  const second = new TestActor('shared')
  t.not(first.incarnation, second.incarnation)
  first.stop()
  const letters = deadLettersOf(() => first.tell('for the first'))
  t.is(letters.length, 1)
  t.deepEqual(second.received, [])
})
