/** What dies while durable pipelines work: hosts, brokers, streams. Nothing that was stored is lost. */

import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { sluice } from '../../../actors/index.ts'
import { DeadLetterOffice } from '../../../cluster/durable/dead-letter-office.ts'
import type { Message } from '../../../runtime/event.ts'
import { eventually } from '../../support/eventually.ts'
import { connectBus, startNatsServer } from '../../support/nats-server.ts'
import { FakeSource } from '../../support/pipeline-harness.ts'
import { cluster, DurableNode, isBalanced } from './durable-node.ts'
import { startHost } from './host-process.ts'

const durable = { placement: 'cluster', delivery: 'at-least-once', shards: 4 } as const
const linesOf = (file: string): string[] => readFileSync(file, 'utf8').trim().split('\n')
const text = (message: Message): string => message.body?.toString() ?? ''

test('a host that is killed in the middle: another does what it had not done, and no event is lost', async t => {
  t.timeout(60_000)
  const server = await startNatsServer(t)
  const file = join(server.folder, 'done')
  const [a, b] = await Promise.all([
    startHost(t, server.url, ['a', 'a1'], file),
    startHost(t, server.url, ['b', 'b1'], file),
  ])
  const sender = new DurableNode(await connectBus(t, server.url), sluice().pipeline('log', durable), {
    name: 'edge',
    policy: 'block',
  })
  t.teardown(() => sender.stop())
  for (const each of [a, b, sender]) each.see(a.member, b.member, sender.member)
  const events = 20_000
  const source = new FakeSource()
  const send = (from: number, to: number): void => {
    for (let i = from; i < to; i++) sender.log(`event ${i}`, `k${i % 100}`, source)
  }
  send(0, events / 2)
  await eventually(() => linesOf(file).length > 1000)
  await a.kill()
  // Nobody has told the others yet: these are for the dead one, too.
  send(events / 2, events)
  for (const each of [b, sender]) each.see(b.member, sender.member)
  await eventually(() => sender.edge.delivered === events && new Set(linesOf(file)).size === events)
  t.is(new Set(linesOf(file)).size, events)
  t.log(`${linesOf(file).length - events} of ${events} events were done twice`)
  const bus = await connectBus(t, server.url)
  await eventually(async () => (await bus.streams.info('sluice_test_d_log'))?.messages === 0)
})

test('an event that kills its hosts, one after the other, becomes a dead letter', async t => {
  t.timeout(60_000)
  const server = await startNatsServer(t)
  const file = join(server.folder, 'done')
  const sender = new DurableNode(await connectBus(t, server.url), sluice().pipeline('log', durable), {
    name: 'edge',
  })
  t.teardown(() => sender.stop())
  for (const each of ['before', 'kill', 'after']) sender.log(each)
  await eventually(() => sender.edge.delivered === 3)
  const bus = await connectBus(t, server.url)
  const office = new DeadLetterOffice(bus, cluster)
  let lives = 0
  for (let isOver = false; !isOver && lives < 10; lives++) {
    const host = await startHost(t, server.url, ['a', `a${lives}`], file)
    host.see(host.member, sender.member)
    isOver = await Promise.race([
      host.exited().then(() => false),
      eventually(
        () => office.list(),
        list => list.length > 0,
      ).then(() => true),
    ])
  }
  await eventually(() => linesOf(file).includes('after'))
  const [letter] = await office.list()
  t.like(letter, { reason: 'crashed', tries: 5, pipeline: 'log' })
  t.is(lives, 6)
  await eventually(async () => (await bus.streams.info('sluice_test_d_log'))?.messages === 0)
})

test('a broker that is killed and comes back: what was sent meanwhile is stored then, and no event is lost', async t => {
  t.timeout(60_000)
  const server = await startNatsServer(t)
  const seen = new Map<string, number>()
  const script = sluice()
    .pipeline('log', durable)
    .handleMessage(message => void seen.set(text(message), (seen.get(text(message)) ?? 0) + 1))
  const node = new DurableNode(await connectBus(t, server.url), script)
  t.teardown(() => node.stop())
  node.see(node.member)
  let sent = 0
  const send = (events: number): void => {
    for (let i = 0; i < events; i++, sent++) node.log(`event ${sent}`, `k${sent % 20}`)
  }
  send(3000)
  await eventually(() => seen.size > 500)
  send(1000)
  await server.kill()
  send(1000)
  t.true(node.edge.inFlight >= 1000)
  await server.start()
  send(1000)
  await eventually(() => node.edge.delivered === sent && seen.size === sent, Boolean, 30_000)
  await eventually(() => node.row.inFlight === 0, Boolean, 60_000)
  t.true(isBalanced(node.row))
  t.is(node.row.delivered, sent)
  t.is([...seen.values()].filter(times => times > 1).length, 0, 'this host knows what it has done')
})

test('a server that comes back without its store: streams and consumers are made anew, and all goes on', async t => {
  t.timeout(60_000)
  const server = await startNatsServer(t)
  const seen = new Set<string>()
  const script = sluice()
    .pipeline('log', durable)
    .handleMessage(message => void seen.add(text(message)))
  const node = new DurableNode(await connectBus(t, server.url), script)
  t.teardown(() => node.stop())
  node.see(node.member)
  for (let i = 0; i < 20; i++) node.log(`before ${i}`, `k${i}`)
  await eventually(() => seen.size === 20)
  await server.kill()
  await rm(join(server.folder, 'store'), { recursive: true, force: true })
  await server.start()
  for (let i = 0; i < 20; i++) node.log(`after ${i}`, `k${i}`)
  await eventually(() => seen.size === 40, Boolean, 50_000)
  t.is(node.row.delivered, 40)
})

test('policy drop: a full stream refuses, what has no room is dropped with that reason, and the rest is stored later', async t => {
  t.timeout(60_000)
  const server = await startNatsServer(t)
  const sender = new DurableNode(
    await connectBus(t, server.url),
    sluice().pipeline('log', { ...durable, shards: 1, streamSize: '1m' }),
    { name: 'edge' },
  )
  t.teardown(() => sender.stop())
  const body = 'x'.repeat(10_000)
  for (let i = 0; i < 1500; i++) sender.log(`${i} ${body}`)
  const accepted = 1500 - sender.edge.dropped
  await eventually(() => sender.edge.delivered > 10)
  for (let i = 0; sender.edge.row().dropped['stream-full'] === undefined; i++) {
    sender.log(`more ${i} ${body}`)
    await new Promise(resolve => setImmediate(resolve))
  }
  t.true(accepted > 0)
  const seen = new Set<string>()
  const host = new DurableNode(
    await connectBus(t, server.url),
    sluice()
      .pipeline('log', { ...durable, shards: 1, streamSize: '1m' })
      .handleMessage(message => void seen.add(text(message))),
    { name: 'log', incarnation: '2' },
  )
  t.teardown(() => host.stop())
  host.see(host.member)
  await eventually(() => sender.edge.inFlight === 0)
  await eventually(() => host.row.delivered === sender.edge.delivered)
  t.is(seen.size, host.row.delivered)
})

test('policy block: a full window pauses the source, and nothing is dropped', async t => {
  t.timeout(60_000)
  const server = await startNatsServer(t)
  const seen = new Set<string>()
  const script = sluice()
    .pipeline('log', durable)
    .handleMessage(message => void seen.add(text(message)))
  const node = new DurableNode(await connectBus(t, server.url), script, { policy: 'block' })
  t.teardown(() => node.stop())
  node.see(node.member)
  await server.kill()
  const source = new FakeSource()
  const body = 'x'.repeat(10_000)
  let sent = 0
  while (!source.isPaused) node.log(`${sent++} ${body}`, '', source)
  t.true(sent > 500)
  t.is(node.edge.dropped, 0)
  await server.start()
  await eventually(() => !source.isPaused && seen.size === sent, Boolean, 30_000)
  t.is(node.edge.dropped, 0)
})
