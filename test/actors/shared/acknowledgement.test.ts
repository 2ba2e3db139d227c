/** Work for shared pipelines: what their output says of it, and what is given again. */

import test, { type ExecutionContext } from 'ava'
import { sluice } from '../../../actors/index.ts'
import type { Failure, Work } from '../../../actors/shared/work.ts'
import { Message, StreamEnd } from '../../../runtime/event.ts'
import { Occurrences } from '../../support/occurrences.ts'
import { harness } from '../../support/pipeline-harness.ts'

const durable = { placement: 'cluster', delivery: 'at-least-once' } as const

/** Deadlines let the process end: a test that waits for one keeps it up. */
const keepUp = setInterval(() => {}, 1000)
test.after(() => clearInterval(keepUp))

const text = (message: Message): string => message.body?.toString() ?? ''

/** Gives letters as work, and notes what comes of each: `a` done, `a!` failed, `a?` returned. */
function work(t: ExecutionContext, script: unknown, { tries = 3, awaitsOutput = true } = {}) {
  const { nodeHost } = harness(t, script)
  const told = new Occurrences<string>()
  const failures: Failure[] = []
  const give = (letter: string): void => {
    let failed = 0
    const each: Work = {
      awaitsOutput,
      isPaced: true,
      message: () => new Message({ name: letter }, letter),
      done: () => void told.add(letter),
      failed: failure => {
        failures.push(failure)
        told.add(`${letter}!`)
        return ++failed < tries ? 1 : undefined
      },
      returned: () => void told.add(`${letter}?`),
    }
    nodeHost.accept('log', '', each)
  }
  return { give: (letters: string) => [...letters].forEach(give), told, failures, nodeHost }
}

test('work is done when the pipeline has put out a message for it, the first for the first', async t => {
  const answer = Promise.withResolvers<void>()
  const { give, told } = work(
    t,
    sluice()
      .pipeline('log', durable)
      .wait(() => answer.promise),
  )
  give('abc')
  t.deepEqual(told.seen, [])
  answer.resolve()
  await told.next(each => each === 'c')
  t.deepEqual(told.seen, ['a', 'b', 'c'])
})

test('work that awaits no output is done when the pipeline has taken it', t => {
  const script = sluice()
    .pipeline('log', { ...durable, acknowledge: 'taken' })
    .replaceMessage(() => undefined)
  const { give, told } = work(t, script, { awaitsOutput: false })
  give('ab')
  t.deepEqual(told.seen, ['a', 'b'])
})

test('one message that is packed of several answers all of them', t => {
  const { give, told } = work(t, sluice().pipeline('log', durable).pack(3).pack(2))
  give('abcde')
  t.deepEqual(told.seen, [])
  give('f')
  t.deepEqual(told.seen, ['a', 'b', 'c', 'd', 'e', 'f'])
})

test('what is packed in a fork of the pipeline answers nothing', t => {
  const script = sluice()
    .pipeline('log', durable)
    .fork()
    .to($ => $.pack(2))
  const { give, told } = work(t, script)
  give('a')
  t.deepEqual(told.seen, ['a'])
})

test('a throw blames what was given; what had no answer yet is given again, in order', async t => {
  const seen: string[] = []
  const { promise: never } = Promise.withResolvers<void>()
  const script = sluice()
    .pipeline('log', durable)
    .handleMessage(message => {
      seen.push(text(message))
      if (text(message) === 'c') throw new Error('no c')
    })
    // The first two are answered only when they come for the second time.
    .wait(() => (seen.length < 3 ? never : Promise.resolve()))
  const { give, told, failures } = work(t, script)
  give('abcd')
  await told.next(each => each === 'd')
  t.deepEqual(told.seen, ['c!', 'a', 'b', 'c!', 'c!', 'd'])
  t.deepEqual(seen, ['a', 'b', 'c', 'a', 'b', 'c', 'c', 'd'])
  t.is(failures[0]?.fault.code, 'RuntimeError')
  t.false(failures[0]?.isUnavailable)
})

test('an answer with a status from 400 on is a failure, and 409 is not', async t => {
  const statuses: Record<string, number> = { a: 201, b: 400, c: 409, d: 503 }
  const script = sluice()
    .pipeline('log', durable)
    .replaceMessage(message => new Message({ status: statuses[text(message)] ?? 200, reason: 'because' }))
  const { give, told, failures } = work(t, script, { tries: 1 })
  give('abcd')
  t.deepEqual(told.seen, ['a', 'b!', 'c', 'd!'])
  t.deepEqual(
    failures.map(({ fault, isUnavailable }) => [fault.code, isUnavailable]),
    [
      ['NotTaken', false],
      ['NotTaken', true],
    ],
  )
  t.regex(failures[0]?.fault.message ?? '', /status 400, because/)
})

test('of several that failed together only those are blamed that fail alone', async t => {
  const script = sluice()
    .pipeline('log', durable)
    .pack(4)
    .replaceMessage(message => new Message({ status: text(message).includes('c') ? 400 : 201 }))
  const { give, told } = work(t, script, { tries: 2 })
  give('abcd')
  await told.next(each => each === 'd')
  t.deepEqual(told.seen, ['a', 'b', 'c!', 'c!', 'd'])
})

test('what failed is tried again before what came after it', async t => {
  let isAvailable = false
  const seen: string[] = []
  const script = sluice()
    .pipeline('log', durable)
    .replaceMessage(message => {
      seen.push(text(message))
      return new Message({ status: isAvailable ? 200 : 503 })
    })
  const { give, told } = work(t, script, { tries: 100 })
  give('a')
  give('b')
  isAvailable = true
  await told.next(each => each === 'b')
  t.deepEqual(seen, ['a', 'a', 'b'])
})

test('a pipeline that ends its stream without an answer has failed on what it had', async t => {
  const script = sluice()
    .pipeline('log', durable)
    .replaceMessage(() => new StreamEnd())
  const { give, told, failures } = work(t, script, { tries: 2 })
  give('ab')
  await told.next(each => each === 'b!')
  await told.next(each => each === 'b!')
  t.deepEqual(told.seen, ['a!', 'a!', 'b!', 'b!'])
  t.is(failures[0]?.fault.code, 'NotAnswered')
})

test('a pipeline that puts out nothing in time is started anew', async t => {
  const script = sluice({ count: 0 })
    .pipeline('log', { ...durable, answerWithin: 0.1 })
    .replaceMessage((message, ctx) => (++ctx.count > 1 ? undefined : message))
  const { give, told, failures } = work(t, script)
  give('ab')
  await told.next(each => each === 'b')
  t.deepEqual(told.seen, ['a', 'b!', 'b'])
  t.is(failures[0]?.fault.code, 'NotAnswered')
})

test('what has no answer when the pipeline is stopped is returned', async t => {
  const { promise: never } = Promise.withResolvers<void>()
  const script = sluice()
    .pipeline('log', durable)
    .wait(() => never)
  const { give, told, nodeHost } = work(t, script)
  give('ab')
  nodeHost.stop()
  t.deepEqual(told.seen, ['a?', 'b?'])
  give('c')
  t.deepEqual(told.seen, ['a?', 'b?', 'c?'])
})

test('a pipeline that ends with its node finishes what it has', async t => {
  const { give, told, nodeHost } = work(t, sluice().pipeline('log', durable).pack(10))
  give('ab')
  await nodeHost.flush(5000)
  t.deepEqual(told.seen, ['a', 'b'])
})
