/** Bounds of mailboxes: a busy actor is flooded, and memory stays within the limits whatever the sender does. */

import { Buffer } from 'node:buffer'
import test from 'ava'
import fc from 'fast-check'
import { kernel, mailboxLimits } from '../../../actors/kernel/actor.ts'
import { Edge, type Policy } from '../../../actors/kernel/ledger.ts'
import { Mailbox } from '../../../actors/kernel/mailbox.ts'
import { Data } from '../../../runtime/data.ts'
import { type Source, turn } from '../../../runtime/turn.ts'
import { TestActor } from '../../support/test-actor.ts'

class CountingSource implements Source {
  pauses = 0
  everPaused = false

  pause(): void {
    this.pauses++
    this.everPaused = true
  }

  resume(): void {
    this.pauses--
  }
}

interface Flood {
  readonly edge: Edge
  readonly processed: number
  readonly most: { count: number; bytes: number }
}

/** Sends `count` messages to an actor that is busy, over an edge, in a turn of `source`. */
function flood(
  count: number,
  make: (index: number) => unknown,
  policy: Policy,
  source: Source | null,
): Flood {
  const edge = new Edge('fork', 'test', 'flooded', policy)
  const most = { count: 0, bytes: 0 }
  let processed = 0
  const actor: TestActor<unknown> = new TestActor('flooded', message => {
    if (message !== 'go') {
      processed++
      return
    }
    for (let i = 0; i < count; i++) {
      edge.accepted++
      actor.deliver(actor, make(i), edge)
      const mailbox = (actor as unknown as { mailbox: Mailbox | null }).mailbox
      most.count = Math.max(most.count, mailbox?.count ?? 0)
      most.bytes = Math.max(most.bytes, mailbox?.bytes ?? 0)
    }
  })
  turn.begin(source)
  actor.tell('go')
  turn.end()
  return { edge, processed, most }
}

test('policy drop: messages over the limit are dropped and counted in the ledger', t => {
  const { edge, processed, most } = flood(10_000, i => i, 'drop', null)
  t.is(most.count, mailboxLimits.messages)
  t.is(processed, mailboxLimits.messages)
  t.deepEqual(edge.row().dropped, { 'mailbox-full': 10_000 - mailboxLimits.messages })
  t.is(edge.delivered, mailboxLimits.messages)
  t.is(edge.inFlight, 0)
  t.true(edge.isBalanced)
})

test('policy drop: the limit is in bytes as well', t => {
  const piece = Data.over(Buffer.alloc(10_000))
  const { edge, most } = flood(1000, () => piece.clone(), 'drop', null)
  t.true(most.bytes <= mailboxLimits.bytes)
  t.is(edge.delivered, Math.floor(mailboxLimits.bytes / (10_000 + 64)))
  t.true(edge.isBalanced)
})

test('policy block: the source of the turn is paused at the limit, and runs again when the mailbox is empty', async t => {
  const source = new CountingSource()
  const count = mailboxLimits.messages + 10
  const { edge, processed } = flood(count, i => i, 'block', source)
  t.true(source.everPaused)
  t.is(processed, count)
  t.is(edge.delivered, count)
  t.true(edge.isBalanced)
  await Promise.resolve()
  t.is(source.pauses, 0)
})

test('policy block: a source that goes on all the same is cut off at twice the limit', async t => {
  const source = new CountingSource()
  const before = kernel.deadLetters.count
  const { edge, most } = flood(3 * mailboxLimits.messages, i => i, 'block', source)
  t.is(most.count, 2 * mailboxLimits.messages)
  t.is(edge.deadLettered, mailboxLimits.messages)
  t.is(kernel.deadLetters.count - before, mailboxLimits.messages)
  t.is(kernel.deadLetters.recent().at(-1)?.reason, 'mailbox-full')
  t.true(edge.isBalanced)
  await Promise.resolve()
  t.is(source.pauses, 0)
})

test('policy block without a source: there is nobody to pause, and what is over the limit is a dead letter', t => {
  const { edge, most } = flood(mailboxLimits.messages + 5, i => i, 'block', null)
  t.is(most.count, mailboxLimits.messages)
  t.is(edge.deadLettered, 5)
  t.true(edge.isBalanced)
})

test('bytes that wait are kept: the memory that they came in may be used again', t => {
  const memory = Buffer.from('first')
  const seen: string[] = []
  const actor: TestActor<unknown> = new TestActor('busy', message => {
    if (message === 'go') {
      actor.tell(Data.borrow(memory, 0, 5))
      memory.write('XXXXX')
    } else seen.push(String(message))
  })
  actor.tell('go')
  t.deepEqual(seen, ['first'])
})

test('a mailbox is a queue, however it grows and shrinks', t => {
  const port = { process: () => {} }
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -40, max: 60 }), { maxLength: 60 }), steps => {
      const mailbox = new Mailbox()
      const model: number[] = []
      let next = 0
      for (const step of steps) {
        for (let i = 0; i < step; i++) {
          mailbox.push(port, next, null)
          model.push(next++)
        }
        for (let i = 0; i > step; i--) {
          t.is(mailbox.shift(), model.length > 0)
          const expected = model.shift()
          if (expected !== undefined) t.is(mailbox.message, expected)
        }
        t.is(mailbox.count, model.length)
        t.is(mailbox.bytes, 64 * model.length)
      }
    }),
  )
})
