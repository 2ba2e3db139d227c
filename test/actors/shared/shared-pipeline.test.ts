/** Pipelines with placement 'node' on one thread: who shares them, and what they are sent. */

import test from 'ava'
import { sluice } from '../../../actors/index.ts'
import { type Event, type Message, MessageStart } from '../../../runtime/event.ts'
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
  open()
    .feed(...events('S', 'D:2', 'X:ReadError'))
    .stop()
  t.like(edge('log').row(), { accepted: 3, delivered: 0, dropped: { 'too-large': 1, incomplete: 2 } })
  open()
    .feed(...events('S', 'D:3', 'X'))
    .stop()
  t.is(edge('log').delivered, 1, 'an orderly end of the stream ends its message')
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

test('a message that a shared pipeline sends to itself while it is given another comes after that one', t => {
  const seen: string[] = []
  const idOf = (start: MessageStart): string => (start.head as { id: string }).id
  const script = sluice({ id: '' })
    .pipeline('main')
    .fork()
    .to('log')
    .pipeline('log', { placement: 'node' })
    .handle(event => void seen.push(showEvent(event as Event)))
    .replaceMessageStart(start => (idOf(start) === 'a' ? [...events('Sb', 'E'), start] : start))
    .demux()
    .to($ =>
      $.replaceMessageStart((start, ctx) => {
        ctx.id = idOf(start)
        return ctx.id === 'b' ? new MessageStart({ id: 'c' }) : start
      }).branch(
        ctx => ctx.id === 'b',
        $ => $.fork().to('log'),
        $ => $.dummy(),
      ),
    )
  harness(t, script)
    .open()
    .feed(...events('Sa', 'D:x', 'E'))
  t.deepEqual(seen, ['S{"id":"a"}', 'D:x', 'E', 'S{"id":"c"}', 'E'])
})
