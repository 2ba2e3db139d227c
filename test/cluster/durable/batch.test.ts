/** The bytes in streams. */

import test from 'ava'
import fc from 'fast-check'
import { toWire } from '../../../actors/kernel/wire.ts'
import { batchVersion, decodeBatch, encodeBatch, eventId } from '../../../cluster/durable/batch.ts'
import { Message } from '../../../runtime/event.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

test('a batch is read as it was written', t => {
  const item = fc.record({
    key: fc.string(),
    head: fc.dictionary(
      fc.string().filter(name => name !== '__proto__'),
      fc.oneof(fc.string(), fc.integer(), fc.boolean()),
    ),
    body: fc.string(),
    id: fc.option(fc.string({ minLength: 1 })),
  })
  fc.assert(
    fc.property(fc.string(), fc.array(item), (id, items) => {
      const read = decodeBatch(
        encodeBatch({
          id,
          items: items.map(each => [each.key, toWire(new Message(each.head, each.body)), each.id]),
        }),
      )
      t.is(read.id, id)
      t.deepEqual(
        read.items.map(([key, wire, own]) => [
          key,
          { ...(wire?.[0] as object) },
          Buffer.from(wire?.[1] ?? []).toString(),
          own,
        ]),
        items.map(each => [each.key, { ...each.head }, each.body, each.id]),
      )
    }),
    { numRuns: 200 },
  )
})

test("an event's id is its own, or follows from its place", t => {
  const batch = {
    id: 'b',
    items: [
      ['k', null],
      ['k', null, 'mine'],
      ['k', null, null],
    ] as const,
  }
  t.deepEqual(
    batch.items.map((_, index) => eventId(batch, index)),
    ['b.0', 'mine', 'b.2'],
  )
})

test('what a newer program wrote is told from what no program wrote', t => {
  const written = encodeBatch({ id: 'b', items: [] })
  written[0] = batchVersion + 1
  t.throws(() => decodeBatch(written), { message: /version 2, and this program reads 1/ })
  for (const junk of ['', 'x', '\x01', '\x01junk', '\x01\xc1'])
    t.throws(
      () => decodeBatch(bytes(junk)),
      { message: /newer program|none of its own/ },
      JSON.stringify(junk),
    )
  fc.assert(
    fc.property(fc.uint8Array(), junk => {
      try {
        const { id, items } = decodeBatch(Uint8Array.of(batchVersion, ...junk))
        return typeof id === 'string' && items.every(([key]) => typeof key === 'string')
      } catch (error) {
        return /none of its own/.test(String(error))
      }
    }),
  )
})
