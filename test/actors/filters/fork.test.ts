/** fork: copies for other pipelines, which never change, delay or end the traffic that they are copies of. */

import test from 'ava'
import { sluice } from '../../../actors/index.ts'
import { kernel } from '../../../actors/kernel/actor.ts'
import { Data, type Event, MessageStart } from '../../../runtime/event.ts'
import { type Source, turn } from '../../../runtime/turn.ts'
import { events, FakeSource, harness, showEvent } from '../../support/pipeline-harness.ts'

const stream = ['D:', 'D:one', 'S{"path":"/a"}', 'D:two', 'E', 'X']

test('a branch gets a copy of every event, and the events pass on at once', t => {
  const seen: string[] = []
  const script = sluice()
    .pipeline('main')
    .fork()
    .to($ => $.handle(event => void seen.push(showEvent(event))))
  const { open, program } = harness(t, script)
  const session = open()
  const fed = events(...stream)
  session.feed(...fed)
  t.deepEqual(seen, stream)
  t.deepEqual(session.shown, stream)
  const [edge] = program.edges
  t.like(edge?.row(), { kind: 'fork', accepted: 6, delivered: 6, inFlight: 0, dropped: {} })
})

test('what a branch does to its copies does not show in the traffic', t => {
  const script = sluice()
    .pipeline('main')
    .fork()
    .to($ =>
      $.handleData(data => void data.shift(2)).handleMessageStart(start => {
        ;(start.head as { headers: { a: number } }).headers.a = 2
      }),
    )
  const session = harness(t, script)
    .open()
    .feed(...events('D:abcd', 'S{"headers":{"a":1}}', 'E'))
  t.deepEqual(session.shown, ['D:abcd', 'S{"headers":{"a":1}}', 'E'])
})

test('a head that cannot be cloned is copied as far as it goes: the traffic passes all the same', t => {
  const seen: unknown[] = []
  const script = sluice()
    .pipeline('main')
    .fork()
    .to($ => $.handleMessageStart(start => void seen.push(start.head)))
  const head = { path: '/', helper: () => 1 }
  const session = harness(t, script)
    .open()
    .feed(new MessageStart(head), ...events('E'))
  t.is(session.output.length, 2)
  t.deepEqual(seen, [head])
  t.not(seen[0], head)
})

test('what a branch puts out is discarded, its end too', t => {
  const script = sluice()
    .pipeline('main')
    .fork()
    .to($ => $.replace([new Data('x')]))
    .fork()
    .to($ => $.replaceData(new Data('y')).dummy())
  t.deepEqual(
    harness(t, script)
      .open()
      .feed(...events(...stream)).shown,
    stream,
  )
})

test('an array makes one branch per element, each with its values', t => {
  const seen: string[] = []
  const script = sluice({ name: 'none', other: 1 })
    .pipeline('main')
    .fork([{ name: 'a' }, { name: 'b' }, {}])
    .to($ => $.handleData((data, ctx) => void seen.push(`${ctx.name}${ctx.other}:${data}`)))
  harness(t, script)
    .open()
    .feed(...events('D:x', 'D:y'))
  t.deepEqual(seen, ['a1:x', 'b1:x', 'none1:x', 'a1:y', 'b1:y', 'none1:y'])
})

test('initial values may come from a callback, asked once per stream with the context', t => {
  const seen: string[] = []
  let asked = 0
  const script = sluice({ name: 'me', from: '' })
    .pipeline('main')
    .fork(ctx => {
      asked++
      return { from: ctx.name }
    })
    .to($ => $.handleData((_data, ctx) => void seen.push(ctx.from)))
  const { open } = harness(t, script)
  open().feed(...events('D:x', 'D:y'))
  open().feed(...events('D:x'))
  t.deepEqual(seen, ['me', 'me', 'me'])
  t.is(asked, 2)
})

for (const [what, init] of [
  ['throws', () => fails()],
  ['gives text', () => 'text'],
  ['gives a promise', async () => ({})],
] as const) {
  test(`a callback for initial values that ${what} ends the session`, t => {
    const script = sluice()
      .pipeline('main')
      .fork(init as never)
      .to($ => $.dummy())
    const { open, faults } = harness(t, script)
    t.deepEqual(open().feed(...events('D:x')).shown, ['X:RuntimeError'])
    t.is(faults.length, 1)
  })
}

function fails(): never {
  throw new Error('a bug')
}

test('a branch that fails ends alone: the traffic and the other branches go on', t => {
  const seen: string[] = []
  const script = sluice({ name: '' })
    .pipeline('main')
    .fork([{ name: 'bad' }, { name: 'good' }])
    .to($ =>
      $.handleData((data, ctx) => {
        if (ctx.name === 'bad') throw new Error('a bug')
        seen.push(data.toString())
      }),
    )
  const { open, program, faults } = harness(t, script)
  const before = kernel.deadLetters.count
  const session = open().feed(...events('D:a', 'D:b', 'X'))
  t.deepEqual(session.shown, ['D:a', 'D:b', 'X'])
  t.deepEqual(seen, ['a', 'b'])
  t.is(faults.length, 1)
  t.like(program.edges[0]?.row(), { accepted: 6, delivered: 4, deadLettered: 2, inFlight: 0 })
  t.is(program.edges[0]?.row().lastFault?.code, 'RuntimeError')
  t.is(kernel.deadLetters.count - before, 3)
})

test('a session that ends gives its branches the end of the stream, and they finish by themselves', async t => {
  const seen: string[] = []
  const sent = Promise.withResolvers<void>()
  const script = sluice()
    .pipeline('main')
    .fork()
    .to($ => $.replaceMessage(() => sent.promise).handleStreamEnd(end => void seen.push(showEvent(end))))
  const { open, program } = harness(t, script)
  const session = open().feed(...events('S', 'E'))
  session.stop()
  t.deepEqual(seen, [])
  let isDrained = false
  const drained = program.drain().then(() => {
    isDrained = true
  })
  await Promise.resolve()
  t.false(isDrained, 'draining waits for the copy that is still being sent')
  sent.resolve()
  await drained
  t.deepEqual(seen, ['X'])
})

/** A branch in which something has too much to send from the first bytes on. */
const slowBranch = (policy: 'drop' | 'block', window: number | string = '1m') => {
  const seen: string[] = []
  const paused: Source[] = []
  const script = sluice()
    .pipeline('main')
    .fork(undefined, { policy, window })
    .to($ =>
      $.handle((event: Event) => {
        seen.push(showEvent(event))
        if (paused.length > 0 || turn.source === null) return
        turn.source.pause()
        paused.push(turn.source)
      }),
    )
  return { script, seen, resume: () => paused[0]?.resume() }
}

test('policy drop: a slow branch never pauses the traffic; copies wait within the window', t => {
  const { script, seen, resume } = slowBranch('drop')
  const { open, program } = harness(t, script)
  const session = open().feed(...events('D:a', 'D:b', 'S', 'E'))
  t.false(session.source.isPaused)
  t.deepEqual(seen, ['D:a'])
  t.like(program.edges[0]?.row(), { accepted: 4, delivered: 1, inFlight: 3 })
  resume()
  t.deepEqual(seen, ['D:a', 'D:b', 'S', 'E'])
  t.like(program.edges[0]?.row(), { accepted: 4, delivered: 4, inFlight: 0 })
})

test('policy drop: beyond the window the branch ends with BufferOverflow, and the drops are counted', t => {
  const { script, seen } = slowBranch('drop', 300)
  const { open, program } = harness(t, script)
  const session = open()
  for (let i = 0; i < 10; i++) session.feed(new Data('x'.repeat(50)))
  t.is(session.output.length, 10)
  t.is(seen.length, 2)
  t.is(seen[1], 'X:BufferOverflow')
  const row = program.edges[0]?.row()
  t.like(row, { accepted: 11, delivered: 2, inFlight: 0, dropped: { overflow: 9 } })
  t.true(program.edges[0]?.isBalanced)
})

test('policy drop: a branch that fell behind starts over with the next message once it has caught up', t => {
  const { script, seen, resume } = slowBranch('drop', 300)
  const { open, program } = harness(t, script)
  const session = open()
  for (let i = 0; i < 10; i++) session.feed(...events(`S{"n":${i}}`, 'E'))
  t.deepEqual(seen, ['S{"n":0}', 'X:BufferOverflow'])
  resume()
  session.feed(...events('D:outside', 'S{"n":10}', 'D:x', 'E'))
  t.deepEqual(seen.slice(2), ['S{"n":10}', 'D:x', 'E'])
  t.true(program.edges[0]?.isBalanced)
  t.false(session.source.isPaused)
})

test('policy block: a slow branch pauses the traffic that it copies', t => {
  const { script, seen, resume } = slowBranch('block')
  const session = harness(t, script)
    .open()
    .feed(...events('D:a', 'D:b'))
  t.true(session.source.isPaused)
  t.deepEqual(seen, ['D:a', 'D:b'])
  resume()
  t.false(session.source.isPaused)
})

test('maxBranches bounds what a target that does not finish can cost', t => {
  const script = sluice()
    .pipeline('main')
    .fork(undefined, { maxBranches: 2 })
    .to($ => $.replaceStreamEnd())
  const { open, program } = harness(t, script)
  for (let i = 0; i < 5; i++) {
    const session = open().feed(...events('D:x', 'X'))
    t.deepEqual(session.shown, ['D:x', 'X'])
    session.stop()
  }
  t.like(program.edges[0]?.row(), { accepted: 10, delivered: 4, dropped: { branches: 6 } })
})

test('a branch that ends is finished: its place is free for the next session', t => {
  for (const branch of [
    ($: never) => $,
    ($: { muxQueue(): { to(target: unknown): unknown } }) => $.muxQueue().to(($: never) => $),
    ($: { demux(): { to(target: unknown): unknown } }) =>
      $.demux().to(($: { dummy(): unknown }) => $.dummy()),
    ($: { demuxQueue(): { to(target: unknown): unknown } }) => $.demuxQueue().to(($: never) => $),
  ]) {
    const script = sluice()
      .pipeline('main')
      .fork(undefined, { maxBranches: 1 })
      .to(branch as never)
    const { open, program } = harness(t, script)
    for (let i = 0; i < 5; i++)
      open()
        .feed(...events('S', 'E'))
        .stop()
    t.deepEqual(program.edges.find(edge => edge.kind === 'fork')?.row().dropped, {})
  }
})

test('a turn goes on with its own source after a copy was given', t => {
  const script = sluice()
    .pipeline('main')
    .fork()
    .to($ => $.dummy())
    .handle(() => {
      t.true(turn.source instanceof FakeSource)
    })
  harness(t, script)
    .open()
    .feed(...events('D:x', 'X'))
})
