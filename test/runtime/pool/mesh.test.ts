import { once } from 'node:events'
import { MessageChannel } from 'node:worker_threads'
import test from 'ava'
import { unpackFrame } from '../../../runtime/pool/frame.ts'
import { Mesh } from '../../../runtime/pool/mesh.ts'
import { turn } from '../../../runtime/turn.ts'
import { Occurrences } from '../../support/occurrences.ts'

const inTurn = (run: () => void): void => {
  turn.begin(null)
  run()
  turn.end()
}

/** Two threads' meshes, joined, in one thread: ports behave the same. */
const makePair = () => {
  const { port1, port2 } = new MessageChannel()
  const [a, b] = [new Mesh(0), new Mesh(1)]
  a.connect(1, 1, port1)
  b.connect(0, 1, port2)
  const keepAlive = setInterval(() => {}, 1000)
  const end = (): void => {
    clearInterval(keepAlive)
    a.close()
    b.close()
  }
  return { a, b, end }
}

test('all items of a turn arrive as one frame, in order, byte arrays unharmed', async t => {
  const { a, b, end } = makePair()
  t.teardown(end)
  const frames = new Occurrences<readonly unknown[]>()
  b.onItems((_from, _incarnation, items) => frames.add(items))
  const items = [
    { to: 'log/1', seq: 1, body: new Uint8Array([0, 255, 7]) },
    { to: 'log/1', seq: 2, body: new Uint8Array(0) },
    ['text', 42, -1.5, true, null, undefined, { deep: { er: 'ü' } }],
    'plain',
  ]
  inTurn(() => {
    for (const item of items) t.true(a.send(1, item))
  })
  const frame = await frames.next()
  t.is(frame.length, items.length)
  t.deepEqual([...(frame[0] as { body: Uint8Array }).body], [0, 255, 7])
  t.deepEqual(frame.slice(2), items.slice(2))
  t.is(frames.seen.length, 1)
})

test('a frame has memory of its own, so that sending it does not clone a pool', async t => {
  const { port1, port2 } = new MessageChannel()
  const mesh = new Mesh(0)
  mesh.connect(1, 1, port1)
  inTurn(() => mesh.send(1, { hello: 1 }))
  const [frame] = (await once(port2, 'message')) as [Uint8Array]
  t.is(frame.buffer.byteLength, frame.byteLength)
  t.deepEqual(unpackFrame(frame), [{ hello: 1 }])
  mesh.close()
})

test('items sent outside of a turn go together as well', async t => {
  const { a, b, end } = makePair()
  t.teardown(end)
  const frames = new Occurrences<readonly unknown[]>()
  b.onItems((_from, _incarnation, items) => frames.add(items))
  a.send(1, 1)
  a.send(1, 2)
  t.deepEqual(await frames.next(), [1, 2])
})

test('answers sent while a frame is handled go back as one frame', async t => {
  const { a, b, end } = makePair()
  t.teardown(end)
  const answers = new Occurrences<readonly unknown[]>()
  a.onItems((_from, _incarnation, items) => answers.add(items))
  b.onItems((from, _incarnation, items) => {
    for (const item of items) b.send(from, (item as number) * 2)
  })
  inTurn(() => {
    a.send(1, 1)
    a.send(1, 2)
  })
  t.deepEqual(await answers.next(), [2, 4])
})

test('what came before anyone listened is kept', async t => {
  const { a, b, end } = makePair()
  t.teardown(end)
  inTurn(() => a.send(1, 'early'))
  const frames = new Occurrences<readonly unknown[]>()
  await new Promise(setImmediate)
  b.onItems((_from, _incarnation, items) => frames.add(items))
  t.deepEqual(await frames.next(), ['early'])
})

test('what a thread sent before it died is handled before its end is told', t => {
  const { a, b, end } = makePair()
  t.teardown(end)
  const told: unknown[] = []
  b.onItems((from, incarnation, items) => told.push(['items', from, incarnation, ...items]))
  b.onPeer((thread, incarnation, state) => told.push([state, thread, incarnation]))
  inTurn(() => a.send(1, 'last words'))
  b.disconnect(0, 1)
  t.deepEqual(told, [
    ['up', 0, 1],
    ['items', 0, 1, 'last words'],
    ['down', 0, 1],
  ])
})

test('sending to a thread that is not up is refused, so that the sender can account for it', t => {
  const { a, end } = makePair()
  t.teardown(end)
  t.false(a.send(2, 'x'))
  a.disconnect(1, 7)
  t.true(a.isUp(1), 'another incarnation went down, not this one')
  a.disconnect(1, 1)
  t.false(a.send(1, 'x'))
})
