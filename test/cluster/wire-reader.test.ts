import { Buffer } from 'node:buffer'
import { isDeepStrictEqual } from 'node:util'
import test from 'ava'
import fc from 'fast-check'
import { Packr } from 'msgpackr'
import { readPacked } from '../../cluster/wire-reader.ts'

const packr = new Packr({ useRecords: true, moreTypes: false, encodeUndefinedAsNil: false })

const behindVersion = (packed: Uint8Array): Uint8Array => Buffer.concat([Uint8Array.of(1), packed])

/** Bytes are views of one kind or another: what counts is what is in them. */
const plain = (value: unknown): unknown =>
  value instanceof Uint8Array
    ? { bytes: Buffer.from(value).toString('latin1') }
    : Array.isArray(value)
      ? value.map(plain)
      : value

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.string({ unit: 'binary-ascii', maxLength: 14 }),
  fc.constantFrom('', 'x'.repeat(31), 'ü'.repeat(200), '€'.repeat(22_000)),
)
const number = fc.oneof(fc.integer(), fc.double(), fc.nat(300), fc.maxSafeNat())
const single = fc.oneof(
  text,
  number,
  fc.boolean(),
  fc.constant(null),
  fc.constant(undefined),
  fc.uint8Array({ maxLength: 300 }),
  fc.constantFrom(256, 70_000).map(length => new Uint8Array(length).fill(7)),
  fc.dictionary(text, text, { maxKeys: 3 }),
)
const { tree: value } = fc.letrec(tie => ({
  tree: fc.oneof({ maxDepth: 10 }, single, fc.array(tie('tree'), { maxLength: 18 })),
}))

test('what is read is what a packer reads, whatever was packed', t => {
  fc.assert(
    fc.property(value, value => {
      const packed = packr.pack(value)
      t.true(isDeepStrictEqual(plain(readPacked(behindVersion(packed))), plain(packr.unpack(packed))))
    }),
    { numRuns: 500 },
  )
})

/** What comes of reading: a value, or that there was an error. */
const attempt = (read: () => unknown): unknown => {
  try {
    return plain(read())
  } catch {
    return 'an error'
  }
}

test('bytes that are cut, or changed, are read as a packer reads them', t => {
  const most = { minLength: 1, maxLength: 40 }
  fc.assert(
    fc.property(value, fc.nat(), fc.nat(255), (value, place, byte) => {
      const packed = Uint8Array.from(packr.pack(value).subarray(0, 400))
      const at = place % packed.length
      packed[at] = byte
      for (const bytes of [packed, packed.subarray(0, at)])
        t.true(
          isDeepStrictEqual(
            attempt(() => readPacked(behindVersion(bytes))),
            attempt(() => packr.unpack(Uint8Array.from(bytes))),
          ),
        )
    }),
    { numRuns: 500 },
  )
  fc.assert(
    fc.property(fc.uint8Array(most), bytes => {
      t.true(
        isDeepStrictEqual(
          attempt(() => readPacked(behindVersion(bytes))),
          attempt(() => packr.unpack(Uint8Array.from(bytes))),
        ),
      )
    }),
    { numRuns: 1000 },
  )
})

test('a list that says it is longer than what is there takes no memory', t => {
  t.throws(() => readPacked(Uint8Array.of(1, 0xdd, 0xff, 0xff, 0xff, 0xff, 1, 2)))
})
