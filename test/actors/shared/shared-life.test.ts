/** The life of a shared pipeline: failures and back-off, idleness, and the end of its node. */

import test from 'ava'
import { sluice } from '../../../actors/index.ts'
import { kernel } from '../../../actors/kernel/actor.ts'
import { type Event, Message, StreamEnd } from '../../../runtime/event.ts'
import { Occurrences } from '../../support/occurrences.ts'
import { events, harness, showEvent } from '../../support/pipeline-harness.ts'

/** Deadlines let the process end: a test that waits for one keeps it up. */
const keepUp = setInterval(() => {}, 1000)
test.after(() => clearInterval(keepUp))

const text = (message: Message): string => message.body?.toString() ?? ''

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
  t.like(edge('log').row(), { accepted: 2, delivered: 2, inFlight: 0 })
})

test('what a shared pipeline writes to another when the node stops is written as well', async t => {
  const written: string[] = []
  const script = sluice({ batch: '' })
    .pipeline('main')
    .fork()
    .to('log')
    .pipeline('log', { placement: 'node' })
    .replaceMessage((message, ctx) => {
      ctx.batch += text(message)
    })
    .replaceStreamEnd((end, ctx) => [new Message(ctx.batch), end])
    .fork()
    .to('archive')
    .pipeline('archive', { placement: 'node' })
    .handleMessage((message, ctx) => {
      ctx.batch += `<${message.body}>`
    })
    .handleStreamEnd((_end, ctx) => void written.push(ctx.batch))
  const { open, nodeHost, program } = harness(t, script)
  open().feed(...events('S', 'D:a', 'E', 'S', 'D:b', 'E'))
  await nodeHost.flush(60_000)
  await nodeHost.flush(60_000)
  t.deepEqual(written, ['<ab>'])
  t.true(program.edges.every(edge => edge.inFlight === 0 && edge.isBalanced))
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
  await ended.next()
  session.feed(...events('S', 'D:b', 'E'))
  t.deepEqual(seen, ['1 a', '1 b'])
})

test('a message that comes while an idle actor is still writing what it had waits for the next one', async t => {
  const seen: string[] = []
  const ended = new Occurrences<string>()
  const written = Promise.withResolvers<void>()
  const script = sluice({ count: 0 })
    .pipeline('main')
    .fork()
    .to('log')
    .pipeline('log', { placement: 'node', maxIdle: '1ms' })
    .handleMessage((message, ctx) => void seen.push(`${++ctx.count} ${text(message)}`))
    .handleStreamEnd(end => {
      ended.add(end.error)
      return ended.seen.length === 1 ? written.promise : undefined
    })
  const { open, edge } = harness(t, script)
  const session = open().feed(...events('S', 'D:a', 'E'))
  await ended.next()
  session.feed(...events('S', 'D:b', 'E'))
  t.like(edge('log').row(), { accepted: 2, delivered: 1, inFlight: 1 })
  written.resolve()
  await ended.next()
  t.deepEqual(seen, ['1 a', '1 b'])
  t.like(edge('log').row(), { accepted: 2, delivered: 2, inFlight: 0 })
})
