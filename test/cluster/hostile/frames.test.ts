/** Whoever may write to the bus may write anything: frames, batches, questions and letters of any bytes and any content. */

import { Buffer } from 'node:buffer'
import test from 'ava'
import fc from 'fast-check'
import { Packr } from 'msgpackr'
import { fromWire, wireMessageBytes } from '../../../actors/kernel/wire.ts'
import type { ClusterReceiver } from '../../../actors/shared/cluster-link.ts'
import { decodeAnswer, decodeQuestion } from '../../../cluster/asking/question-frame.ts'
import {
  decodeFrame,
  encodeFrame,
  type Frame,
  FrameKind,
  frameVersion,
  unpackMessage,
} from '../../../cluster/delivery/frame.ts'
import { Inbox } from '../../../cluster/delivery/inbox.ts'
import type { PartBudget } from '../../../cluster/delivery/part-assembly.ts'
import { answerSubject } from '../../../cluster/delivery/subjects.ts'
import { decodeBatch, decodeMessage } from '../../../cluster/durable/batch.ts'
import { decodeLetter } from '../../../cluster/kernels/reliable-link.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import { noLog } from '../../../runtime/log.ts'
import { MemoryBroker } from '../../support/memory-bus.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { Network } from '../delivery/support.ts'

const packr = new Packr({ useRecords: true, moreTypes: false, encodeUndefinedAsNil: false })
const packed = (value: unknown): Uint8Array => Buffer.concat([Uint8Array.of(frameVersion), packr.pack(value)])

/** Values of the kinds that frames are made of, at any place. */
const { anything } = fc.letrec(tie => ({
  anything: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(
      null,
      undefined,
      true,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      -1,
      0.5,
      2 ** 53,
      1e300,
      2n ** 63n,
    ),
    fc.integer({ min: 0, max: 5 }),
    fc.constantFrom('', 'log', 'length', '__proto__', 'constructor', 'a b', 'x\r\nPUB y 0\r\n', '0'),
    fc.uint8Array({ maxLength: 8 }),
    fc.array(tie('anything'), { maxLength: 8 }),
    fc.dictionary(fc.constantFrom('a', 'id', 'length', 'toString'), tie('anything'), { maxKeys: 2 }),
  ),
}))
const count = fc.oneof(fc.nat(3), fc.constantFrom(2 ** 31, 2 ** 40, Number.MAX_SAFE_INTEGER), anything)
const name = fc.oneof(fc.constantFrom('one', 'log'), anything)
const header = fc.oneof(fc.tuple(count, name, count, count), anything)
const wire = fc.oneof(
  fc.tuple(
    fc.constantFrom<unknown>({}, {}, null, ' text'),
    fc.constantFrom(null, new Uint8Array(3)),
    fc.constant(null),
    anything,
  ),
  fc.array(anything, { minLength: 3, maxLength: 5 }),
  anything,
)
const frame = fc.oneof(
  fc.tuple(
    fc.constant(0),
    name,
    count,
    fc.array(header, { maxLength: 3 }),
    fc.array(fc.oneof(fc.tuple(count, name, wire), anything), { maxLength: 3 }),
  ),
  fc.tuple(
    fc.constant(1),
    name,
    count,
    header,
    count,
    count,
    count,
    fc.oneof(fc.uint8Array({ maxLength: 9 }), anything),
  ),
  fc.tuple(
    fc.constant(2),
    count,
    fc.array(fc.oneof(fc.tuple(count, count, count, count, count, count), anything), { maxLength: 3 }),
  ),
  fc.tuple(fc.constant(3), name, count),
  anything,
)

test('no bytes and no content make a decoder throw anything but an error with a code', t => {
  const decoders = [
    decodeFrame,
    decodeBatch,
    decodeMessage,
    decodeQuestion,
    decodeAnswer,
    decodeLetter,
    unpackMessage,
  ]
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    fc
      .oneof(
        frame,
        fc.tuple(name, fc.array(fc.tuple(name, wire, name, fc.array(count)))),
        fc.tuple(name, name, wire, count),
      )
      .map(packed),
  )
  fc.assert(
    fc.property(content, bytes => {
      for (const decode of decoders)
        try {
          decode(bytes)
        } catch (error) {
          t.true(error instanceof TrafficError, String(error))
        }
    }),
    { numRuns: 1000 },
  )
})

test('what a decoder takes for a message can be given to an actor', t => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constant('k'), wire), { minLength: 1, maxLength: 3 }), items => {
      let read: ReturnType<typeof decodeBatch>
      try {
        read = decodeBatch(packed(['b', items]))
      } catch (error) {
        return error instanceof TrafficError
      }
      for (const [, each] of read.items) {
        if (each === null) continue
        t.notThrows(() => fromWire(each))
        t.true(Number.isFinite(wireMessageBytes(each)))
      }
      return true
    }),
    { numRuns: 1000 },
  )
})

test('the place in a trace that a message claims is in its form, or it is no message', t => {
  const good = [`00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, 'v=1', 5] as const
  t.notThrows(() => decodeBatch(packed(['b', [['k', [{}, null, null, null, good]]]])))
  for (const bad of [
    ['00-1-2-01', '', 5],
    [`${good[0]}\r\nx: y`, '', 5],
    [good[0], 'v=1\r\nx: y', 5],
    [good[0], 'v'.repeat(20_000), 5],
    [good[0], '', Number.NaN],
    'x',
    null,
  ])
    t.throws(() => decodeBatch(packed(['b', [['k', [{}, null, null, null, bad]]]])), {
      message: /none of its own/,
    })
})

/** An inbox whose actors take what they get, as they would. */
function inbox(t: import('ava').ExecutionContext): {
  inbox: Inbox
  published: string[]
  clock: VirtualClock
} {
  const clock = new VirtualClock()
  t.teardown(clock.install())
  const broker = new MemoryBroker(1)
  const bus = broker.connect()
  const published: string[] = []
  const { publish } = bus
  bus.publish = (subject, payload, options) => {
    published.push(subject)
    return publish.call(bus, subject, payload, options)
  }
  const made = new Inbox({ bus, cluster: 'test', log: noLog, maxMessageBytes: () => 1000 })
  made.attach({
    take: (_name, _key, each, outcome) => {
      fromWire(each)
      outcome(true)
    },
  } as ClusterReceiver)
  t.teardown(() => {
    made.stop()
    broker.close()
  })
  return { inbox: made, published, clock }
}

test('no frames make an inbox throw, hang, or speak to a subject that is none', t => {
  const { inbox: hostile, published } = inbox(t)
  fc.assert(
    fc.property(fc.array(frame, { minLength: 1, maxLength: 4 }), frames => {
      for (const each of frames) t.notThrows(() => hostile.receive(packed(each)))
    }),
    { numRuns: 800 },
  )
  for (const subject of published) t.regex(subject, /^sluice\.test\.re\.[\w-]+$/)
})

test('a header that claims more messages than there can be costs no more than one that does not', t => {
  const { inbox: hostile, published } = inbox(t)
  for (const messages of [2 ** 40, Number.MAX_SAFE_INTEGER])
    hostile.receive(encodeFrame([FrameKind.messages, 'mallory', 1, [[0, 'log', messages, 0]], []]))
  hostile.receive(
    encodeFrame([FrameKind.messages, 'alice', 1, [[0, 'log', 0, 0]], [[0, 'k', [{}, null, null, null]]]]),
  )
  // Counted one by one, they would keep it busy for longer than any test may take.
  t.is(published.at(-1), answerSubject('test', 'alice'))
})

test('senders beyond all that there can be are refused, and those that are known are not', t => {
  const { inbox: hostile, published } = inbox(t)
  const send = (sender: string): void =>
    hostile.receive(encodeFrame([FrameKind.messages, sender, 1, [[0, 'log', 0, 0]], []]))
  send('alice')
  for (let i = 0; i < 20_000; i++) send(`s${i}`)
  t.true(hostile.unreadable > 3000)
  published.length = 0
  send('alice')
  t.deepEqual(published, [answerSubject('test', 'alice')])
})

test.serial(
  'memory for a message whose last part never comes is given back when its sender is forgotten',
  async t => {
    const { inbox: hostile, clock } = inbox(t)
    const budget = (hostile as unknown as { budget: PartBudget }).budget
    const all = 64 * 1024 * 1024
    hostile.receive(
      encodeFrame([FrameKind.part, 'gone', 1, [0, 'log', 0, 0], 0, 2, 1000, new Uint8Array(10)]),
    )
    t.false(budget.take(all))
    await clock.advance(700_000)
    t.true(budget.take(all))
  },
)

test.serial('credit for what was never sent changes no ledger, and the true credit counts', async t => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        frame.filter(each => Array.isArray(each) && each[0] === 2),
        { maxLength: 5 },
      ),
      async forged => {
        const network = new Network(undefined)
        try {
          const [host] = network.join('a')
          const edge = network.edge('block')
          if (host === undefined) return
          host.isBusy = true
          for (let i = 0; i < 3; i++) network.send(edge, 'k')
          await network.clock.advance(50)
          const sender = (network.outbox as unknown as { sender: string }).sender
          for (const each of [...forged, [2, 1, [[0, 9, 0, 0, 0, 9]]], [2, 1, [[0, 1e9, 0, 0, -5, 1e9]]]])
            network.bus.publish(answerSubject('test', sender), packed(each))
          await network.clock.advance(50)
          const row = edge.row()
          const dropped = Object.values(row.dropped).reduce((sum, each) => sum + each, 0)
          t.is(row.accepted, row.delivered + row.duplicate + row.deadLettered + dropped + row.inFlight)
          t.true(row.inFlight >= 0 && row.delivered <= 3)
          host.isBusy = false
          host.finish()
        } finally {
          network.close()
        }
      },
    ),
    { numRuns: 30 },
  )
})

test('a frame that was taken before has the same content after it was written and read', t => {
  const sent: Frame = [
    FrameKind.messages,
    'sender',
    1,
    [[0, 'log', 0, 0]],
    [
      [
        0,
        'key',
        [{ path: '/' }, Uint8Array.of(1), null, null, [`00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, '', 1]],
      ],
    ],
  ]
  const read = decodeFrame(encodeFrame(sent))
  t.is(read[0], FrameKind.messages)
  t.like(read, { 1: 'sender', 2: 1 })
})
