/** Pipelines with placement 'node' on one thread: one actor for all sessions, whatever becomes of them and of it. */

import test from 'ava'
import { sluice } from '../../../actors/index.ts'
import { kernel } from '../../../actors/kernel/actor.ts'
import { after } from '../../../runtime/clock.ts'
import { type Event, type Message, MessageStart, StreamEnd } from '../../../runtime/event.ts'
import { turn } from '../../../runtime/turn.ts'
import { Occurrences } from '../../support/occurrences.ts'
import { events, harness, showEvent } from '../../support/pipeline-harness.ts'

const text = (message: Message): string => message.body?.toString() ?? ''

test('all sessions share one actor, whose variables outlive them', t => {
  const seen: string[] = []
  const script = sluice({ count: 0 })
    .pipeline('main')
    .fork()
    .to('log')
    .pipeline('log', { placement: 'node' })
    .handleMessage((message, ctx) => void seen.push(`${++ctx.count} ${text(message)}`))
  const { open, edge } = harness(t, script)
  const first = open()
  first.feed(...events('S', 'D:a', 'D:b', 'E', 'X'))
  first.stop()
  open().feed(...events('S', 'D:c', 'E', 'S', 'E'))
  t.deepEqual(seen, ['1 ab', '2 c', '3 '])
  t.like(edge('log').row(), { accepted: 3, delivered: 3, inFlight: 0 })
})

test('the traffic passes the fork unchanged and at once', t => {
  const script = sluice()
    .pipeline('main')
    .fork()
    .to('log')
    .pipeline('log', { placement: 'node' })
    .replaceMessage(() => undefined)
  const session = harness(t, script).open()
  session.feed(...events('S{"path":"/"}', 'D:a', 'E', 'X'))
  t.deepEqual(session.shown, ['S{"path":"/"}', 'D:a', 'E', 'X'])
})

test('each key has an actor of its own', t => {
  const seen: string[] = []
  const script = sluice({ tenant: '', count: 0 })
    .pipeline('main')
    .handleMessageStart((start, ctx) => {
      ctx.tenant = (start.head as { id: string }).id
    })
    .fork()
    .to('log')
    .pipeline('log', { placement: 'node', key: ctx => ctx.tenant })
    .handleMessage((message, ctx) => {
      const { id } = message.head as { id: string }
      seen.push(`${id} ${++ctx.count}`)
    })
  harness(t, script)
    .open()
    .feed(...events('Sa', 'E', 'Sb', 'E', 'Sa', 'E', 'Sc', 'E', 'Sa', 'E'))
  t.deepEqual(seen, ['a 1', 'b 1', 'a 2', 'c 1', 'a 3'])
})

test('what is sent is the message as it came, not what filters behind the fork made of it', t => {
  const seen: string[] = []
  const script = sluice()
    .pipeline('main')
    .fork()
    .to('log')
    .handleMessageStart(start => {
      ;(start.head as { headers: { a: string } }).headers.a = 'changed'
    })
    .pipeline('log', { placement: 'node' })
    .handleMessage(message => void seen.push(JSON.stringify(message.head)))
  const session = harness(t, script).open()
  session.feed(...events('S{"headers":{"a":"asked"}}', 'D:x', 'E'))
  t.deepEqual(seen, ['{"headers":{"a":"asked"}}'])
  t.is(session.shown[0], 'S{"headers":{"a":"changed"}}')
})

test('what cannot be sent is dropped and counted; the traffic goes on', t => {
  const seen: string[] = []
  const script = sluice()
    .pipeline('main')
    .fork()
    .to('log')
    .pipeline('log', { placement: 'node' })
    .handleMessage(message => void seen.push(text(message)))
  const { open, edge } = harness(t, script)
  const loop: { self?: unknown } = {}
  loop.self = loop
  const session = open()
  session.feed(new MessageStart(loop), ...events('D:x', 'E', 'S', 'D:y', 'E'))
  t.deepEqual(seen, ['y'])
  t.is(session.output.length, 6)
  t.like(edge('log').row(), { accepted: 2, delivered: 1, dropped: { unsendable: 1 } })
  t.is(edge('log').row().lastFault?.code, 'RuntimeError')
  t.true(edge('log').isBalanced)
})

test('a key that throws ends its session, and the message is accounted for', t => {
  const script = sluice()
    .pipeline('main')
    .fork()
    .to('log')
    .pipeline('log', {
      placement: 'node',
      key: () => {
        throw new Error('no key')
      },
    })
    .dummy()
  const { open, edge, faults } = harness(t, script)
  const session = open().feed(...events('S', 'E'))
  t.deepEqual(session.shown, ['S', 'X:RuntimeError'])
  t.regex(faults[0]?.message ?? '', /no key/)
  t.like(edge('log').row(), { accepted: 1, dropped: { 'no-key': 1 } })
})

test('a message that its session did not finish is counted, and so is one that is too large', t => {
  const script = sluice()
    .pipeline('main')
    .fork(undefined, { window: 10 })
    .to('log')
    .pipeline('log', { placement: 'node' })
    .dummy()
  const { open, edge } = harness(t, script)
  const session = open().feed(...events('S', 'D:12345678901', 'E', 'S', 'D:1'))
  session.stop()
  t.like(edge('log').row(), { accepted: 2, delivered: 0, dropped: { 'too-large': 1, incomplete: 1 } })
})

test('a throw ends this actor alone; the next one has a new incarnation and fresh variables', async t => {
  const seen = new Occurrences<string>()
  const script = sluice({ count: 0 })
    .pipeline('main')
    .fork()
    .to('log')
    .pipeline('log', { placement: 'node' })
    .handleMessage((message, ctx) => {
      if (text(message) === 'poison') throw new Error('cannot take this')
      seen.add(`${++ctx.count} ${text(message)}`)
    })
  const { open, edge, faults } = harness(t, script)
  const before = kernel.deadLetters.count
  const session = open().feed(
    ...events('S', 'D:one', 'E', 'S', 'D:poison', 'E', 'S', 'D:two', 'E', 'S', 'D:three', 'E'),
  )
  t.deepEqual(seen.seen, ['1 one'])
  t.like(edge('log').row(), { accepted: 4, delivered: 2, inFlight: 2 })
  t.is(session.output.length, 12, 'the traffic is not touched')
  t.regex(faults[0]?.message ?? '', /cannot take this/)
  t.is(kernel.deadLetters.count, before + 1)
  t.like(kernel.deadLetters.recent().at(-1), { to: 'log/log', reason: 'failed', message: 'MessageEnd' })
  // It comes back after a while, and what came meanwhile has waited.
  await seen.next(line => line === '2 three')
  t.deepEqual(seen.seen, ['1 one', '1 two', '2 three'])
  t.like(edge('log').row(), { accepted: 4, delivered: 4, inFlight: 0 })
})

test('the rest of a message on which the actor failed is given to nobody', t => {
  const seen: string[] = []
  const script = sluice()
    .pipeline('main')
    .fork()
    .to('log')
    .pipeline('log', { placement: 'node' })
    .handle(event => {
      seen.push(showEvent(event as Event))
      if (event.type === 'MessageStart') throw new Error('at once')
    })
  const before = kernel.deadLetters.count
  harness(t, script)
    .open()
    .feed(...events('S', 'D:x', 'E'))
  t.deepEqual(seen, ['S'])
  t.is(kernel.deadLetters.count, before + 1)
})

test('an actor that ends in order is there again with the next message, without a wait', t => {
  const seen: string[] = []
  const script = sluice({ count: 0 })
    .pipeline('main')
    .fork()
    .to('log')
    .pipeline('log', { placement: 'node' })
    .handleMessage((message, ctx) => void seen.push(`${++ctx.count} ${text(message)}`))
    .replaceMessage(() => new StreamEnd())
  harness(t, script)
    .open()
    .feed(...events('S', 'D:a', 'E', 'S', 'D:b', 'E'))
  t.deepEqual(seen, ['1 a', '1 b'])
})

/** A shared pipeline whose sink has too much to send from the first message on, as a slow connection would. */
const withSlowSink = (policy: 'drop' | 'block') => {
  const taken: string[] = []
  const sources: { pause(): void; resume(): void }[] = []
  const script = sluice()
    .pipeline('main')
    .fork(undefined, { policy })
    .to('log')
    .pipeline('log', { placement: 'node' })
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

test('when the node stops, a shared pipeline gets the end of its stream and writes what it has gathered', async t => {
  const written: string[] = []
  const script = sluice({ batch: [] as string[] })
    .pipeline('main')
    .fork()
    .to('log')
    .pipeline('log', { placement: 'node' })
    .handleStreamStart((_start, ctx) => {
      ctx.batch = []
    })
    .handleMessage((message, ctx) => void ctx.batch.push(text(message)))
    .handleStreamEnd((_end, ctx) => void written.push(ctx.batch.join()))
  const { open, nodeHost, edge } = harness(t, script)
  open().feed(...events('S', 'D:a', 'E', 'S', 'D:b', 'E'))
  t.deepEqual(written, [])
  await nodeHost.flush(60_000)
  t.deepEqual(written, ['a,b'])
  open().feed(...events('S', 'D:late', 'E'))
  t.like(edge('log').row(), { accepted: 3, delivered: 2, deadLettered: 1, inFlight: 0 })
})

test('a shared pipeline that does not end in time is stopped', async t => {
  const script = sluice()
    .pipeline('main')
    .fork()
    .to('log')
    .pipeline('log', { placement: 'node' })
    .replaceStreamEnd()
  const { open, nodeHost } = harness(t, script)
  open().feed(...events('S', 'E'))
  await nodeHost.flush(1)
  t.pass()
})

test('what waits for an actor that rests is a dead letter when the node stops', async t => {
  const script = sluice()
    .pipeline('main')
    .fork()
    .to('log')
    .pipeline('log', { placement: 'node' })
    .handleMessage(() => {
      throw new Error('always')
    })
  const { open, nodeHost, edge } = harness(t, script)
  open().feed(...events('S', 'E', 'S', 'E', 'S', 'E'))
  t.like(edge('log').row(), { delivered: 1, inFlight: 2 })
  await nodeHost.flush(60_000)
  t.like(edge('log').row(), { delivered: 1, inFlight: 0, deadLettered: 2 })
  t.true(edge('log').isBalanced)
})

test('a fork of bytes to a shared pipeline is refused when the script is read', t => {
  const script = sluice().listen(0).fork().to('log').pipeline('log', { placement: 'node' }).dummy()
  t.throws(() => harness(t, script), { code: 'ScriptError', message: /takes messages, and here are bytes/ })
})

test('filters that wait for answers refuse a shared pipeline when the script is read', t => {
  for (const name of ['demux', 'mux', 'link'] as const) {
    const begun = sluice().pipeline('main')
    const script = name === 'link' ? begun.link('log') : begun[name]().to('log')
    t.throws(() => harness(t, script.pipeline('log', { placement: 'node' }).dummy()), {
      code: 'BadOption',
      message: new RegExp(`${name} waits for answers.*'log' has placement 'node'.*use fork`),
    })
  }
})

test('an actor that got no message for its maxIdle ends its stream and is forgotten; the next message begins a new one', async t => {
  const seen: string[] = []
  const ended = new Occurrences<string>()
  const script = sluice({ count: 0 })
    .pipeline('main')
    .fork()
    .to('log')
    .pipeline('log', { placement: 'node', maxIdle: '500ms' })
    .handleMessage((message, ctx) => void seen.push(`${++ctx.count} ${text(message)}`))
    .handleStreamEnd(end => ended.add(end.error))
  const session = harness(t, script).open()
  session.feed(...events('S', 'D:a', 'E'))
  // Deadlines do not keep a process alive, and here nothing else does.
  const cancel = after(10_000, () => {})
  await ended.next()
  cancel()
  session.feed(...events('S', 'D:b', 'E'))
  t.deepEqual(seen, ['1 a', '1 b'])
})
