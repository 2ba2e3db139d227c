/** What holds for every input: cuts do not matter, nothing throws, and what is written is read back. */

import { Buffer } from 'node:buffer'
import test from 'ava'
import fc from 'fast-check'
import { RESP } from '../../../../runtime/api/index.ts'
import { encodeRESP, type RESPValue, VerbatimString } from '../../../../runtime/codec/resp/index.ts'
import { Data } from '../../../../runtime/data.ts'
import { byteByByte, cutAt, cuts } from '../support/cuts.ts'
import { decode, plain } from './recorder.ts'

const text = fc.string({ maxLength: 12 })
const data = fc.uint8Array({ maxLength: 20 }).map(bytes => new Data(bytes))
const key = fc.oneof(text, fc.integer())

/** Values of which JavaScript keeps all there is: inside others, a string comes back as Data. */
const { value } = fc.letrec<{ value: RESPValue }>(tie => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.double(),
    fc.bigInt({ min: 2n ** 60n, max: 2n ** 80n }),
    data,
    text.map(message => new Error(message)),
    text.map(content => new VerbatimString('txt', content)),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.uniqueArray(key, { maxLength: 4 }).map(keys => new Set(keys)),
    fc
      .uniqueArray(fc.tuple(key, tie('value')), { maxLength: 4, selector: ([name]) => name })
      .map(entries => new Map(entries)),
  ),
}))

test('property: values that are written are read back, however they are cut', t => {
  fc.assert(
    fc.property(fc.array(value, { maxLength: 4 }), cuts, (values, places) => {
      const input = Buffer.concat(values.map(one => encodeRESP(one)))
      const payloads = (pieces: ReturnType<typeof cutAt>) =>
        decode(pieces).map(event => ('type' in event ? event.payload : event))
      t.deepEqual(payloads(cutAt(input, places)), values.map(plain))
      t.deepEqual(payloads(byteByByte(input)), values.map(plain))
    }),
    { numRuns: 200 },
  )
})

test('property: what was read is written as it came', t => {
  fc.assert(
    fc.property(value, one => {
      const bytes = new Data(encodeRESP(one))
      const [again] = RESP.decode(bytes)
      t.deepEqual(RESP.encode(again).bytes(), bytes.bytes())
    }),
    { numRuns: 200 },
  )
})

const limits = { maxMessageBytes: 300, maxElements: 40, maxDepth: 6, maxLineBytes: 30 }

/** Bytes that come close to being values. */
const nearly = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '*2\r\n',
        '*?\r\n',
        '%1\r\n',
        '%?\r\n',
        '~2\r\n',
        '>1\r\n',
        '|1\r\n',
        '.\r\n',
        '$?\r\n',
      ),
      fc.constantFrom(';1\r\na\r\n', ';0\r\n', '$3\r\nabc\r\n', '$-1\r\n', '*-1\r\n', '_\r\n', '#t\r\n'),
      fc.constantFrom(
        ':12\r\n',
        ',1.5\r\n',
        '(99\r\n',
        '+OK\r\n',
        '-ERR\r\n',
        '!2\r\nab\r\n',
        '=5\r\ntxt:a\r\n',
      ),
      fc.constantFrom(
        '\r',
        '\n',
        '$',
        '*',
        '1',
        '-',
        '$500\r\n',
        '*50\r\n',
        '+0123456789012345678901234567890',
      ),
    ),
    { maxLength: 30 },
  )
  .map(parts => Buffer.from(parts.join('')))

test('property: any bytes give values and at most one violation, at the end, however they are cut', t => {
  const anything = fc.uint8Array({ maxLength: 60 }).map(bytes => Buffer.from(bytes))
  fc.assert(
    fc.property(fc.oneof({ weight: 4, arbitrary: nearly }, anything), cuts, (input, places) => {
      const events = decode(cutAt(input, places), limits)
      t.deepEqual(events, decode(byteByByte(input), limits))
      t.deepEqual(events, decode(cutAt(input, []), limits))
      const violations = events.filter(event => 'violation' in event)
      t.true(violations.length === 0 || (violations.length === 1 && violations[0] === events.at(-1)))
    }),
    { numRuns: 1000 },
  )
})
