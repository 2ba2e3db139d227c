import test from 'ava'
import fc from 'fast-check'
import { encodeFrame, readFrame } from '../../../observability/sinks/disk/frame.ts'

const entry = fc.record({
  id: fc.string({ unit: 'grapheme', minLength: 1 }),
  timeMs: fc.nat(),
  json: fc.json().map(text => Buffer.from(text.replaceAll('\n', ' '))),
  traceId: fc.constantFrom(undefined, '0af7651916cd43dd8448eb211c80319c'),
  spanId: fc.constantFrom(undefined, 'b7ad6b7169203331'),
})

test('an entry is read as it was written', t => {
  fc.assert(
    fc.property(fc.array(entry, { minLength: 1, maxLength: 20 }), entries => {
      const bytes = Buffer.concat(entries.map(encodeFrame))
      let at = 0
      for (const each of entries) {
        const reading = readFrame(bytes, at)
        if (reading.kind !== 'frame') throw new Error(reading.kind)
        t.deepEqual(reading.entry, each)
        at = reading.end
      }
      t.is(at, bytes.length)
    }),
    { numRuns: 100 },
  )
})

test('an entry of which the end is missing is partial, wherever it breaks off', t => {
  const frame = encodeFrame({ id: 'a', timeMs: 1, json: Buffer.from('{"a":"ü"}') })
  for (let length = 0; length < frame.length; length++)
    t.is(readFrame(frame.subarray(0, length), 0).kind, 'partial', String(length))
})

test('an entry in which any bit is wrong is not read', t => {
  const frame = encodeFrame({ id: 'a', timeMs: 1, json: Buffer.from('{"a":1}') })
  for (let bit = 0; bit < frame.length * 8; bit++) {
    const wrong = Buffer.from(frame)
    wrong[bit >> 3] = (wrong[bit >> 3] as number) ^ (1 << (bit & 7))
    t.not(readFrame(wrong, 0).kind, 'frame', `bit ${bit}`)
  }
})
