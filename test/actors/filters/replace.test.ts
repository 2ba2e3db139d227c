/** The replace family: what is replaced, by what, and what becomes of the rest of the stream. */

import test from 'ava'
import { sluice } from '../../../actors/index.ts'
import { Data, type Event, Message, MessageEnd, MessageStart, StreamEnd } from '../../../runtime/event.ts'
import { events, harness, showEvent } from '../../support/pipeline-harness.ts'

const stream = ['D:', 'S{"path":"/a"}', 'D:one', 'D:', 'D:two', 'E{"t":1}', 'D:between', 'S', 'E', 'X']

type Method = 'replace'
const by = (name: string, ...replacement: unknown[]) =>
  sluice()
    .pipeline('main')
    [name as Method](...(replacement as []))

/** What comes out of the stream above when the replacement is the text R. */
const replaced: Record<string, string[]> = {
  replace: Array.from(stream, () => 'D:R'),
  replaceStreamStart: ['D:R', ...stream.slice(1)],
  replaceData: ['D:', 'S{"path":"/a"}', 'D:R', 'D:', 'D:R', 'E{"t":1}', 'D:R', 'S', 'E', 'X'],
  replaceMessageStart: ['D:', 'D:R', 'D:one', 'D:', 'D:two', 'E{"t":1}', 'D:between', 'D:R', 'E', 'X'],
  replaceMessageEnd: ['D:', 'S{"path":"/a"}', 'D:one', 'D:', 'D:two', 'D:R', 'D:between', 'S', 'D:R', 'X'],
  replaceStreamEnd: [...stream.slice(0, -1), 'D:R'],
  replaceMessageBody: ['D:', 'S{"path":"/a"}', 'D:R', 'E{"t":1}', 'D:between', 'S', 'D:R', 'E', 'X'],
  replaceMessage: ['D:', 'D:R', 'D:between', 'D:R', 'X'],
}

const gone = (expected: readonly string[]): string[] => expected.filter(event => event !== 'D:R')

for (const [name, expected] of Object.entries(replaced)) {
  const run = (t: Parameters<typeof harness>[0], ...replacement: unknown[]): string[] =>
    harness(t, by(name, ...replacement))
      .open()
      .feed(...events(...stream)).shown

  test(`${name} takes an event, and what a callback gives`, t => {
    t.deepEqual(run(t, new Data('R')), expected)
    t.deepEqual(
      run(t, () => new Data('R')),
      expected,
    )
  })

  test(`${name} takes nothing, null and undefined as nothing: the event is dropped`, t => {
    t.deepEqual(run(t), gone(expected))
    t.deepEqual(run(t, null), gone(expected))
    t.deepEqual(
      run(t, () => undefined),
      gone(expected),
    )
    t.deepEqual(
      run(t, () => [null, undefined]),
      gone(expected),
    )
  })

  test(`${name} takes a Message as its events, and arrays of all that`, t => {
    const message = new Message({ x: 1 }, 'body', { y: 2 })
    const asEvents = ['S{"x":1}', 'D:body', 'E{"y":2}']
    const inPlace = (put: string[]): string[] => expected.flatMap(event => (event === 'D:R' ? put : [event]))
    t.deepEqual(run(t, message), inPlace(asEvents))
    t.deepEqual(run(t, [null, message, new Data('+')]), inPlace([...asEvents, 'D:+']))
    t.deepEqual(run(t, new Message()), inPlace(['S', 'E']))
  })

  test(`${name}: events wait in order for a promise`, async t => {
    const pending: PromiseWithResolvers<unknown>[] = []
    const session = harness(
      t,
      by(name, () => {
        const next = Promise.withResolvers<unknown>()
        pending.push(next)
        return next.promise
      }),
    ).open()
    session.feed(...events(...stream))
    t.is(pending.length, 1)
    for (let settled = 0; settled < pending.length; settled++) {
      t.deepEqual(session.shown, expected.slice(0, session.output.length))
      pending[settled]?.resolve(new Data('R'))
      await new Promise(setImmediate)
    }
    t.deepEqual(session.shown, expected)
  })

  for (const [what, callback] of [
    ['throws', () => Promise.resolve(assertFails())],
    ['gives a rejected promise', () => Promise.reject(new Error('a bug'))],
    ['gives what is no event', () => 42],
    ['gives a promise of what is no event', async () => ({ head: {} })],
    ['gives an array with what is no event', () => [new Data('R'), 'text']],
  ] as const) {
    test(`${name}: a callback that ${what} ends this session alone`, async t => {
      const { open, faults } = harness(t, by(name, callback))
      const other = open()
      const session = open().feed(...events(...stream))
      await session.until(event => event.kind === 3 && event.error !== '')
      t.is(session.shown.at(-1), 'X:RuntimeError')
      t.is(faults.length, 1)
      t.false(other.isStopped)
    })
  }

  test(`${name} refuses a literal that is no event when the script is read`, t => {
    t.throws(() => harness(t, by(name, { status: 404 })), {
      code: 'BadOption',
      message: new RegExp(`${name} wants an event.*got an object \\(Object\\)`),
    })
  })
}

function assertFails(): never {
  throw new Error('a bug')
}

test('a callback is given what is replaced, and the context', t => {
  const seen: string[] = []
  const script = sluice({ name: 'ctx' })
    .pipeline('main')
    .replaceMessage((message, ctx) => {
      seen.push(`${JSON.stringify(message.head)} ${message.body} ${ctx.name}`)
      return message
    })
    .replaceMessageBody(body => new Data(`${body}!`))
    .replaceMessageStart(start => new MessageStart({ ...start.head, b: 2 }))
    .replaceMessageEnd(() => new MessageEnd({ t: 1 }))
    .replaceStreamEnd(end => new StreamEnd(end.error === '' ? 'ReadError' : ''))
  const session = harness(t, script)
    .open()
    .feed(...events('S{"a":1}', 'D:x', 'D:y', 'E', 'X'))
  t.deepEqual(seen, ['{"a":1} xy ctx'])
  t.deepEqual(session.shown, ['S{"a":1,"b":2}', 'D:xy!', 'E{"t":1}', 'X:ReadError'])
})

test('a literal replacement is put out anew each time: what later filters take of it is not gone', t => {
  const script = sluice()
    .pipeline('main')
    .replaceMessage(new Message({ status: 404 }, 'No such thing'))
    .handleData(data => void data.shift(3))
  const session = harness(t, script)
    .open()
    .feed(...events('S', 'E', 'S', 'E'))
  t.deepEqual(
    session.shown.filter(event => event.startsWith('D')),
    ['D:such thing', 'D:such thing'].map(e => e.replace('D:', 'D:')),
  )
})

for (const name of [
  'replace',
  'replaceData',
  'replaceMessageStart',
  'replaceMessage',
  'replaceMessageBody',
]) {
  test(`${name}: nothing follows a StreamEnd that a script puts in`, t => {
    const seen: string[] = []
    const stage = by(name, () => [new Data('last'), new StreamEnd(), new Data('never')])
    const session = harness(
      t,
      stage.handle(event => void seen.push(showEvent(event as Event))),
    ).open()
    session.feed(...events('S', 'D:x', 'E', 'S', 'D:y', 'E', 'X'))
    t.is(seen.filter(event => event === 'X').length, 1)
    t.is(seen.at(-1), 'X')
    t.deepEqual(session.shown, seen)
  })
}

test('a body over bodyLimit ends the stream with BufferOverflow, and nothing follows', t => {
  for (const name of ['replaceMessage', 'replaceMessageBody'] as const) {
    const seen: string[] = []
    const script = sluice()
      .pipeline('main')
      [name](() => undefined, { bodyLimit: 4 })
      .handle(event => void seen.push(showEvent(event)))
    harness(t, script)
      .open()
      .feed(...events('S', 'D:abcde', 'E', 'S', 'E', 'X'))
    t.is(seen.at(-1), 'X:BufferOverflow')
    t.is(seen.filter(event => event.startsWith('X')).length, 1)
  }
})

test('the older form with the limit in front means the same', t => {
  const script = sluice().pipeline('main') as unknown as { replaceMessage(...args: unknown[]): unknown }
  const session = harness(
    t,
    script.replaceMessage('1k', () => new Data('R')),
  )
    .open()
    .feed(...events('S', `D:${'x'.repeat(1024)}`, 'E', 'S', `D:${'x'.repeat(1025)}`, 'E'))
  t.deepEqual(session.shown, ['D:R', 'X:BufferOverflow'])
})

test('an orderly end of the stream ends the message that is open; a broken one does not', t => {
  const whole = sluice()
    .pipeline('main')
    .replaceMessage(message => new Data(`<${message.body}>`))
  const body = sluice()
    .pipeline('main')
    .replaceMessageBody(each => new Data(`<${each}>`))
  const fed = (script: unknown, ...words: string[]): string[] =>
    harness(t, script)
      .open()
      .feed(...events(...words)).shown
  t.deepEqual(fed(whole, 'S', 'D:a', 'X'), ['D:<a>', 'X'])
  t.deepEqual(fed(body, 'S', 'D:a', 'X'), ['S', 'D:<a>', 'E', 'X'])
  t.deepEqual(fed(whole, 'S', 'D:a', 'X:ReadError'), ['X:ReadError'])
  t.deepEqual(fed(body, 'S', 'D:a', 'X:ReadError'), ['S', 'X:ReadError'])
})
