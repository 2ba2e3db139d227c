/** mux and muxQueue: many streams over shared pipelines, each answer to whoever asked. */

import test from 'ava'
import { sluice } from '../../../actors/index.ts'
import { Data, type Event, Message, MessageStart, StreamEnd } from '../../../runtime/event.ts'
import { events, harness, showEvent } from '../../support/pipeline-harness.ts'

const idOf = (message: Message): string => (message.head as { id: string }).id

/** A shared pipeline whose answers are given by the test, and which tells what it got. */
const shared = (method: 'mux' | 'muxQueue', key?: unknown, options?: object) => {
  const got: string[] = []
  const answers: PromiseWithResolvers<unknown>[] = []
  let sessions = 0
  const script = sluice({ key: 'k', serial: 0 })
    .pipeline('main')
    [method]((key ?? (() => 'k')) as never, options as never)
    .to($ =>
      $.handleStreamStart((_event, ctx) => {
        ctx.serial = ++sessions
      })
        .handle((event, ctx) => void got.push(`${ctx.serial} ${showEvent(event as Event)}`))
        .replaceMessage(() => {
          const answer = Promise.withResolvers<unknown>()
          answers.push(answer)
          return answer.promise as Promise<Message>
        }),
    )
  const answer = async (index: number, value: unknown): Promise<void> => {
    answers[index]?.resolve(value)
    await new Promise(setImmediate)
  }
  return { script, got, answer, sessions: () => sessions }
}

test('muxQueue: messages of all streams share one session, each whole, answers in their order', async t => {
  const { script, got, answer } = shared('muxQueue', undefined, { maxSessions: 1 })
  const { open, program } = harness(t, script)
  const a = open()
  const b = open()
  a.feed(...events('Sa1', 'D:one'))
  b.feed(...events('Sb1', 'E'))
  a.feed(...events('D:two', 'E', 'Sa2', 'E'))
  // What the pipeline answers with a promise holds the next message back: it sees one after the other.
  await answer(0, new Message('to b'))
  await answer(1, new Message('to a'))
  await answer(2, new Message('to a again'))
  t.deepEqual(got, [
    ...['1 S{"id":"b1"}', '1 E', '1 S{"id":"a1"}', '1 D:onetwo', '1 E', '1 S{"id":"a2"}', '1 E'],
  ])
  t.deepEqual(b.shown, ['S', 'D:to b', 'E'])
  t.deepEqual(a.shown, ['S', 'D:to a', 'E', 'S', 'D:to a again', 'E'])
  t.like(program.edges[0]?.row(), { kind: 'mux', accepted: 7, delivered: 7, inFlight: 0 })
})

test('muxQueue: without a limit a message never waits behind another: busy sessions get company', async t => {
  const { script, answer, sessions } = shared('muxQueue')
  const { open } = harness(t, script)
  const streams = [open(), open(), open()]
  for (const stream of streams) stream.feed(...events('S', 'E'))
  t.is(sessions(), 3)
  await answer(2, new Message('third'))
  t.deepEqual(streams[2]?.shown, ['S', 'D:third', 'E'])
  open().feed(...events('S', 'E'))
  t.is(sessions(), 3, 'an idle session is used again')
})

test('each key has sessions of its own; objects are keys as they are', async t => {
  const keys = [{}, {}]
  let at = 0
  const { script, sessions } = shared('muxQueue', () => keys[at])
  const { open } = harness(t, script)
  open().feed(...events('S', 'E'))
  at = 1
  open().feed(...events('S', 'E'))
  t.is(sessions(), 2)
})

test('the end of a stream follows its last answer; without one to come it passes at once', async t => {
  const { script, answer } = shared('muxQueue')
  const { open } = harness(t, script)
  t.deepEqual(open().feed(...events('X')).shown, ['X'])
  const asking = open().feed(...events('S', 'E', 'X'))
  t.deepEqual(asking.shown, [])
  await answer(0, new Message('late'))
  t.deepEqual(asking.shown, ['S', 'D:late', 'E', 'X'])
})

test('a stream that breaks off does not wait, and its answer goes to nobody: order holds for the others', async t => {
  const { script, answer } = shared('muxQueue', undefined, { maxSessions: 1 })
  const { open } = harness(t, script)
  const broken = open().feed(...events('S', 'E', 'X:ConnectionReset'))
  t.deepEqual(broken.shown, ['X:ConnectionReset'])
  broken.stop()
  const other = open().feed(...events('S', 'E'))
  await answer(0, new Message('for the one that left'))
  t.deepEqual(other.shown, [])
  await answer(1, new Message('for the other'))
  t.deepEqual(other.shown, ['S', 'D:for the other', 'E'])
  t.deepEqual(broken.shown, ['X:ConnectionReset'])
})

test('a message that an orderly end of the stream ends is sent; one that breaks off is not', t => {
  const { script, got } = shared('muxQueue')
  const { open } = harness(t, script)
  open().feed(...events('S', 'D:cut', 'X:ReadError'))
  t.deepEqual(got, [])
  open().feed(...events('S', 'D:whole', 'X'))
  t.deepEqual(got, ['1 S', '1 D:whole', '1 E'])
})

test('a shared session that ends with an error ends all streams that wait on it, and the next message opens another', async t => {
  const { script, answer, sessions } = shared('muxQueue', undefined, { maxSessions: 1 })
  const { open } = harness(t, script)
  const streams = [open(), open()]
  for (const stream of streams) stream.feed(...events('S', 'E'))
  await answer(0, new StreamEnd('ConnectionReset'))
  for (const stream of streams) t.deepEqual(stream.shown, ['X:ConnectionReset'])
  open().feed(...events('S', 'E'))
  t.is(sessions(), 2)
})

test('a shared session that ends in order gives those that wait an empty message first', async t => {
  const { script, answer } = shared('muxQueue', undefined, { maxSessions: 1 })
  const { open } = harness(t, script)
  const streams = [open(), open()]
  for (const stream of streams) stream.feed(...events('S', 'E'))
  await answer(0, [new MessageStart({ half: true }), new Data('x'), new StreamEnd()])
  t.deepEqual(streams[0]?.shown, ['S{"half":true}', 'D:x', 'X'])
  t.deepEqual(streams[1]?.shown, ['S', 'E', 'X'])
})

test('a shared pipeline that throws ends all streams that wait on it with its fault', t => {
  const script = sluice()
    .pipeline('main')
    .muxQueue(() => 'k')
    .to($ =>
      $.handleMessage(() => {
        throw new Error('a bug')
      }),
    )
  const { open, faults } = harness(t, script)
  const session = open().feed(...events('S', 'E'))
  t.deepEqual(session.shown, ['S', 'X:RuntimeError'])
  t.is(faults.length, 1)
})

test('more messages than maxQueue on each session, or any on a busy one with blocking, end their stream', t => {
  for (const [options, allowed] of [
    [{ maxSessions: 1, maxQueue: 3 }, 3],
    [{ maxSessions: 1, blocking: true }, 1],
    [{ maxSessions: 2, maxQueue: 2 }, 4],
  ] as const) {
    const { script } = shared('muxQueue', undefined, options)
    const { open } = harness(t, script)
    for (let i = 0; i < allowed; i++) t.deepEqual(open().feed(...events('S', 'E')).shown, [])
    t.deepEqual(open().feed(...events('S', 'E', 'S', 'E')).shown, ['X:BufferOverflow'])
  }
})

test('a message over bodyLimit ends its stream with BufferOverflow, and nothing of it is sent', t => {
  const { script, got } = shared('muxQueue', undefined, { bodyLimit: 3 })
  const { open } = harness(t, script)
  t.deepEqual(open().feed(...events('S', 'D:1234', 'E', 'S', 'E')).shown, ['X:BufferOverflow'])
  t.deepEqual(got, [])
})

test('an idle session ends after maxIdle, and the next message opens another', async t => {
  const keepUp = setInterval(() => {}, 1000)
  t.teardown(() => clearInterval(keepUp))
  const ended = Promise.withResolvers<void>()
  let sessions = 0
  const script = sluice()
    .pipeline('main')
    .muxQueue(() => 'k', { maxIdle: '1ms' })
    .to($ =>
      $.handleStreamStart(() => void sessions++)
        .fork()
        .to($ => $.handleStreamEnd(() => ended.resolve())),
    )
  const { open } = harness(t, script)
  open().feed(...events('S', 'E'))
  open().feed(...events('S', 'E'))
  t.is(sessions, 1)
  await ended.promise
  open().feed(...events('S', 'E'))
  t.is(sessions, 2)
})

test('mux: answers find their way by the key of the message, in any order', t => {
  const requests: Message[] = []
  const script = sluice()
    .pipeline('main')
    .mux(() => 'k', { messageKey: message => idOf(message), maxSessions: 1 })
    .to($ =>
      $.replaceMessage(message => {
        requests.push(message)
        // Answers two at a time, the later one first.
        if (requests.length < 2) return undefined
        return requests.splice(0).reverse()
      }),
    )
  const { open } = harness(t, script)
  const a = open().feed(...events('Sa', 'D:1', 'E'))
  t.deepEqual(a.shown, [])
  a.feed(...events('Sb', 'D:2', 'E'))
  t.deepEqual(a.shown, ['S{"id":"b"}', 'D:2', 'E', 'S{"id":"a"}', 'D:1', 'E'])
})

test('mux: a message without a key is sent one way, and an answer that nobody asked for goes to nobody', t => {
  const got: string[] = []
  const script = sluice()
    .pipeline('main')
    .mux(() => 'k')
    .to($ => $.handle(event => void got.push(showEvent(event as Event))))
  const session = harness(t, script)
    .open()
    .feed(...events('Sa', 'E', 'X'))
  t.deepEqual(got, ['S{"id":"a"}', 'E'])
  t.deepEqual(session.shown, ['X'])
})

test('mux: a key used again before it was answered belongs to the last who asked', async t => {
  const { script, answer } = shared('mux', undefined, {
    messageKey: (message: Message) => idOf(message),
    maxSessions: 1,
  })
  const { open } = harness(t, script)
  const first = open().feed(...events('Sx', 'E', 'X'))
  const second = open().feed(...events('Sx', 'E', 'X'))
  t.deepEqual(first.shown, ['X'])
  await answer(0, new Message({ id: 'x' }, 'answer'))
  t.deepEqual(second.shown, ['S{"id":"x"}', 'D:answer', 'E', 'X'])
})

test('mux: a stream that has left is forgotten', async t => {
  const { script, answer } = shared('mux', undefined, {
    messageKey: (message: Message) => idOf(message),
    maxSessions: 1,
  })
  const { open } = harness(t, script)
  const first = open().feed(...events('Sx', 'E'))
  first.stop()
  await answer(0, new Message({ id: 'x' }))
  t.deepEqual(first.shown, [])
})
