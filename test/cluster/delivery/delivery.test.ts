import anyTest from 'ava'
import { decodeFrame, encodeFrame, FrameKind } from '../../../cluster/delivery/frame.ts'
import { FakeSource } from '../../support/pipeline-harness.ts'
import { Network, pipeline } from './support.ts'

// One after the other: there is one clock.
const test = anyTest.serial

test('messages arrive in order, and each has its credit back', async t => {
  const network = new Network(t)
  network.join('a', 'b')
  const edge = network.edge()
  for (let i = 0; i < 500; i++) network.send(edge, `key-${i % 7}`)
  t.true(await network.clock.until(() => edge.inFlight === 0, 1000))
  t.is(edge.delivered, 500)
  t.true(edge.isBalanced)
  t.true(network.numbers('a').length > 0 && network.numbers('b').length > 0)
  for (const by of ['a', 'b'])
    t.deepEqual(
      network.numbers(by),
      network.numbers(by).toSorted((x, y) => x - y),
    )
})

test('what a turn brings for one thread is one message on the bus', async t => {
  const network = new Network(t)
  const [a] = network.join('a')
  const edge = network.edge()
  let frames = 0
  a?.bus.subscribe('sluice.test.to.>', () => void frames++)
  await network.clock.advance(10)
  for (let i = 0; i < 100; i++) network.send(edge, `key-${i}`)
  await network.clock.advance(100)
  t.is(frames, 1)
  t.is(edge.delivered, 100)
})

test('a frame that is lost is found by the next one, and counted', async t => {
  const network = new Network(t)
  network.join('a')
  const edge = network.edge()
  network.send(edge, 'k')
  await network.clock.advance(20)
  network.broker.setWeather({ dropRate: 1 })
  for (let i = 0; i < 10; i++) network.send(edge, 'k')
  await network.clock.advance(20)
  network.broker.setWeather({ dropRate: 0 })
  network.send(edge, 'k')
  await network.clock.advance(20)
  t.deepEqual(network.numbers(), [1, 12])
  t.like(edge.row(), { accepted: 12, delivered: 2, dropped: { lost: 10 }, inFlight: 0 })
})

test('the last frame, when it is lost, is found by asking', async t => {
  const network = new Network(t)
  network.join('a')
  const edge = network.edge()
  network.broker.setWeather({ dropRate: 1 })
  network.send(edge, 'k')
  await network.clock.advance(20)
  network.broker.setWeather({ dropRate: 0 })
  t.is(edge.inFlight, 1)
  t.true(await network.clock.until(() => edge.inFlight === 0, 2500))
  t.like(edge.row(), { accepted: 1, delivered: 0, dropped: { lost: 1 } })
})

test('credit that is lost is found by asking, and nothing is counted as lost', async t => {
  const network = new Network(t)
  const [a] = network.join('a')
  if (a === undefined) return
  const edge = network.edge()
  network.send(edge, 'k')
  a.isBusy = true
  network.send(edge, 'k')
  await network.clock.advance(20)
  network.broker.setWeather({ dropRate: 1 })
  a.finish()
  await network.clock.advance(20)
  network.broker.setWeather({ dropRate: 0 })
  t.true(await network.clock.until(() => edge.inFlight === 0, 2500))
  t.like(edge.row(), { accepted: 2, delivered: 2, dropped: {} })
})

test('a frame or a credit that comes twice counts once', async t => {
  const network = new Network(t)
  network.join('a', 'b')
  network.broker.setWeather({ duplicateRate: 1 })
  const edge = network.edge()
  for (let i = 0; i < 50; i++) {
    network.send(edge, `k${i % 3}`)
    await network.clock.advance(3)
  }
  t.true(await network.clock.until(() => edge.inFlight === 0, 3000))
  t.like(edge.row(), { accepted: 50, delivered: 50, dropped: {} })
  t.is(new Set(network.numbers()).size, 50)
  t.is(network.got.length, 50)
})

test('what a node had that died is counted, and what comes then goes to another', async t => {
  const network = new Network(t)
  const [a] = network.join('a')
  if (a === undefined) return
  const edge = network.edge()
  a.isBusy = true
  for (let i = 0; i < 5; i++) network.send(edge, 'k')
  await network.clock.advance(20)
  network.broker.crash(a.bus)
  for (let i = 0; i < 4; i++) network.send(edge, 'k')
  await network.clock.advance(20)
  t.is(edge.inFlight, 9)
  network.lose('a')
  t.like(edge.row(), { dropped: { 'node-died': 9 }, inFlight: 0 })
  network.send(edge, 'k')
  t.is(edge.inFlight, 1)
  network.join('b')
  await network.clock.advance(20)
  t.deepEqual(network.numbers('b'), [10])
  t.true(edge.isBalanced)
})

test('what was sent to a node that counted as dead is not processed when it comes back', async t => {
  const network = new Network(t)
  const [a] = network.join('a')
  if (a === undefined) return
  const edge = network.edge()
  network.broker.stall(a.bus)
  network.send(edge, 'k')
  await network.clock.advance(20)
  network.hosts.delete('a')
  network.place()
  t.like(edge.row(), { dropped: { 'node-died': 1 }, inFlight: 0 })
  a.beNew()
  network.hosts.set('a', a)
  network.place()
  network.broker.resume(a.bus)
  network.send(edge, 'k')
  await network.clock.advance(200)
  t.deepEqual(network.numbers(), [2])
})

test('a key that moves has its messages in order: the new host waits until the old one is done', async t => {
  const network = new Network(t)
  const [a] = network.join('a')
  if (a === undefined) return
  const edge = network.edge('drop')
  a.isBusy = true
  const keys = Array.from({ length: 64 }, (_, i) => `key-${i}`)
  for (const key of keys) network.send(edge, key)
  await network.clock.advance(20)
  t.is(network.got.length, 64)
  network.join('b')
  for (const key of keys) network.send(edge, key)
  await network.clock.advance(100)
  t.is(network.numbers('b').length, 0)
  t.true(network.numbers('a').length > 64, 'keys that stayed go on')
  a.isBusy = false
  a.finish()
  t.true(await network.clock.until(() => edge.inFlight === 0, 500))
  t.true(network.numbers('b').length > 10)
  t.is(edge.delivered, 128)
  t.true(edge.isBalanced)
})

test('a key that moves does not wait for ever for an old host that is stuck', async t => {
  const network = new Network(t)
  const [a] = network.join('a')
  if (a === undefined) return
  const edge = network.edge()
  a.isBusy = true
  for (let i = 0; i < 64; i++) network.send(edge, `key-${i}`)
  await network.clock.advance(20)
  network.join('b')
  for (let i = 0; i < 64; i++) network.send(edge, `key-${i}`)
  t.true(await network.clock.until(() => network.numbers('b').length > 0, 7000))
  t.true(network.clock.monotonicMs() > 5000)
})

test('without a connection as much as the window waits, and what is more is dropped', async t => {
  const network = new Network(t)
  network.join('a')
  const edge = network.edge('drop')
  network.send(edge, 'k')
  await network.clock.advance(20)
  network.broker.cut(network.bus, 0)
  await network.clock.advance(1)
  for (let i = 0; i < 9000; i++) network.send(edge, 'k')
  t.is(edge.inFlight, 8192)
  t.is(edge.row().dropped.disconnected, 808)
  network.broker.heal(network.bus)
  t.true(await network.clock.until(() => edge.inFlight === 0, 3000))
  t.like(edge.row(), { delivered: 8193, dropped: { disconnected: 808 } })
})

test('over an edge that blocks, the source is paused and nothing is lost', async t => {
  const network = new Network(t)
  const [a] = network.join('a')
  if (a === undefined) return
  const edge = network.edge('block')
  const source = new FakeSource()
  a.isBusy = true
  for (let i = 0; i < 8300; i++) network.send(edge, 'k', { source })
  t.is(source.pauses, 1)
  await network.clock.advance(50)
  network.broker.cut(network.bus, 0)
  await network.clock.advance(10)
  network.broker.heal(network.bus)
  a.isBusy = false
  a.finish()
  t.true(await network.clock.until(() => edge.inFlight === 0, 5000))
  t.is(source.pauses, 0)
  t.is(edge.delivered, 8300)
})

test('without a host messages wait, and a paused source goes on when one comes', async t => {
  const network = new Network(t)
  const edge = network.edge('block')
  const source = new FakeSource()
  network.send(edge, 'k', { source })
  network.send(edge, 'k', { source })
  t.is(source.pauses, 1)
  t.is(edge.inFlight, 2)
  network.join('a')
  t.is(source.pauses, 0)
  await network.clock.advance(20)
  t.deepEqual(network.numbers(), [1, 2])
})

test('without a host an edge that drops keeps as much as a window', async t => {
  const network = new Network(t)
  const edge = network.edge('drop')
  for (let i = 0; i < 8200; i++) network.send(edge, 'k')
  t.like(edge.row(), { inFlight: 8192, dropped: { 'no-host': 8 } })
})

test('a message larger than a frame travels in parts', async t => {
  const network = new Network(t)
  network.join('a')
  const edge = network.edge('block')
  const source = new FakeSource()
  network.send(edge, 'k', { bytes: 6_500_000, source })
  network.send(edge, 'k', { bytes: 10, source })
  network.send(edge, 'k', { bytes: 1_100_000, source })
  t.true(await network.clock.until(() => edge.inFlight === 0, 1000))
  t.deepEqual(network.numbers(), [1, 2, 3])
  t.is(edge.delivered, 3)
})

test('a message of which a part is lost is lost, and those around it are not', async t => {
  const network = new Network(t)
  const [a] = network.join('a')
  if (a === undefined) return
  const edge = network.edge('block')
  let parts = 0
  const { publish } = network.bus
  network.bus.publish = (subject, payload, options) => {
    const frame = decodeFrame(payload)
    if (frame[0] === FrameKind.part && ++parts === 2) return true
    return publish.call(network.bus, subject, payload, options)
  }
  const source = new FakeSource()
  network.send(edge, 'k', { source })
  network.send(edge, 'k', { bytes: 3_500_000, source })
  network.send(edge, 'k', { source })
  t.true(await network.clock.until(() => edge.inFlight === 0, 3000))
  t.deepEqual(network.numbers(), [1, 3])
  t.like(edge.row(), { delivered: 2, dropped: { lost: 1 } })
})

test('a message larger than its pipeline lets it be is dropped', async t => {
  const network = new Network(t)
  network.join('a')
  const edge = network.edge('block')
  network.send(edge, 'k', { bytes: 2000, to: pipeline({ maxMessageBytes: 1000 }) })
  t.like(edge.row(), { dropped: { 'too-large': 1 }, inFlight: 0 })
})

test('a fan-out is one message for each node, and each is accounted for', async t => {
  const network = new Network(t)
  network.join('a', 'b', 'c')
  const edge = network.edge()
  const to = pipeline({ fanout: 'all' })
  for (let i = 0; i < 10; i++) network.send(edge, `k${i}`, { to })
  t.true(await network.clock.until(() => edge.inFlight === 0, 1000))
  t.like(edge.row(), { accepted: 30, delivered: 30, dropped: {} })
  for (const name of ['a', 'b', 'c']) t.is(network.numbers(name).length, 10)
})

test('who drains hears when no more comes', async t => {
  const network = new Network(t)
  const [a, b] = network.join('a', 'b')
  if (a === undefined || b === undefined) return
  const edge = network.edge()
  a.isBusy = true
  for (let i = 0; i < 64; i++) network.send(edge, `key-${i}`)
  await network.clock.advance(20)
  network.place(member => (member.name === 'a' ? { ...member, state: 'draining' } : member))
  let isQuiet = false
  void a.inbox.quiet(5000).then(() => {
    isQuiet = true
  })
  await network.clock.advance(600)
  t.false(isQuiet)
  a.finish()
  await network.clock.advance(600)
  t.true(isQuiet)
  t.is(edge.delivered, 64)
})

test('a frame of another version is told of and leaves the rest alone', t => {
  const frame = encodeFrame([FrameKind.bye, 'sender', 1])
  t.deepEqual(decodeFrame(frame), [FrameKind.bye, 'sender', 1])
  frame[0] = 2
  t.throws(() => decodeFrame(frame), { message: /a frame of version 2 came, and this node reads version 1/ })
  for (const bad of [[1], [1, 0xc1], [1, 0x93, 9, 9, 9], [1, 0x05]])
    t.throws(() => decodeFrame(Uint8Array.from(bad)), { message: /is no frame/ })
})
