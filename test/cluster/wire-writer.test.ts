import { isDeepStrictEqual } from 'node:util'
import test from 'ava'
import fc from 'fast-check'
import { Packr } from 'msgpackr'
import type { WireMessage } from '../../actors/kernel/wire.ts'
import { WireWriter } from '../../cluster/wire-writer.ts'

const packr = new Packr({ useRecords: true, moreTypes: false, encodeUndefinedAsNil: false })

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.string({ unit: 'binary', minLength: 20, maxLength: 300 }),
  fc.constantFrom('', 'x'.repeat(31), 'x'.repeat(32), 'ü'.repeat(32), '€'.repeat(22_000)),
)
const plain = fc.oneof(
  fc.constant(null),
  fc.dictionary(text, fc.oneof(text, fc.integer(), fc.boolean(), fc.array(text, { maxLength: 3 }))),
)
const body = fc.oneof(
  fc.constant(null),
  fc.uint8Array({ maxLength: 600 }),
  fc.constantFrom(0, 255, 256, 90_000).map(length => new Uint8Array(length).fill(7)),
)
const trace = fc.constant(['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'a=b', 1.5] as const)
const message: fc.Arbitrary<WireMessage> = fc
  .tuple(fc.oneof(text, plain), body, plain, plain, fc.option(trace, { nil: undefined }))
  .map(([head, body, tail, payload, trace]) =>
    trace === undefined ? [head, body, tail, payload] : [head, body, tail, payload, trace],
  )

test('what is written is what a packer writes, for any messages and any number of them', t => {
  const writer = new WireWriter()
  fc.assert(
    fc.property(fc.array(fc.tuple(text, message), { maxLength: 20 }), messages => {
      writer.begin(1)
      writer.array(messages.length)
      for (const [key, wire] of messages) {
        writer.array(2)
        writer.text(key)
        writer.message(wire)
      }
      const written = writer.take()
      t.is(written[0], 1)
      t.true(isDeepStrictEqual(packr.unpack(written.subarray(1)), packr.unpack(packr.pack(messages))))
    }),
    { numRuns: 300 },
  )
})

test('counts are exact as far as numbers are, and lists have any length', t => {
  const writer = new WireWriter()
  const counts = [0, 1, 127, 128, 255, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1]
  for (const length of [counts.length, 15, 16, 65_535, 65_536]) {
    writer.begin(1)
    writer.array(length)
    for (let i = 0; i < length; i++) writer.count(counts[i % counts.length] as number)
    const read = packr.unpack(writer.take().subarray(1)) as number[]
    t.is(read.length, length)
    t.deepEqual(read.slice(0, counts.length), counts.slice(0, length))
  }
})

test('what was taken stays as it is while more is written', t => {
  const writer = new WireWriter()
  const taken: Uint8Array[] = []
  for (let i = 0; i < 40; i++) {
    writer.begin(1)
    writer.text(String(i).repeat(20_000))
    taken.push(writer.take())
  }
  taken.forEach((bytes, i) => {
    t.is(packr.unpack(bytes.subarray(1)), String(i).repeat(20_000))
  })
})
