/** Shards that go from one host to another: in order, by death, and copies for all. */

import test from 'ava'
import { sluice } from '../../../actors/index.ts'
import type { Message } from '../../../runtime/event.ts'
import { eventually } from '../../support/eventually.ts'
import { startFaultRelay } from '../../support/fault-relay.ts'
import { connectBus, startNatsServer } from '../../support/nats-server.ts'
import { DurableNode, isBalanced } from './durable-node.ts'

const durable = { placement: 'cluster', delivery: 'at-least-once' } as const
const text = (message: Message): string => message.body?.toString() ?? ''

/** What hosts have seen, by key and in order, and who it was. */
class Seen {
  readonly byKey = new Map<string, string[]>()
  readonly hosts = new Set<string>()
  count = 0

  script(host: string): unknown {
    return sluice()
      .pipeline('log', durable)
      .handleMessage(message => {
        const [key, number] = text(message).split(' ') as [string, string]
        this.byKey.set(key, [...(this.byKey.get(key) ?? []), number])
        this.hosts.add(host)
        this.count++
      })
  }

  get isInOrder(): boolean {
    return [...this.byKey.values()].every(numbers => numbers.every((each, i) => Number(each) === i))
  }
}

test('while nodes come and go in order, every event is done once, and keys keep their order', async t => {
  const server = await startNatsServer(t)
  const seen = new Seen()
  const nodes = await Promise.all(
    ['a', 'b', 'c'].map(async name => {
      const bus = await connectBus(t, server.url)
      const node = new DurableNode(bus, seen.script(name), { name, incarnation: `${name}1` })
      t.teardown(() => node.stop())
      return node
    }),
  )
  const [a, b, c] = nodes as [DurableNode, DurableNode, DurableNode]
  const sender = new DurableNode(await connectBus(t, server.url), sluice().pipeline('log', durable), {
    name: 'edge',
  })
  t.teardown(() => sender.stop())
  let sent = 0
  const send = (events: number): void => {
    for (let i = 0; i < events; i++, sent++)
      sender.log(`k${sent % 50} ${Math.floor(sent / 50)}`, `k${sent % 50}`)
  }
  const see = (...members: DurableNode[]): void => {
    for (const node of [...nodes, sender]) node.see(...members.map(({ member }) => member), sender.member)
  }
  see(a)
  send(2000)
  await eventually(() => seen.count > 0)
  see(a, b)
  send(2000)
  await eventually(() => seen.count > 2500)
  see(a, b, c)
  send(2000)
  await eventually(() => seen.count > 4500)
  see(c)
  send(2000)
  await eventually(() => sender.edge.delivered === 8000 && seen.count >= 8000)
  t.is(seen.count, 8000)
  t.true(seen.isInOrder)
  t.deepEqual([...seen.hosts].sort(), ['a', 'b', 'c'])
  const rows = nodes.map(({ row }) => row)
  t.true(rows.every(isBalanced))
  t.is(
    rows.reduce((sum, { delivered }) => sum + delivered, 0),
    8000,
  )
})

test('with fanout all every host takes a copy of each event', async t => {
  const server = await startNatsServer(t)
  const seen: Record<string, string[]> = { a: [], b: [] }
  const nodes: DurableNode[] = []
  for (const name of ['a', 'b']) {
    const script = sluice()
      .pipeline('log', { ...durable, fanout: 'all', shards: 2 })
      .handleMessage(message => void seen[name]?.push(text(message)))
    const node = new DurableNode(await connectBus(t, server.url), script, { name, incarnation: `${name}1` })
    t.teardown(() => node.stop())
    nodes.push(node)
  }
  const bus = await connectBus(t, server.url)
  for (const node of nodes) node.see(...nodes.map(({ member }) => member))
  await eventually(async () => (await bus.streams.info('sluice_test_d_log'))?.consumers.length === 4)
  for (let i = 0; i < 100; i++) nodes[0]?.log(String(i))
  await eventually(() => nodes.every(({ row }) => row.delivered === 100))
  t.deepEqual(seen.a, seen.b)
  t.deepEqual(
    seen.a,
    Array.from({ length: 100 }, (_, i) => String(i)),
  )
  await eventually(async () => (await bus.streams.info('sluice_test_d_log'))?.messages === 0)
})

test('with fanout all a copy keeps the order of keys when its connection is lost, and when its node starts again', async t => {
  t.timeout(90_000)
  const server = await startNatsServer(t)
  const relay = await startFaultRelay(t, server.port)
  const script = { ...durable, fanout: 'all', shards: 2 } as const
  /** By key, the numbers as they came the first time. */
  const seen = new Map<string, Set<number>>()
  let count = 0
  let isOver = false
  const start = async (incarnation: string): Promise<DurableNode> => {
    const copy = sluice()
      .pipeline('log', script)
      .handleMessage(async message => {
        // Some are always under way when something happens.
        await new Promise(resolve => setImmediate(resolve))
        if (isOver) return
        const [key, number] = text(message).split(' ') as [string, string]
        seen.set(key, (seen.get(key) ?? new Set()).add(Number(number)))
        count++
      })
    const node = new DurableNode(await connectBus(t, relay.url), copy, { name: 'a', incarnation })
    t.teardown(() => node.stop())
    return node
  }
  const sender = new DurableNode(await connectBus(t, server.url), sluice().pipeline('log', script), {
    name: 'edge',
  })
  t.teardown(() => sender.stop())
  const see = (node: DurableNode): void => {
    for (const each of [node, sender]) each.see(node.member, sender.member)
  }
  let sent = 0
  const send = async (events: number): Promise<void> => {
    for (let i = 0; i < events; i++, sent++) {
      sender.log(`k${sent % 10} ${Math.floor(sent / 10)}`, `k${sent % 10}`)
      // Many messages in the stream, not one batch.
      if (i % 5 === 4) await new Promise(resolve => setImmediate(resolve))
    }
  }
  const first = await start('a1')
  see(first)
  const bus = await connectBus(t, server.url)
  const copies = async (): Promise<string[]> =>
    ((await bus.streams.info('sluice_test_d_log'))?.consumers ?? []).map(({ name }) => name)
  await eventually(async () => (await copies()).length === 2)
  for (let round = 0; round < 3; round++) {
    const before = count
    await send(500)
    await eventually(() => count > before)
    // What the server sends now is lost with the connection.
    relay.partition()
    await send(500)
    await eventually(() => sender.edge.delivered === sent)
    relay.cut()
    relay.heal()
    // The time to acknowledge is far longer than this.
    await eventually(() => [...seen.values()].reduce((sum, each) => sum + each.size, 0) === sent)
  }
  isOver = true
  await send(200)
  relay.partition()
  await send(200)
  await eventually(() => sender.edge.delivered === sent)
  first.stop()
  relay.cut()
  relay.heal()
  isOver = false
  const again = await start('a2')
  see(again)
  await eventually(() => (seen.get('k9')?.size ?? 0) > 0 && seen.get('k9')?.has(Math.floor((sent - 1) / 10)))
  for (const [key, numbers] of seen)
    t.deepEqual(
      [...numbers],
      [...numbers].toSorted((a, b) => a - b),
      `key ${key}`,
    )
  await eventually(() => again.row.inFlight === 0)
  t.true(isBalanced(again.row))
  // One for each shard: those before have been deleted.
  await eventually(async () => (await copies()).length === 2)
  await eventually(async () => (await bus.streams.info('sluice_test_d_log'))?.messages === 0)
})
