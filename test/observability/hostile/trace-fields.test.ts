/** Trace fields of requests of any form and length: what goes on is in its form, or there is none. */

import test from 'ava'
import fc from 'fast-check'
import { isWireMessage } from '../../../actors/kernel/wire-check.ts'
import { parseBaggage } from '../../../runtime/trace/baggage.ts'
import { extract } from '../../../runtime/trace/propagation.ts'
import { parseTraceState } from '../../../runtime/trace/trace-state.ts'

const hex = (length: number): fc.Arbitrary<string> =>
  fc
    .array(fc.constantFrom(...'0123456789abcdefABCDEFg'), { minLength: length, maxLength: length })
    .map(each => each.join(''))
const word = fc.oneof(
  fc.constantFrom('constructor', '__proto__', 'toString', 'd', '1', '0', '', '\x1b[2J', 'a=b', '00'),
  hex(16),
  hex(32),
  fc.string(),
)
const field = fc.option(
  fc.oneof(
    fc.array(word, { maxLength: 5 }).map(each => each.join('-')),
    fc.array(word).map(each => each.join(',')),
    word,
  ),
  { nil: undefined },
)

test('whatever stands in the fields, what is taken of them has its form', t => {
  fc.assert(
    fc.property(
      fc.record({
        traceparent: field,
        tracestate: field,
        b3: field,
        'x-b3-traceid': field,
        'x-b3-spanid': field,
        'x-b3-sampled': field,
        'x-b3-flags': field,
      }),
      fields => {
        const given = new Map<string, string | undefined>(Object.entries(fields))
        const { traceparent, state, isSampled } = extract({ hasTrace: true, header: name => given.get(name) })
        if (traceparent !== undefined) t.regex(traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/)
        t.regex(state, /^[ -~]*$/)
        t.true(isSampled === undefined || typeof isSampled === 'boolean')
      },
    ),
    { numRuns: 2000 },
  )
})

test('spaces without end are looked at once', t => {
  // What looked at them once for each would not come back.
  const spaces = ' '.repeat(3_000_000)
  t.is(parseTraceState(`a=b${spaces}x`), '')
  t.is(parseTraceState(`a=b${spaces},c=d`), 'a=b,c=d')
  t.is(parseBaggage(`a=b${spaces}x`), '')
  t.is(parseBaggage(`${spaces}a=b${spaces},c=d`), 'a=b,c=d')
})

test('a decision that is a name of all objects is none', t => {
  for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
    t.is(extract({ hasTrace: true, header: each => (each === 'b3' ? name : undefined) }).isSampled, undefined)
    t.is(
      extract({ hasTrace: true, header: each => (each === 'x-b3-sampled' ? name : undefined) }).isSampled,
      undefined,
    )
  }
})

test('a message with the longest state that is taken from a request is a message for other nodes too', t => {
  const state = Array.from({ length: 32 }, (_, i) => `k${i}${'k'.repeat(250)}=${'v'.repeat(256)}`).join(',')
  t.is(parseTraceState(state), state)
  t.true(isWireMessage([{}, null, null, null, [`00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, state, 1]]))
})
