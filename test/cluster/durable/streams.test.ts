/** Durable pipelines on a real server: what is sent is stored, given to its host, and done when the pipeline says so. */

import test, { type ExecutionContext } from 'ava'
import { sluice } from '../../../actors/index.ts'
import { streamOf } from '../../../cluster/durable/names.ts'
import { Message } from '../../../runtime/event.ts'
import { type Logger, noLog } from '../../../runtime/log.ts'
import { eventually } from '../../support/eventually.ts'
import {
  connectBus,
  type NatsServer,
  type NatsServerOptions,
  startNatsServer,
} from '../../support/nats-server.ts'
import { Occurrences } from '../../support/occurrences.ts'
import { cluster, DurableNode, isBalanced } from './durable-node.ts'

const durable = { placement: 'cluster', delivery: 'at-least-once' } as const
const text = (message: Message): string => message.body?.toString() ?? ''

/** A node that hosts the pipeline, alone, and what it has been given. */
async function startHost(
  t: ExecutionContext,
  options?: NatsServerOptions,
): Promise<{ server: NatsServer; node: DurableNode; seen: Occurrences<string> }> {
  const server = await startNatsServer(t, options)
  const seen = new Occurrences<string>()
  const script = sluice()
    .pipeline('log', durable)
    .handleMessage(message => seen.add(text(message)))
  const node = new DurableNode(await connectBus(t, server.url), script)
  t.teardown(() => node.stop())
  node.see(node.member)
  return { server, node, seen }
}

test('what is sent is stored, given in order, and gone when it is done', async t => {
  const { server, node, seen } = await startHost(t)
  for (let i = 0; i < 1000; i++) node.log(`event ${i}`)
  t.like(node.edge.row(), { inFlight: 1000, delivered: 0 })
  await seen.next(each => each === 'event 999')
  t.deepEqual(
    seen.seen,
    Array.from({ length: 1000 }, (_, i) => `event ${i}`),
  )
  await eventually(() => node.edge.delivered === 1000)
  t.like(node.row, { accepted: 1000, delivered: 1000, inFlight: 0, redelivered: 0 })
  const bus = await connectBus(t, server.url)
  await eventually(async () => (await bus.streams.info(streamOf(cluster, 'log')))?.messages === 0)
})

test('keys are spread over shards, and each keeps its order', async t => {
  const server = await startNatsServer(t)
  const seen = new Map<string, number[]>()
  const script = sluice()
    .pipeline('log', durable)
    .handleMessage(message => {
      const [key, number] = text(message).split(' ') as [string, string]
      seen.set(key, [...(seen.get(key) ?? []), Number(number)])
    })
  const node = new DurableNode(await connectBus(t, server.url), script)
  t.teardown(() => node.stop())
  node.see(node.member)
  for (let i = 0; i < 2000; i++) node.log(`k${i % 40} ${i}`, `k${i % 40}`)
  await eventually(() => [...seen.values()].reduce((sum, each) => sum + each.length, 0) === 2000)
  t.is(seen.size, 40)
  for (const numbers of seen.values())
    t.deepEqual(
      numbers,
      [...numbers].sort((a, b) => a - b),
    )
})

test('what comes while nobody hosts the pipeline waits in the stream for who does', async t => {
  const server = await startNatsServer(t)
  const seen = new Occurrences<string>()
  const script = sluice()
    .pipeline('log', durable)
    .handleMessage(message =>
      seen.add(`${text(message)} ${(message.head as { id?: string }).id !== undefined}`),
    )
  const sender = new DurableNode(await connectBus(t, server.url), sluice().pipeline('log', durable), {
    name: 'edge',
  })
  t.teardown(() => sender.stop())
  sender.see(sender.member)
  sender.log('early')
  await eventually(() => sender.edge.delivered === 1)
  t.like(sender.edge.row(), { accepted: 0, delivered: 1, inFlight: 0 })
  const host = new DurableNode(await connectBus(t, server.url), script, { name: 'log' })
  t.teardown(() => host.stop())
  host.see(host.member)
  t.is(await seen.next(), 'early true')
})

test('what was sent while the script had more shards is done by hosts that have fewer', async t => {
  const server = await startNatsServer(t)
  const edge = new DurableNode(
    await connectBus(t, server.url),
    sluice().pipeline('log', { ...durable, shards: 16 }),
    { name: 'edge' },
  )
  t.teardown(() => edge.stop())
  edge.see(edge.member)
  const keys = Array.from({ length: 50 }, (_, i) => `k${i}`)
  const send = async (round: string): Promise<void> => {
    const before = edge.edge.delivered
    for (const key of keys) edge.log(`${key} ${round}`, key)
    await eventually(() => edge.edge.delivered === before + keys.length)
  }
  await send('before')
  const seen = new Set<string>()
  const script = sluice()
    .pipeline('log', { ...durable, shards: 4 })
    .handleMessage(message => void seen.add(text(message)))
  const host = new DurableNode(await connectBus(t, server.url), script, { name: 'log' })
  t.teardown(() => host.stop())
  host.see(host.member)
  await eventually(() => seen.size === keys.length)
  // The edge goes on with its script until it is its turn; what it leaves is found when it has gone.
  await send('between')
  host.see(host.member, edge.member)
  await eventually(() => seen.size === 2 * keys.length)
  const bus = await connectBus(t, server.url)
  t.true(await eventually(async () => (await bus.streams.info(streamOf(cluster, 'log')))?.messages === 0))
})

test('a host that takes a pipeline at most once tells what its stream still has', async t => {
  const server = await startNatsServer(t)
  const edge = new DurableNode(await connectBus(t, server.url), sluice().pipeline('log', durable), {
    name: 'edge',
  })
  t.teardown(() => edge.stop())
  edge.see(edge.member)
  edge.log('early')
  await eventually(() => edge.edge.delivered === 1)
  const said = new Occurrences<string>()
  const log: Logger = { ...noLog, warn: message => said.add(message) }
  const host = new DurableNode(
    await connectBus(t, server.url),
    sluice()
      .pipeline('log', { placement: 'cluster' })
      .handleMessage(() => {}),
    { name: 'log', log },
  )
  t.teardown(() => host.stop())
  host.see(host.member)
  t.regex(await said.next(), /pipeline 'log' is delivered at most once here, but its stream has 1 batch/)
})

test('a message larger than the servers take travels in parts, and they go when it is done', async t => {
  const { server, node, seen } = await startHost(t, { config: 'max_payload: 65536' })
  const large = 'x'.repeat(1_000_000)
  node.log('before')
  node.log(large)
  node.log('after')
  await seen.next(each => each === 'after')
  t.deepEqual(
    seen.seen.map(each => each.length),
    [6, 1_000_000, 5],
  )
  t.is(seen.seen[1], large)
  const bus = await connectBus(t, server.url)
  await eventually(async () => (await bus.streams.info(`sluice_${cluster}_parts`))?.messages === 0)
})

test('an event with an id of its own is done once while its host remembers it', async t => {
  const { node, seen } = await startHost(t)
  for (const body of ['one', 'again']) node.sendMessage(new Message({ id: 'order-7' }, body))
  node.sendMessage(new Message({ id: 'order-8' }, 'two'))
  await seen.next(each => each === 'two')
  t.deepEqual(seen.seen, ['one', 'two'])
  await eventually(() => node.row.inFlight === 0)
  t.like(node.row, { accepted: 3, delivered: 2, duplicate: 1 })
  t.true(isBalanced(node.row))
})
