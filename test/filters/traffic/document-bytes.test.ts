/** Documents are bytes: valid UTF-8 whatever came, and the same for as long as anyone has them. */

import { Buffer, isUtf8 } from 'node:buffer'
import test from 'ava'
import fc from 'fast-check'
import { JSONWriter } from '../../../actors/filters/traffic/json-writer.ts'
import { mergeFields } from '../../../actors/filters/traffic/merge-fields.ts'

function documentWith(out: JSONWriter, body: Uint8Array, fields = ''): Buffer {
  out.begin()
  out.json('{"body":"')
  out.escaped(body, 0, body.length)
  out.json('"}')
  if (fields !== '') mergeFields(out, fields)
  return out.take()
}

test('what is no UTF-8 becomes U+FFFD, and a document is one line of valid UTF-8', t => {
  const out = new JSONWriter()
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), body => {
      const document = documentWith(out, body)
      t.true(isUtf8(document))
      t.false(document.includes(10))
      t.deepEqual(JSON.parse(document.toString()), { body: Buffer.from(body).toString() })
    }),
    { numRuns: 300 },
  )
})

test('documents of any size stay what they were while others are written', t => {
  const out = new JSONWriter()
  const sizes = [10, 3000, 40_000, 300_000, 2_000_000, 3000, 32_000, 0]
  const written = Array.from({ length: 40 }, (_, i) => {
    const body = Buffer.alloc(sizes[i % sizes.length] as number, 97 + (i % 26))
    return { body, document: documentWith(out, body) }
  })
  for (const { body, document } of written) t.is(document.toString(), `{"body":"${body}"}`)
})

test('fields of any text are added, half surrogates and all', t => {
  const out = new JSONWriter()
  const body = Buffer.from('fine')
  const added = (fields: object): unknown =>
    JSON.parse(documentWith(out, body, JSON.stringify(fields)).toString())
  t.deepEqual(added({ name: '\ud800' }), { body: 'fine', name: '\ud800' })
  t.deepEqual(added({ '\ud83d': 1, ü: '\u{1f600}' }), { body: 'fine', '\ud83d': 1, ü: '\u{1f600}' })
  t.deepEqual(added({ body: { '\udc00': 'ü' } }), { body: { '\udc00': 'ü' } })
  t.deepEqual(added({}), { body: 'fine' })
})
