/** publish: copies of messages go to a subject, and the traffic does not notice. On a real nats-server. */

import { connect } from '@nats-io/transport-node'
import ava, { type ExecutionContext } from 'ava'
import type { LedgerRow } from '../../actors/host.ts'
import { Message, type MessageStart, sluice } from '../../actors/index.ts'
import type { Bus } from '../../cluster/bus/bus.ts'
import { connectBus, type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { Occurrences } from '../support/occurrences.ts'
import { events, type Harness, harness } from '../support/pipeline-harness.ts'

const test = ava.serial

interface Stage extends Harness {
  readonly server: NatsServer
  readonly bus: Bus
  /** What a program that is not Sluice got: subject, body, and the headers that it was asked for. */
  readonly got: Occurrences<string>
}

const stage = async (t: ExecutionContext, script: unknown, header = 'none'): Promise<Stage> => {
  const server = await startNatsServer(t)
  const bus = await connectBus(t, server.url)
  const other = await connect({ servers: server.url })
  t.teardown(() => other.close())
  const got = new Occurrences<string>()
  other.subscribe('out.>', {
    callback: (_error, message) => {
      const value = message.headers?.get(header)
      got.add(`${message.subject} ${message.string()}${value ? ` ${value}` : ''}`)
    },
  })
  await other.flush()
  const ran = harness(t, script, { subjectSpace: { subjects: bus, cluster: 'test' } })
  return { ...ran, server, bus, got }
}

const isBalanced = ({ accepted, delivered, dropped, inFlight }: LedgerRow): boolean =>
  accepted === delivered + inFlight + Object.values(dropped).reduce((sum, n) => sum + n, 0)

test('the body of each message is published whole, with its headers, and the events pass on', async t => {
  const { open, got, edge } = await stage(
    t,
    sluice()
      .pipeline('main')
      .branch(
        () => true,
        $ => $.publish('out.a'),
      ),
    'X-Kind',
  )
  const session = open().feed(
    ...events(
      'S{"headers":{"X-Kind":"new","connection":"close","content-length":"9"}}',
      'D:he',
      'D:llo',
      'E',
    ),
    ...events('S', 'E'),
  )
  t.is(await got.next(), 'out.a hello new')
  t.is(await got.next(), 'out.a ')
  t.is(session.shown.length, 6)
  t.like(edge('out.a').row(), { kind: 'publish', accepted: 2, delivered: 2 })
})

test('fields of one connection and broken ones stay behind; named ones alone go', async t => {
  const server = await startNatsServer(t)
  const bus = await connectBus(t, server.url)
  const seen = new Occurrences<Record<string, string>>()
  bus.subscribe('out.*', message => seen.add({ ...message.headers }))
  await bus.flush()
  const head = {
    headers: {
      connection: 'close',
      'transfer-encoding': 'chunked',
      cookie: 'secret',
      'set-cookie': ['a', 'b'],
      'x-evil': 'a\r\nNats-Msg-Id: 1',
      'bad name': 'x',
      age: 7,
      nested: {},
    },
  }
  const script = sluice()
    .pipeline('main')
    .replaceMessage(() => new Message(head, 'x'))
    .publish('out.all')
    .publish('out.named', { headers: ['Age'] })
    .publish('out.none', { headers: false })
  const { open } = harness(t, script, { subjectSpace: { subjects: bus, cluster: 'test' } })
  open().feed(...events('S', 'E'))
  t.deepEqual(await seen.next(), { cookie: 'secret', 'set-cookie': 'a, b', age: '7' })
  t.deepEqual(await seen.next(), { age: '7' })
  t.deepEqual(await seen.next(), {})
})

test('a callback gives the subject when the message is whole, and nothing means not to publish', async t => {
  const { open, got, edge } = await stage(
    t,
    sluice({ tenant: undefined as string | undefined })
      .pipeline('main')
      .handleMessageStart((msg: MessageStart, ctx) => {
        ctx.tenant = (msg.head as { id?: string }).id
      })
      .branch(
        () => true,
        $ => $.publish(ctx => ctx.tenant && `out.${ctx.tenant}`),
      ),
  )
  open().feed(...events('Sa', 'D:1', 'E', 'S', 'D:2', 'E', 'Sb', 'D:3', 'E'))
  t.is(await got.next(), 'out.a 1')
  t.is(await got.next(), 'out.b 3')
  t.like(edge('(subjects)').row(), { accepted: 2, delivered: 2 })
})

test('a subject that cannot be is told in the log and dropped, and the traffic passes', async t => {
  const { open, got, edge, faults } = await stage(
    t,
    sluice({ subject: '' })
      .pipeline('main')
      .handleMessageStart((msg: MessageStart, ctx) => {
        ctx.subject = (msg.head as { id: string }).id
      })
      .branch(
        () => true,
        $ => $.publish(ctx => ctx.subject),
      ),
  )
  const session = open().feed(
    ...events('Sa b', 'E', 'Sout.*', 'E', 'S$JS.API.X', 'E', 'Sout.fine', 'D:x', 'E'),
  )
  t.is(await got.next(), 'out.fine x')
  t.is(session.shown.length, 9)
  t.is(faults.length, 3)
  t.like(edge('(subjects)').row(), { accepted: 4, delivered: 1, dropped: { 'bad-subject': 3 } })
})

test('a message larger than the server takes, and one that is never finished, are dropped and counted', async t => {
  const { open, edge } = await stage(
    t,
    sluice()
      .pipeline('main')
      .branch(
        () => true,
        $ => $.publish('out.a'),
      ),
  )
  const large = events('S', 'E')
  large.splice(1, 0, ...events(`D:${'x'.repeat(2 * 1024 * 1024)}`))
  open().feed(...large)
  const second = open().feed(...events('S', 'D:part'))
  second.stop()
  t.like(edge('out.a').row(), { accepted: 2, delivered: 0, dropped: { 'too-large': 1, incomplete: 1 } })
})

test('without a connection messages are dropped and counted, or the source waits, as the policy says', async t => {
  const { open, server, bus, edge } = await stage(
    t,
    sluice()
      .pipeline('main')
      .branch(
        () => true,
        $ => $.publish('out.dropped').publish('out.kept', { policy: 'block' }),
      ),
  )
  const changes = new Occurrences<string>()
  bus.onState(state => changes.add(state))
  await server.kill()
  await changes.next(state => state === 'disconnected')
  const session = open().feed(...events('S', 'D:1', 'E'))
  t.true(session.source.isPaused)
  t.is(session.shown.length, 3)
  t.like(edge('out.dropped').row(), { accepted: 1, dropped: { disconnected: 1 } })
  t.like(edge('out.kept').row(), { accepted: 1, delivered: 0, inFlight: 1 })
  await server.start()
  await changes.next(state => state === 'connected')
  while (session.source.isPaused) await new Promise(resolve => setImmediate(resolve))
  t.like(edge('out.kept').row(), { accepted: 1, delivered: 1, inFlight: 0 })
  t.true(isBalanced(edge('out.kept').row()) && isBalanced(edge('out.dropped').row()))
})

test('what has no source to pause has the window, and no more', async t => {
  const { open, server, bus, edge } = await stage(
    t,
    sluice()
      .pipeline('main')
      .branch(
        () => true,
        $ => $.publish('out.a', { policy: 'block', window: '16k' }),
      ),
  )
  const gone = new Occurrences<string>()
  bus.onState(state => gone.add(state))
  await server.kill()
  await gone.next(state => state === 'disconnected')
  const session = open()
  for (let i = 0; i < 100; i++)
    for (const event of events('S', `D:${'x'.repeat(1000)}`, 'E')) session.enter(event, null)
  const { accepted, inFlight, dropped } = edge('out.a').row()
  t.is(accepted, 100)
  t.true(inFlight > 5 && inFlight < 16, String(inFlight))
  t.is(dropped.disconnected, 100 - inFlight)
})
