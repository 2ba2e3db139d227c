import { Buffer } from 'node:buffer'
import test from 'ava'
import fc from 'fast-check'
import {
  DubboDecoder,
  DubboEncoder,
  DubboHead,
  type DubboHeadLike,
} from '../../../../runtime/codec/dubbo/index.ts'
import { byteByByte, cutAt, cuts } from '../support/cuts.ts'
import { heartbeat, heartbeatAnswer, request, response } from './samples.ts'

type Recorded = { head: DubboHead } | { body: string } | 'end' | { violation: string }

/** What a decoder says, with the pieces of a body joined. */
function decode(pieces: readonly { buffer: Buffer; end: number }[], maxBodyBytes?: number): Recorded[] {
  const events: Recorded[] = []
  const decoder = new DubboDecoder(
    {
      head: head => events.push({ head }),
      body: (buffer, start, end) => {
        const text = buffer.toString('hex', start, end)
        const last = events.at(-1)
        if (typeof last === 'object' && 'body' in last) last.body += text
        else events.push({ body: text })
      },
      end: () => events.push('end'),
      violation: ({ id }) => events.push({ violation: id }),
    },
    maxBodyBytes,
  )
  for (const { buffer, end } of pieces) decoder.decode(buffer, 0, end)
  decoder.finish()
  return events
}

const whole = (...parts: Buffer[]) => cutAt(Buffer.concat(parts), [])

const encode = (head: DubboHeadLike, body: Buffer = Buffer.alloc(0), encoder = new DubboEncoder()): Buffer =>
  Buffer.concat([encoder.encodeHead(head, body.length), body])

test('a request, its answer and heartbeats are read', t => {
  const events = decode(whole(request, response, heartbeat, heartbeatAnswer))
  const heads = events.flatMap(event => (typeof event === 'object' && 'head' in event ? [event.head] : []))
  t.deepEqual(
    heads.map(({ id, isRequest, isTwoWay, isEvent, serializationType, status }) => [
      id,
      isRequest,
      isTwoWay,
      isEvent,
      serializationType,
      status,
    ]),
    [
      ['1', true, true, false, 2, 0],
      ['1', false, false, false, 2, 20],
      ['2', true, true, true, 2, 0],
      ['2', false, false, true, 2, 20],
    ],
  )
  t.deepEqual(events[1], { body: request.subarray(16).toString('hex') })
  t.deepEqual(events.at(-2), { body: '4e' })
})

test('what was read is written as it came', t => {
  for (const sample of [request, response, heartbeat, heartbeatAnswer]) {
    const [first] = decode(whole(sample)) as [{ head: DubboHead }]
    t.deepEqual(encode(first.head, sample.subarray(16)), sample)
    t.deepEqual(encode({ ...first.head }, sample.subarray(16)), sample)
    t.deepEqual(encode(first.head.clone(), sample.subarray(16)), sample)
  }
})

test('a message without a body is one', t => {
  const bytes = encode({ requestID: 5 })
  t.deepEqual(decode(whole(bytes)), [{ head: new DubboHead(5, 0xc2, 0) }, 'end'])
})

test('what a head leaves out is that of a two-way request in Hessian 2, or of an answer that is OK', t => {
  const encoder = new DubboEncoder()
  t.is(encode({}, undefined, encoder).toString('hex'), 'dabbc200000000000000000000000000')
  t.is(encode({}, undefined, encoder).toString('hex'), 'dabbc200000000000000000100000000')
  t.is(encode({ id: '7', isRequest: false }).toString('hex'), 'dabb0214000000000000000700000000')
  t.is(encode({ isTwoWay: false, serializationType: 6 }).toString('hex').slice(4, 6), '86')
})

test('ids of 64 bits keep all digits, and may be negative', t => {
  for (const id of [2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n, 0xffff_ffffn, -1n]) {
    const [first] = decode(whole(encode({ requestID: id }))) as [{ head: DubboHead }]
    t.is(BigInt(first.head.requestID), id)
    t.is(first.head.id, String(id))
    t.deepEqual(encode({ id: first.head.id }), encode({ requestID: id }))
  }
  const [first] = decode(whole(encode({ requestID: 2 ** 53 - 1 }))) as [{ head: DubboHead }]
  t.is(first.head.requestID, 2 ** 53 - 1)
})

test('a head that cannot be written is refused', t => {
  for (const head of [
    { requestID: 1.5 },
    { id: 'abc' },
    { requestID: 2n ** 63n },
    { serializationType: 32 },
    { status: 256 },
    { status: -1 },
  ])
    t.throws(() => encode(head), { code: 'RuntimeError', message: /of a Dubbo head is/ })
})

test('another protocol is refused at its first byte', t => {
  t.deepEqual(decode(whole(Buffer.from('G'))), [{ violation: 'badMagic' }])
  t.deepEqual(decode(whole(Buffer.from('telnet: ls\r\n and more than a head'))), [{ violation: 'badMagic' }])
  t.deepEqual(decode(whole(Buffer.from('dabc', 'hex'))), [{ violation: 'badMagic' }])
})

test('a body above the limit is refused before any of it comes', t => {
  const long = Buffer.from('dabbc2000000000000000001ffffffff', 'hex')
  t.deepEqual(decode(whole(long)), [{ violation: 'bodyTooLarge' }])
  const body = Buffer.alloc(100)
  t.deepEqual(decode(whole(encode({}, body)), 99), [{ violation: 'bodyTooLarge' }])
  t.is(decode(whole(encode({}, body)), 100).at(-1), 'end')
})

test('a connection that closes inside a message is a violation', t => {
  for (let size = 1; size < request.length; size++)
    t.deepEqual(decode(whole(request.subarray(0, size))).at(-1), { violation: 'truncated' })
})

const head = fc.record({
  requestID: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  isRequest: fc.boolean(),
  isTwoWay: fc.boolean(),
  isEvent: fc.boolean(),
  serializationType: fc.nat({ max: 31 }),
  status: fc.nat({ max: 255 }),
})
const body = fc.uint8Array({ maxLength: 80 }).map(array => Buffer.from(array))

test('property: messages that are written are read back, however they are cut', t => {
  fc.assert(
    fc.property(fc.array(fc.tuple(head, body), { maxLength: 5 }), cuts, (messages, places) => {
      const input = Buffer.concat(messages.map(([h, b]) => encode(h, b)))
      const expected: Recorded[] = messages.flatMap(([h, b]) => [
        { head: Object.assign(new DubboHead(0, 0, 0), h, { requestID: simplest(h.requestID) }) },
        ...(b.length > 0 ? [{ body: b.toString('hex') }] : []),
        'end' as const,
      ])
      t.deepEqual(decode(cutAt(input, places)), expected)
      t.deepEqual(decode(byteByByte(input)), expected)
    }),
    { numRuns: 100 },
  )
})

const simplest = (id: bigint): number | bigint => (Number.isSafeInteger(Number(id)) ? Number(id) : id)

test('property: any bytes give messages and at most one violation, at the end, however they are cut', t => {
  const mutated = fc
    .tuple(fc.constantFrom(request, response, heartbeat), fc.nat(), fc.nat({ max: 255 }))
    .map(([sample, at, byte]) => {
      const copy = Buffer.concat([sample, sample])
      copy[at % copy.length] = byte
      return copy
    })
  const anything = fc.uint8Array({ maxLength: 100 }).map(array => Buffer.from(array))
  fc.assert(
    fc.property(fc.oneof(mutated, anything), cuts, (input, places) => {
      const events = decode(cutAt(input, places), 1000)
      t.deepEqual(events, decode(byteByByte(input), 1000))
      const violations = events.filter(event => typeof event === 'object' && 'violation' in event)
      t.true(violations.length === 0 || (violations.length === 1 && violations[0] === events.at(-1)))
    }),
    { numRuns: 300 },
  )
})
