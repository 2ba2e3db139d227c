/** ask: messages go to the actor of their key, and its answers come back in their order. */

import test from 'ava'
import { Message, type MessageStart, StreamEnd, sluice } from '../../actors/index.ts'
import { Kind } from '../../runtime/event.ts'
import { Occurrences } from '../support/occurrences.ts'
import { events, harness } from '../support/pipeline-harness.ts'

const names = (words: string): string[] => words.split(' ')

test('each message is answered by the actor of its key, whose variables live on', t => {
  const { open, edge } = harness(
    t,
    sluice({ who: '', count: 0 })
      .pipeline('main')
      .handleMessageStart((msg: MessageStart, ctx) => {
        ctx.who = (msg.head as { id: string }).id
      })
      .branch(
        () => true,
        $ => $.ask('count'),
      )
      .pipeline('count', { placement: 'node', key: ctx => ctx.who })
      .replaceMessage((_msg, ctx) => new Message({ n: ++ctx.count } as object)),
  )
  const session = open().feed(...events('Sa', 'E', 'Sb', 'E', 'Sa', 'E'))
  t.deepEqual(session.shown, names('S{"n":1} E S{"n":1} E S{"n":2} E'))
  t.like(edge('count').row(), { kind: 'ask', accepted: 3, delivered: 3, inFlight: 0 })
})

test('what is forked and what is asked meets in one actor', t => {
  const { open } = harness(
    t,
    sluice({ sum: 0 })
      .pipeline('add')
      .fork()
      .to('sum')
      .pipeline('read')
      .branch(
        () => true,
        $ => $.ask('sum'),
      )
      .pipeline('sum', { placement: 'node' })
      .replaceMessage((msg, ctx) => {
        ctx.sum += Number(msg.body?.toString())
        return new Message(String(ctx.sum))
      }),
  )
  open('add').feed(...events('S', 'D:1', 'E', 'S', 'D:2', 'E'))
  const session = open('read').feed(...events('S', 'D:0', 'E'))
  t.deepEqual(session.shown, names('S D:3 E'))
})

test('answers come out in the order of the messages, however long each takes, and the end after the last', async t => {
  const opened = new Occurrences<string>()
  const gates = new Map<string, () => void>()
  const { open, edge } = harness(
    t,
    sluice()
      .pipeline('main')
      .branch(
        () => true,
        $ => $.ask('slow'),
      )
      .pipeline('slow', { placement: 'node' })
      .replaceMessage(async msg => {
        const name = String(msg.body)
        await new Promise<void>(resolve => {
          gates.set(name, resolve)
          opened.add(name)
        })
        return new Message(name.toUpperCase())
      }),
  )
  const session = open().feed(...events('S', 'D:a', 'E', 'S', 'D:b', 'E', 'X'))
  await opened.next()
  await opened.next()
  t.is(edge('slow').row().inFlight, 2)
  gates.get('b')?.()
  await new Promise(resolve => setImmediate(resolve))
  t.deepEqual(session.shown, [])
  gates.get('a')?.()
  t.deepEqual(await session.until(event => event.kind === Kind.streamEnd), names('S D:A E S D:B E X'))
})

test('an answer that does not come ends the stream with AskTimeout at the deadline, and the next one is asked again', async t => {
  const { open, edge } = harness(
    t,
    sluice()
      .pipeline('main')
      .branch(
        () => true,
        $ => $.ask('mute', { deadline: '50ms' }),
      )
      .pipeline('mute', { placement: 'node' })
      .wait(() => false),
  )
  const session = open().feed(...events('S', 'E'))
  t.deepEqual(await session.until(event => event.kind === Kind.streamEnd), ['X:AskTimeout'])
  t.like(edge('mute').row(), { accepted: 1, delivered: 0, dropped: { timeout: 1 }, inFlight: 0 })
  t.deepEqual(
    await open()
      .feed(...events('S', 'E'))
      .until(event => event.kind === Kind.streamEnd),
    ['X:AskTimeout'],
  )
})

test('what fails there is what the stream ends with here, and the actor answers the next question', t => {
  const { open, edge, faults } = harness(
    t,
    sluice({ n: 0 })
      .pipeline('main')
      .branch(
        () => true,
        $ => $.ask('picky'),
      )
      .pipeline('picky', { placement: 'node' })
      .replaceMessage((msg, ctx) => {
        ctx.n++
        if (String(msg.body) === 'bad') throw new Error('no')
        return String(msg.body) === 'end' ? new StreamEnd('ReadError') : new Message(String(ctx.n))
      }),
  )
  t.deepEqual(open().feed(...events('S', 'D:bad', 'E', 'S', 'D:x', 'E')).shown, ['X:RuntimeError'])
  t.is(faults.length, 1)
  t.deepEqual(open().feed(...events('S', 'D:end', 'E')).shown, ['X:ReadError'])
  t.deepEqual(open().feed(...events('S', 'D:x', 'E')).shown, names('S D:3 E'))
  t.like(edge('picky').row(), { accepted: 3, delivered: 1, dropped: { failed: 2 } })
})

test('a pipeline that ends without an answer is a dead letter', t => {
  const { open } = harness(
    t,
    sluice()
      .pipeline('main')
      .branch(
        () => true,
        $ => $.ask('eats'),
      )
      .pipeline('eats', { placement: 'node' })
      .dummy(),
  )
  t.deepEqual(open().feed(...events('S', 'E')).shown, ['X:DeadLetter'])
})

test('the source waits while too many answers are to come, and goes on', async t => {
  const release = Promise.withResolvers<void>()
  const { open } = harness(
    t,
    sluice()
      .pipeline('main')
      .branch(
        () => true,
        $ => $.ask('slow', { maxPending: 2 }),
      )
      .pipeline('slow', { placement: 'node' })
      .replaceMessage(async () => {
        await release.promise
        return new Message('x')
      }),
  )
  const session = open().feed(...events('S', 'E'))
  t.false(session.source.isPaused)
  session.feed(...events('S', 'E'))
  t.true(session.source.isPaused)
  release.resolve()
  await session.occurred.next(() => session.output.length === 6)
  t.false(session.source.isPaused)
})

test('a message that is too large, and a stream that is gone before its answer, leave the ledger in balance', async t => {
  const release = Promise.withResolvers<void>()
  const answered = new Occurrences<null>()
  const { open, edge } = harness(
    t,
    sluice()
      .pipeline('main')
      .branch(
        () => true,
        $ => $.ask('slow', { bodyLimit: 4 }),
      )
      .pipeline('slow', { placement: 'node' })
      .replaceMessage(async () => {
        await release.promise
        answered.add(null)
        return new Message('x')
      }),
  )
  t.deepEqual(open().feed(...events('S', 'D:12345', 'E')).shown, ['X:BufferOverflow'])
  open()
    .feed(...events('S', 'D:1', 'E'))
    .stop()
  t.like(edge('slow').row(), { accepted: 2, inFlight: 1, dropped: { 'too-large': 1 } })
  release.resolve()
  await answered.next()
  await new Promise(resolve => setImmediate(resolve))
  t.like(edge('slow').row(), { accepted: 2, delivered: 1, inFlight: 0 })
})

test('only shared pipelines can be asked, and never without a deadline', t => {
  const local = sluice()
    .pipeline('main')
    .branch(
      () => true,
      $ => $.ask('there'),
    )
    .pipeline('there')
    .dummy()
  t.throws(() => harness(t, local), { message: /'there' is local; use link or muxQueue/ })
  for (const options of [{ delivery: 'at-least-once' }, { fanout: 'all' }] as const) {
    const several = sluice()
      .pipeline('main')
      .branch(
        () => true,
        $ => $.ask('there'),
      )
      .pipeline('there', { placement: 'cluster', ...options })
      .dummy()
    t.throws(() => harness(t, several), { message: /wants one answer now/ })
  }
  const endless = sluice()
    .pipeline('main')
    .branch(
      () => true,
      $ => $.ask('there', { deadline: 0 }),
    )
    .pipeline('there', { placement: 'node' })
    .dummy()
  t.throws(() => harness(t, endless), { message: /deadline longer than 0/ })
})
