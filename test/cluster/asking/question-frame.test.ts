/** Questions and answers as bytes: what goes in comes out, and what another version wrote, or nobody, is told apart. */

import test from 'ava'
import fc from 'fast-check'
import type { WireMessage } from '../../../actors/kernel/wire.ts'
import {
  decodeAnswer,
  decodeQuestion,
  encodeAnswer,
  encodeQuestion,
  questionVersion,
} from '../../../cluster/asking/question-frame.ts'
import { TrafficError } from '../../../runtime/errors.ts'

const wire = fc.record({
  head: fc.dictionary(
    // `plainCopy` leaves this one out.
    fc.string().filter(name => name !== '__proto__'),
    fc.oneof(fc.string(), fc.integer(), fc.boolean()),
  ),
  body: fc.option(fc.uint8Array({ maxLength: 100 })),
  traced: fc.boolean(),
})

const message = ({
  head,
  body,
  traced,
}: {
  head: object
  body: Uint8Array | null
  traced: boolean
}): WireMessage =>
  traced
    ? [head, body, null, null, [`00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`, '', 5]]
    : [head, body, null, null]

/** Bytes may come out as a Buffer. */
const plain = ([head, body, tail, payload, trace]: WireMessage): unknown => [
  { ...(head as object) },
  body && [...body],
  tail,
  payload,
  trace,
]

test('questions and answers come out as they went in', t => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.nat(), wire, (name, key, deadlineMs, content) => {
      const sent = message(content)
      const question = decodeQuestion(encodeQuestion({ name, key, deadlineMs, wire: sent }))
      t.like(question, { name, key, deadlineMs })
      t.deepEqual(plain(question.wire), plain(sent))
      t.deepEqual(plain(decodeAnswer(encodeAnswer(sent)) as WireMessage), plain(sent))
    }),
  )
})

test('a fault is an answer, with its code and without the stack of another machine', t => {
  const answer = decodeAnswer(encodeAnswer(new TrafficError('RuntimeError', 'no'))) as TrafficError
  t.is(answer.code, 'RuntimeError')
  t.is(answer.message, 'A script callback failed: no')
})

test('what another version wrote is refused by its version, and what is no frame as that', t => {
  const bytes = encodeQuestion({ name: 'a', key: '', deadlineMs: 1, wire: [{}, null, null, null] })
  const newer = Uint8Array.from(bytes)
  newer[0] = questionVersion + 1
  t.throws(() => decodeQuestion(newer), { message: /version 2 came, and this node knows 1/ })
  for (const broken of [
    bytes.subarray(0, 3),
    Uint8Array.of(questionVersion),
    Uint8Array.of(questionVersion, 1),
  ])
    t.is(t.throws(() => decodeQuestion(broken), { instanceOf: TrafficError })?.code, 'ClusterError')
})

test('no bytes make it throw anything else', t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), bytes => {
      for (const decode of [decodeQuestion, decodeAnswer])
        try {
          decode(Uint8Array.of(questionVersion, ...bytes))
        } catch (error) {
          t.true(error instanceof TrafficError, String(error))
        }
    }),
  )
})
