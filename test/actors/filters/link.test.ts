/** link and branch: the way is chosen once, what came before waits, and the context is the same on every way. */

import test from 'ava'
import { sluice } from '../../../actors/index.ts'
import { Data, type Event } from '../../../runtime/event.ts'
import { events, harness } from '../../support/pipeline-harness.ts'

const marks = (mark: string) => (event: Event) => (event.kind === 0 ? new Data(`${mark}${event}`) : event)

test('link sends the stream through another pipeline and puts out what comes out of it', t => {
  const script = sluice().pipeline('main').link('sub').pipeline('sub').replace(marks('sub:'))
  const { open, edge } = harness(t, script)
  const session = open().feed(...events('D:a', 'S', 'D:b', 'E', 'X'))
  t.deepEqual(session.shown, ['D:sub:a', 'S', 'D:sub:b', 'E', 'X'])
  t.like(edge('sub').row(), { kind: 'link', accepted: 5, delivered: 5 })
})

test('link takes the first target whose condition holds, for good', t => {
  const asked: string[] = []
  const script = sluice({ kind: '' })
    .pipeline('main')
    .handleData((data, ctx) => {
      ctx.kind = data.toString()
    })
    .link(
      'one',
      ctx => asked.push('one') && ctx.kind === 'one',
      'two',
      ctx => asked.push('two') && ctx.kind === 'two',
    )
    .pipeline('one')
    .replace(marks('1:'))
    .pipeline('two')
    .replace(marks('2:'))
  const session = harness(t, script)
    .open()
    .feed(...events('S', 'D:none', 'D:two', 'D:one', 'E', 'X'))
  t.deepEqual(session.shown, ['S', 'D:2:none', 'D:2:two', 'D:2:one', 'E', 'X'])
  t.deepEqual(asked, ['one', 'two', 'one', 'two', 'one', 'two'])
})

test('link without a condition is always taken; an empty name passes straight on', t => {
  const script = sluice({ direct: false })
    .pipeline('main')
    .handleStreamStart((event, ctx) => {
      ctx.direct = event.kind === 1
    })
    .link('', ctx => ctx.direct, 'sub')
    .pipeline('sub')
    .replace(marks('sub:'))
  const { open } = harness(t, script)
  t.deepEqual(open().feed(...events('S', 'D:a', 'E')).shown, ['S', 'D:a', 'E'])
  t.deepEqual(open().feed(...events('D:a')).shown, ['D:sub:a'])
})

test('what waits for a choice that never comes goes nowhere; the end of the stream passes', t => {
  const script = sluice()
    .pipeline('main')
    .link('sub', () => false)
    .pipeline('sub')
    .replace()
  const session = harness(t, script)
    .open()
    .feed(...events('D:a', 'S', 'E', 'X'))
  t.deepEqual(session.shown, ['X'])
  t.false(session.source.isPaused)
})

test('what waits for a choice is bounded: the source is paused at 64 KiB, and goes on when the way is known', t => {
  const script = sluice({ isReady: false })
    .pipeline('main')
    .link('sub', ctx => ctx.isReady)
    .pipeline('sub')
    .handle(() => {})
  const session = harness(t, script).open()
  session.feed(...events(`D:${'x'.repeat(70_000)}`))
  t.true(session.source.isPaused)
  session.context.isReady = true
  session.feed(...events('D:go'))
  t.false(session.source.isPaused)
  t.is(session.output.length, 2)
})

test('branch has the condition in front, a last target for the rest, and takes $ => $… as well as names', t => {
  const script = sluice({ kind: '' })
    .pipeline('main')
    .handleData((data, ctx) => {
      ctx.kind = data.toString()
    })
    .branch(
      ctx => ctx.kind === 'a',
      $ => $.replace(marks('A')),
      ctx => ctx.kind === 'b',
      'named',
      $ => $.replace(marks('other ')),
    )
    .pipeline('named')
    .replace(marks('B'))
  const { open } = harness(t, script)
  t.deepEqual(open().feed(...events('D:a', 'D:b')).shown, ['D:Aa', 'D:Ab'])
  t.deepEqual(open().feed(...events('D:b', 'D:a')).shown, ['D:Bb', 'D:Ba'])
  t.deepEqual(open().feed(...events('D:c', 'D:a')).shown, ['D:other c', 'D:other a'])
})

test('a linked pipeline that fails ends the stream that it serves, and no other', t => {
  const script = sluice()
    .pipeline('main')
    .link('sub')
    .pipeline('sub')
    .handleData(data => {
      if (data.toString() === 'bad') throw new Error('a bug')
    })
  const { open, faults } = harness(t, script)
  const other = open().feed(...events('D:ok'))
  const session = open().feed(...events('D:ok', 'D:bad', 'D:late'))
  t.deepEqual(session.shown, ['D:ok', 'X:RuntimeError'])
  t.is(faults.length, 1)
  other.feed(...events('D:ok'))
  t.deepEqual(other.shown, ['D:ok', 'D:ok'])
})

test('a condition that throws ends the session', t => {
  const script = sluice()
    .pipeline('main')
    .branch(
      () => {
        throw new Error('a bug')
      },
      $ => $.dummy(),
    )
  t.deepEqual(
    harness(t, script)
      .open()
      .feed(...events('D:a')).shown,
    ['X:RuntimeError'],
  )
})

test('pipelines may link to each other in circles: the depth of the stack is bounded', t => {
  const script = sluice({ hops: 0 })
    .pipeline('main')
    .handleData((_data, ctx) => void ctx.hops++)
    .branch(
      ctx => ctx.hops < 1000,
      'main',
      $ => $.replace(marks('end:')),
    )
  const session = harness(t, script)
    .open()
    .feed(...events('D:x', 'X'))
  t.deepEqual(session.shown, ['D:end:x', 'X'])
})
