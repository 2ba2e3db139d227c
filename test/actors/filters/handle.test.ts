/** The handle family: what each is called back with, that it changes nothing, and what promises and throws do. */

import test from 'ava'
import { sluice } from '../../../actors/index.ts'
import type { Data, Event, Message } from '../../../runtime/event.ts'
import { Data as Bytes, MessageStart } from '../../../runtime/event.ts'
import { events, harness, showEvent } from '../../support/pipeline-harness.ts'

const stream = [
  'D:',
  'S{"path":"/a"}',
  'D:one',
  'D:',
  'D:two',
  'E{"t":1}',
  'D:between',
  'S',
  'E',
  'X:ReadError',
]

const showMessage = (message: Message): string =>
  `${JSON.stringify(message.head)} ${message.body?.toString()} ${JSON.stringify(message.tail)}`

/** What the callback of each is given, in order, for the stream above. */
const given: Record<string, string[]> = {
  handle: stream,
  handleStreamStart: ['D:'],
  handleData: ['D:one', 'D:two', 'D:between'],
  handleMessageStart: ['S{"path":"/a"}', 'S'],
  handleMessageEnd: ['E{"t":1}', 'E'],
  handleStreamEnd: ['X:ReadError'],
  handleMessageBody: ['D:onetwo', 'D:'],
  handleMessage: ['{"path":"/a"} onetwo {"t":1}', '{}  undefined'],
}

type Method = 'handle'
const on = (name: string, callback: (subject: Event, ctx: object) => unknown) => {
  const stage = sluice({ n: 0 }).pipeline('main')
  return stage[name as Method](callback as never)
}

for (const [name, expected] of Object.entries(given)) {
  test(`${name} is called back with what it is for, and every event passes unchanged`, t => {
    const seen: string[] = []
    const contexts = new Set<object>()
    const session = harness(
      t,
      on(name, (subject, ctx) => {
        seen.push(name === 'handleMessage' ? showMessage(subject as never) : showEvent(subject))
        contexts.add(ctx)
        return 'ignored'
      }),
    ).open()
    const fed = events(...stream)
    session.feed(...fed)
    t.deepEqual(seen, expected)
    t.deepEqual(session.shown, stream)
    t.true(session.output.every((event, i) => event.kind === 0 || event === fed[i]))
    t.deepEqual([...contexts], [session.context])
  })

  test(`${name}: while a promise is pending events wait in order`, async t => {
    const pending: PromiseWithResolvers<void>[] = []
    const session = harness(
      t,
      on(name, () => {
        const next = Promise.withResolvers<void>()
        pending.push(next)
        return next.promise
      }),
    ).open()
    session.feed(...events(...stream))
    t.is(pending.length, 1, 'the second is not asked before the first has settled')
    t.true(session.output.length < stream.length)
    for (let settled = 0; settled < pending.length; settled++) {
      t.deepEqual(session.shown, stream.slice(0, session.output.length))
      pending[settled]?.resolve()
      await new Promise(setImmediate)
    }
    t.is(pending.length, expected.length)
    t.deepEqual(session.shown, stream)
  })

  test(`${name}: a rejection ends this session alone, and what waited is not passed`, async t => {
    const { open, faults } = harness(
      t,
      on(name, () => Promise.reject(new Error('not good'))),
    )
    const other = open()
    const session = open().feed(...events(...stream))
    await session.until(event => event.kind === 3)
    t.is(session.shown.at(-1), 'X:RuntimeError')
    t.deepEqual(session.shown.slice(0, -1), stream.slice(0, session.output.length - 1))
    t.true(session.isStopped)
    t.false(other.isStopped)
    t.regex(faults[0]?.message ?? '', /not good/)
  })

  test(`${name}: a throw ends this session alone; the event it was called with is lost`, t => {
    const { open, faults } = harness(
      t,
      on(name, () => {
        throw new TypeError('a bug')
      }),
    )
    const other = open()
    const session = open().feed(...events(...stream))
    t.is(session.shown.at(-1), 'X:RuntimeError')
    t.deepEqual(session.shown.slice(0, -1), stream.slice(0, session.output.length - 1))
    t.true(session.isStopped)
    t.false(other.isStopped)
    t.is(faults.length, 1)
  })
}

test('a promise that settles after its session has ended does nothing', async t => {
  const gate = Promise.withResolvers<void>()
  const session = harness(
    t,
    on('handleData', () => gate.promise),
  ).open()
  session.feed(new Bytes('x'))
  session.stop()
  gate.resolve()
  await new Promise(setImmediate)
  t.deepEqual(session.shown, [])
})

test('what waits for a promise pauses its source when it gets much, and lets it go on afterwards', async t => {
  const gate = Promise.withResolvers<void>()
  const session = harness(
    t,
    on('handleStreamStart', () => gate.promise),
  ).open()
  session.feed(new Bytes('first'))
  for (let i = 0; i < 10; i++) session.feed(new Bytes('x'.repeat(10_000)))
  t.true(session.source.isPaused)
  gate.resolve()
  await new Promise(setImmediate)
  t.false(session.source.isPaused)
  t.is(session.output.length, 11)
})

test('bytes that a callback keeps are still what they were when their memory is used again', t => {
  const kept: Data[] = []
  const session = harness(
    t,
    sluice()
      .pipeline('main')
      .handleData(data => void kept.push(data)),
  ).open()
  const memory = Buffer.from('abc')
  session.feed(Bytes.borrow(memory, 0, 3))
  memory.fill('x')
  t.is(kept[0]?.toString(), 'abc')
})

test('a thenable of any library is a promise', async t => {
  const session = harness(
    t,
    // biome-ignore lint/suspicious/noThenProperty: that is what is tested
    on('handleData', () => ({ then: (done: () => void) => void setImmediate(done) })),
  ).open()
  session.feed(new Bytes('x'))
  t.deepEqual(session.shown, [])
  await session.until(event => event.kind === 0)
  t.deepEqual(session.shown, ['D:x'])
})

test('handleMessage keeps the body up to bodyLimit; all of it passes', t => {
  const seen: string[] = []
  const session = harness(
    t,
    sluice()
      .pipeline('main')
      .handleMessage(message => void seen.push(String(message.body)), { bodyLimit: 4 })
      .handleMessageBody(body => void seen.push(String(body)), { bodyLimit: '1k' }),
  ).open()
  session.feed(...events('S', 'D:abc', 'D:def', 'E'))
  t.deepEqual(seen, ['abcd', 'abcdef'])
  t.deepEqual(session.shown, ['S', 'D:abc', 'D:def', 'E'])
})

test('an orderly end of the stream ends the message that is open; a broken one does not', t => {
  const seen: string[] = []
  const script = sluice()
    .pipeline('main')
    .handleMessage(message => void seen.push(`message ${message.body}`))
    .handleMessageBody(body => void seen.push(`body ${body}`))
  const { open } = harness(t, script)
  const session = open().feed(...events('S', 'D:a', 'X'))
  t.deepEqual(seen, ['message a', 'body a'])
  t.deepEqual(session.shown, ['S', 'D:a', 'X'])
  open().feed(...events('S', 'D:b', 'X:ConnectionReset'))
  t.is(seen.length, 2)
})

test('a message that begins before the last one ended takes its place', t => {
  const seen: string[] = []
  const session = harness(
    t,
    sluice()
      .pipeline('main')
      .handleMessage(message => void seen.push(`${JSON.stringify(message.head)} ${message.body}`)),
  ).open()
  session.feed(new MessageStart({ n: 1 }), new Bytes('a'), new MessageStart({ n: 2 }), ...events('D:b', 'E'))
  t.deepEqual(seen, ['{"n":2} b'])
})
