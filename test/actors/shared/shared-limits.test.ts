/** What a slow shared pipeline costs: windows bound what waits for it, and policies say who gives way. */

import test from 'ava'
import { sluice } from '../../../actors/index.ts'
import type { Message } from '../../../runtime/event.ts'
import { turn } from '../../../runtime/turn.ts'
import { Occurrences } from '../../support/occurrences.ts'
import { events, harness } from '../../support/pipeline-harness.ts'

/** Deadlines let the process end: a test that waits for one keeps it up. */
const keepUp = setInterval(() => {}, 1000)
test.after(() => clearInterval(keepUp))

const text = (message: Message): string => message.body?.toString() ?? ''

/** A shared pipeline whose sink has too much to send from the first message on, as a slow connection would. */
const withSlowSink = (policy: 'drop' | 'block', more: { maxIdle?: string } = {}) => {
  const taken: string[] = []
  const sources: { pause(): void; resume(): void }[] = []
  const script = sluice()
    .pipeline('main')
    .fork(undefined, { policy })
    .to('log')
    .pipeline('log', { placement: 'node', ...more })
    .handleMessage(message => {
      taken.push(text(message))
      if (turn.source === null) return
      if (sources.length === 0) turn.source.pause()
      sources.push(turn.source)
    })
  return { script, taken, resume: () => sources[0]?.resume() }
}

test('policy drop: a slow sink fills the window, and what is over it is dropped and counted', t => {
  const { script, taken, resume } = withSlowSink('drop')
  const { open, edge } = harness(t, script)
  const session = open()
  for (let i = 0; i < 3000; i++) session.feed(...events('S', `D:${i}`, 'E'))
  t.false(session.source.isPaused, 'a mirror never delays the traffic')
  t.deepEqual(taken, ['0'])
  t.like(edge('log').row(), { accepted: 3000, delivered: 1, inFlight: 1024, dropped: { window: 1975 } })
  t.true(edge('log').isBalanced)
  resume()
  t.is(taken.length, 1025)
  t.like(edge('log').row(), { accepted: 3000, delivered: 1025, inFlight: 0, dropped: { window: 1975 } })
  session.feed(...events('S', 'D:next', 'E'))
  t.is(taken.at(-1), 'next')
})

test('policy drop: the window is in bytes as well', t => {
  const { script, resume } = withSlowSink('drop')
  const { open, edge } = harness(t, script)
  const session = open()
  const body = 'x'.repeat(100_000)
  for (let i = 0; i < 50; i++) session.feed(...events('S', `D:${body}`, 'E'))
  t.like(edge('log').row(), { delivered: 1, inFlight: 10, dropped: { window: 39 } })
  resume()
  t.like(edge('log').row(), { delivered: 11, inFlight: 0 })
})

test('policy block: a slow sink pauses the source once the window is full, and nothing is lost', t => {
  const { script, taken, resume } = withSlowSink('block')
  const { open, edge } = harness(t, script)
  const session = open()
  let sent = 0
  while (!session.source.isPaused) session.feed(...events('S', `D:${sent++}`, 'E'))
  t.is(sent, 1026)
  t.like(edge('log').row(), { accepted: sent, delivered: 1, inFlight: sent - 1, dropped: {} })
  resume()
  t.false(session.source.isPaused)
  t.deepEqual(
    taken,
    Array.from({ length: sent }, (_, i) => String(i)),
  )
  t.like(edge('log').row(), { accepted: sent, delivered: sent, inFlight: 0 })
})

test('policy block without a source: what cannot be paused has a limit, in messages and in bytes', t => {
  const { script } = withSlowSink('block')
  const { open, edge } = harness(t, script)
  const session = open()
  const feed = (...words: string[]): void => {
    for (const event of events(...words)) session.deliver(session.first, event, null)
  }
  for (let i = 0; i < 3000; i++) feed('S', 'E')
  t.like(edge('log').row(), { accepted: 3000, delivered: 1, inFlight: 2048, dropped: { window: 951 } })
  t.true(edge('log').isBalanced)
  const large = withSlowSink('block')
  const second = harness(t, large.script)
  const other = second.open()
  for (let i = 0; i < 50; i++)
    for (const event of events('S', `D:${'x'.repeat(100_000)}`, 'E')) other.deliver(other.first, event, null)
  t.like(second.edge('log').row(), { delivered: 1, inFlight: 20, dropped: { window: 29 } })
})

test('an actor whose sink is slow is not idle, however long it takes', async t => {
  const { script, taken, resume } = withSlowSink('block', { maxIdle: '1ms' })
  const { open, edge } = harness(t, script)
  const session = open().feed(...events('S', 'D:0', 'E', 'S', 'D:1', 'E'))
  const other = new Occurrences<string>()
  harness(
    t,
    sluice()
      .pipeline('main')
      .wait(() => false, { timeout: '600ms' })
      .handleData(() => other.add('late')),
  )
    .open()
    .feed(...events('D:x'))
  await other.next()
  resume()
  t.deepEqual(taken, ['0', '1'])
  t.like(edge('log').row(), { delivered: 2 })
  t.false(session.isStopped)
})
