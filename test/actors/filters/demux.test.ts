/** demux and demuxQueue: a pipeline per message, and the order in which the answers come out. */

import test from 'ava'
import { sluice } from '../../../actors/index.ts'
import { Data, Message, MessageStart, StreamEnd } from '../../../runtime/event.ts'
import { events, harness } from '../../support/pipeline-harness.ts'

type Kind = 'demux' | 'demuxQueue'

/** Answers are given by the test, by the id of the message. */
const answering = (kind: Kind) => {
  const waiting = new Map<string, PromiseWithResolvers<unknown>>()
  const script = sluice()
    .pipeline('main')
    [kind]()
    .to($ =>
      $.replaceMessage(message => {
        const { id } = message.head as { id: string }
        const answer = Promise.withResolvers<unknown>()
        waiting.set(id, answer)
        return answer.promise as Promise<Message>
      }),
    )
  const answer = async (id: string, value: unknown = new Message({ id }, `re ${id}`)): Promise<void> => {
    waiting.get(id)?.resolve(value)
    await new Promise(setImmediate)
  }
  return { script, answer }
}

const re = (id: string): string[] => [`S{"id":"${id}"}`, `D:re ${id}`, 'E']

test('demuxQueue puts answers out in the order of the messages', async t => {
  const { script, answer } = answering('demuxQueue')
  const session = harness(t, script)
    .open()
    .feed(...events('Sa', 'E', 'Sb', 'D:x', 'E', 'Sc', 'E'))
  await answer('c')
  await answer('b')
  t.deepEqual(session.shown, [])
  await answer('a')
  t.deepEqual(session.shown, [...re('a'), ...re('b'), ...re('c')])
})

test('demux puts answers out in the order in which they begin', async t => {
  const { script, answer } = answering('demux')
  const session = harness(t, script)
    .open()
    .feed(...events('Sa', 'E', 'Sb', 'E', 'Sc', 'E', 'X'))
  await answer('c')
  await answer('a')
  t.deepEqual(session.shown, [...re('c'), ...re('a')])
  await answer('b')
  t.deepEqual(session.shown, [...re('c'), ...re('a'), ...re('b'), 'X'])
})

for (const kind of ['demux', 'demuxQueue'] as const) {
  test(`${kind}: the end of the stream follows the last answer`, async t => {
    const { script, answer } = answering(kind)
    const session = harness(t, script)
      .open()
      .feed(...events('Sa', 'E', 'Sb', 'E', 'X:ReadError'))
    await answer('a')
    t.deepEqual(session.shown, re('a'))
    await answer('b')
    t.deepEqual(session.shown, [...re('a'), ...re('b'), 'X:ReadError'])
  })

  test(`${kind}: without messages the end of the stream passes at once, and bytes outside of them go nowhere`, t => {
    const script = sluice()
      .pipeline('main')
      [kind]()
      .to($ => $.handle(() => {}))
    const { open } = harness(t, script)
    t.deepEqual(open().feed(...events('D:lost', 'X')).shown, ['X'])
    t.deepEqual(open().feed(...events('D:lost', 'Sa', 'D:1', 'E', 'D:lost', 'E', 'X')).shown, [
      'S{"id":"a"}',
      'D:1',
      'E',
      'X',
    ])
  })

  test(`${kind}: a message that the stream ends in is ended for its pipeline`, t => {
    const script = sluice()
      .pipeline('main')
      [kind]()
      .to($ => $.replaceMessage(message => new Message(`<${message.body}>`)))
    t.deepEqual(
      harness(t, script)
        .open()
        .feed(...events('S', 'D:cut', 'X')).shown,
      ['S', 'D:<cut>', 'E', 'X'],
    )
  })

  test(`${kind}: an answer ends with its first MessageEnd; more is ignored`, t => {
    const script = sluice()
      .pipeline('main')
      [kind]()
      .to($ => $.replaceMessage(message => [message, new Message({ id: 'more' }), new Data('more')]))
    t.deepEqual(
      harness(t, script)
        .open()
        .feed(...events('Sa', 'E', 'Sb', 'E', 'X')).shown,
      ['S{"id":"a"}', 'E', 'S{"id":"b"}', 'E', 'X'],
    )
  })

  test(`${kind}: a pipeline that ends within its answer has its message ended`, t => {
    const script = sluice()
      .pipeline('main')
      [kind]()
      .to($ => $.replaceMessage(() => [new MessageStart(), new Data('half'), new StreamEnd('ReadError')]))
    t.deepEqual(
      harness(t, script)
        .open()
        .feed(...events('Sa', 'E', 'Sb', 'E', 'X')).shown,
      ['S', 'D:half', 'E', 'S', 'D:half', 'E', 'X'],
    )
  })

  test(`${kind}: what comes after an early answer to a message still arriving goes nowhere`, t => {
    const script = sluice()
      .pipeline('main')
      [kind]()
      .to($ => $.replaceMessageStart(() => new Message('early')))
    const { open, program } = harness(t, script)
    t.deepEqual(open().feed(...events('S', 'D:late', 'E', 'S', 'E', 'X')).shown, [
      ...['S', 'D:early', 'E'],
      ...['S', 'D:early', 'E', 'X'],
    ])
    t.true(program.edges[0]?.isBalanced)
  })

  test(`${kind}: a message that fails ends alone`, t => {
    const script = sluice()
      .pipeline('main')
      [kind]()
      .to($ =>
        $.handleMessageStart(start => {
          if ((start.head as { id: string }).id === 'bad') throw new Error('a bug')
        }),
      )
    const { open, faults } = harness(t, script)
    const { shown } = open().feed(...events('Sa', 'E', 'Sbad', 'D:x', 'E', 'Sc', 'E', 'X'))
    const instead = kind === 'demuxQueue' ? ['S', 'E'] : []
    t.deepEqual(shown, ['S{"id":"a"}', 'E', ...instead, 'S{"id":"c"}', 'E', 'X'])
    t.is(faults.length, 1)
  })

  test(`${kind}: answers that wait for their turn pause their source, and a session that ends lets it go`, async t => {
    const { script, answer } = answering(kind)
    const session = harness(t, script).open()
    session.feed(...events('Sa', 'E', 'Sb', 'E'))
    session.stop()
    await answer('b')
    t.deepEqual(session.shown, [])
    t.false(session.source.isPaused)
  })

  test(`${kind}: messages under way are bounded: the source is paused, and goes on as they are answered`, async t => {
    const { script, answer } = answering(kind)
    const session = harness(t, script).open()
    let sent = 0
    while (!session.source.isPaused && sent < 100_000) session.feed(...events(`S${sent++}`, 'E'))
    t.true(sent <= 1000)
    for (let i = 0; i < sent; i++) void answer(String(i))
    await answer('none')
    t.false(session.source.isPaused)
    t.is(session.output.length, 3 * sent)
  })
}

test('demux: a pipeline that gives no message leaves no trace, and the end of the stream still comes', t => {
  const script = sluice()
    .pipeline('main')
    .demux()
    .to($ => $.dummy())
  const { open, program } = harness(t, script)
  const session = open()
  for (let i = 0; i < 5000; i++) session.feed(...events('S', 'D:x', 'E'))
  t.false(session.source.isPaused)
  session.feed(...events('X'))
  t.deepEqual(session.shown, ['X'])
  t.true(program.edges[0]?.isBalanced)
})

test('demux: messages without an answer do not keep the end back behind one that has', async t => {
  const answer = Promise.withResolvers<Message>()
  const script = sluice()
    .pipeline('main')
    .demux()
    .to($ =>
      $.replaceMessage(message =>
        (message.head as { id: string }).id === 'slow' ? answer.promise : undefined,
      ),
    )
  const session = harness(t, script)
    .open()
    .feed(...events('Sa', 'E', 'Sslow', 'E', 'Sb', 'E', 'X'))
  t.deepEqual(session.shown, [])
  answer.resolve(new Message('late'))
  await session.until(event => event.kind === 3)
  t.deepEqual(session.shown, ['S', 'D:late', 'E', 'X'])
})

test('demuxQueue: a pipeline that gives no message gives an empty one', t => {
  const script = sluice()
    .pipeline('main')
    .demuxQueue()
    .to($ =>
      $.replaceMessage(message => ((message.head as { id: string }).id === 'b' ? new StreamEnd() : message)),
    )
  t.deepEqual(
    harness(t, script)
      .open()
      .feed(...events('Sa', 'E', 'Sb', 'E', 'Sc', 'E', 'X')).shown,
    ['S{"id":"a"}', 'E', 'S', 'E', 'S{"id":"c"}', 'E', 'X'],
  )
})
