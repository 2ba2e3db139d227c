/** Whoever may write to the bus may write anything: letters between kernels of any content. */

import { Buffer } from 'node:buffer'
import test from 'ava'
import fc from 'fast-check'
import { Packr } from 'msgpackr'
import {
  decodeLetter,
  encodeLetter,
  type Letter,
  letterVersion,
  ReliableLink,
} from '../../../cluster/kernels/reliable-link.ts'
import { TrafficError } from '../../../runtime/errors.ts'

const packr = new Packr({ useRecords: true, moreTypes: false, encodeUndefinedAsNil: false })

const anything = fc.oneof(
  fc.anything({ withBigInt: false, withNullPrototype: false, maxDepth: 2 }),
  fc.constantFrom(-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 1e300),
)
const count = fc.oneof(
  { weight: 3, arbitrary: fc.nat(6) },
  { weight: 1, arbitrary: fc.constantFrom(2 ** 40, Number.MAX_SAFE_INTEGER) },
  { weight: 1, arbitrary: anything },
)
const item = fc.oneof(fc.tuple(fc.constant('tell'), anything), anything)
const letter = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.tuple(
      fc.oneof(fc.constantFrom('b-1.0.1', 'b-1', '', 'b-1.x.1', 'b 1.0.1'), anything),
      count,
      count,
      fc.oneof(fc.array(item, { maxLength: 3 }), anything),
      count,
      count,
    ),
  },
  { weight: 1, arbitrary: anything },
)

/** What comes of a value on its way; undefined when it is refused. */
function read(value: unknown): Letter | undefined {
  let bytes: Uint8Array
  try {
    bytes = Buffer.concat([Uint8Array.of(letterVersion), packr.pack(value)])
  } catch {
    return undefined
  }
  try {
    return decodeLetter(bytes)
  } catch (error) {
    if (error instanceof TrafficError && error.code === 'ClusterError') return undefined
    throw error
  }
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0

test('whatever was packed, it is a letter that can be counted with, or refused', t => {
  fc.assert(
    fc.property(letter, value => {
      const it = read(value)
      if (it === undefined) return
      const [from, link, first, items, otherLink, taken] = it
      t.regex(from, /^[\w-]+\.\d+\.\d+$/)
      t.true([link, first, otherLink, taken].every(isCount) && link > 0)
      for (const each of items) t.is(typeof (each as unknown[])[0], 'string')
    }),
    { numRuns: 3000 },
  )
})

test('a letter that is one is read as it was written', t => {
  fc.assert(
    fc.property(
      fc.tuple(
        fc.constantFrom('b-1.0.1', 'mbx1-abc.12.3'),
        fc.integer({ min: 1 }),
        fc.nat(),
        fc.array(fc.tuple(fc.constantFrom('tell', 'ask'), fc.string(), fc.nat()), { maxLength: 4 }),
        fc.nat(),
        fc.nat(),
      ),
      written => {
        t.deepEqual(decodeLetter(encodeLetter(written)), written)
      },
    ),
  )
})

test('no letter makes a link forget what it has not sent, nor take what it cannot count', t => {
  fc.assert(
    fc.property(fc.array(letter, { maxLength: 8 }), letters => {
      const posted: Letter[] = []
      let taken = 0
      const link = new ReliableLink(
        'a-1.0.1',
        1,
        each => posted.push(each),
        () => taken++,
      )
      for (const name of ['first', 'second']) link.send([name])
      link.flush()
      link.send(['third'])
      for (const value of letters) {
        const it = read(value)
        if (it !== undefined) link.receive(it)
      }
      link.flush()
      for (const each of posted) t.true([each[1], each[2], each[4], each[5]].every(isCount))
      t.deepEqual(posted.at(-1)?.[3].at(-1), ['third'])
      t.is(posted.at(-1)?.[5], taken)
    }),
    { numRuns: 3000 },
  )
})
