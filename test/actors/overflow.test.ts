/** What much at once does to pipelines: nothing is lost in the middle of a stream, however it comes. */

import test from 'ava'
import { sluice } from '../../actors/index.ts'
import { kernel } from '../../actors/kernel/actor.ts'
import { Data, Message } from '../../runtime/event.ts'
import { events, harness, type TestSession } from '../support/pipeline-harness.ts'

const text = (session: TestSession): string =>
  session.output.map(event => (event.kind === 0 ? event.toString() : '')).join('')

const letters = 'abcdefghij'.repeat(2000)
const script = sluice()
  .pipeline('main')
  .link('split')
  .pipeline('split')
  .replaceData(data => [...data.toString()].map(letter => new Data(letter)))

test('one read that a linked pipeline makes 20,000 events of comes out whole, with its source paused meanwhile', async t => {
  const before = kernel.deadLetters.count
  const session = harness(t, script).open()
  session.feed(new Data(letters), ...events('X'))
  t.is(text(session), letters)
  t.is(session.shown.at(-1), 'X')
  t.is(kernel.deadLetters.count, before)
  await Promise.resolve()
  t.false(session.source.isPaused)
})

test('the same in a turn that no socket started, like that of a task', t => {
  const session = harness(t, script).open()
  session.enter(new Data(letters), null)
  t.is(text(session), letters)
})

test('an answer much larger than a mailbox comes through a pipeline of its own whole', t => {
  const body = 'x'.repeat(8 * 1024 * 1024)
  const large = sluice()
    .pipeline('main')
    .demuxQueue()
    .to($ => $.replaceMessage(() => new Message(body)))
  const session = harness(t, large).open()
  for (const event of events('S', 'E', 'X')) session.enter(event, null)
  t.is(text(session).length, body.length)
  t.is(session.shown.at(-1), 'X')
})

test('what a script makes without end ends the pipeline that it overruns with BufferOverflow', t => {
  const endless = sluice()
    .pipeline('main')
    .link('burst')
    .pipeline('burst')
    .replaceData(() => Array.from({ length: 300_000 }, () => new Data('x')))
  const { open, faults } = harness(t, endless)
  const session = open().feed(new Data('go'))
  t.is(session.shown.at(-1), 'X:BufferOverflow')
  t.true(session.isStopped)
  t.is(faults.length, 1)
  t.is(kernel.depth, 0)
})
