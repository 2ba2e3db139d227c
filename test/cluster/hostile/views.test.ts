/** What operators see is shown on terminals, and whoever may write to NATS can have written it. */

import { Buffer } from 'node:buffer'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import type { Bus } from '../../../cluster/bus/bus.ts'
import { encode } from '../../../cluster/durable/batch.ts'
import { DeadLetterOffice } from '../../../cluster/durable/dead-letter-office.ts'
import { deadLetterStream, deadLetterSubject, shardSubject } from '../../../cluster/durable/names.ts'
import { deadLetterStreamOptions } from '../../../cluster/durable/stream-setup.ts'
import { actorRows, showActors } from '../../../cluster/views/actor-rows.ts'
import { deadLetterRow, showDeadLetter, showDeadLetters } from '../../../cluster/views/dead-letters.ts'
import { edgeRows, showEdges } from '../../../cluster/views/edge-rows.ts'
import { nodeRows, showNodes } from '../../../cluster/views/node-rows.ts'
import { isViewAnswer } from '../../../cluster/views/view-answer.ts'
import { MemoryBroker } from '../../support/memory-bus.ts'

/** As it should be, nearly always, so that often the whole of an answer is. */
const mostly = (one: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc.oneof({ arbitrary: one, weight: 60 }, { arbitrary: fc.jsonValue(), weight: 1 })
const text = mostly(fc.constantFrom('a', '\x1b[2J', '\u009b2J', 'x\ny', '__proto__'))
const number = mostly(fc.constant(1))
const counts = mostly(fc.dictionary(fc.constantFrom('log', '__proto__', 'x'), number))
const listOf = (one: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> => mostly(fc.array(one, { maxLength: 2 }))
const edge = fc.record({
  from: text,
  to: text,
  kind: text,
  accepted: number,
  delivered: number,
  duplicate: number,
  deadLettered: number,
  inFlight: number,
  dropped: counts,
})
const actor = fc.record({ pipeline: text, placement: text, key: text, state: text, waiting: number })
const answer = fc.record(
  {
    version: fc.constantFrom(1, 1, 2),
    node: text,
    edges: listOf(edge),
    actors: listOf(fc.record({ thread: number, counts, actors: listOf(actor) })),
    summary: mostly(
      fc.record({
        stage: text,
        version: text,
        upSeconds: number,
        threads: number,
        threadsServing: number,
        sessions: number,
        connections: number,
        listeners: listOf(text),
      }),
    ),
  },
  { requiredKeys: ['version', 'node'] },
)

test('whatever is answered, it is no answer or can be shown', t => {
  let shown = 0
  fc.assert(
    fc.property(fc.array(answer, { maxLength: 3 }), given => {
      const answers = given.map(each => JSON.parse(JSON.stringify(each)) as unknown).filter(isViewAnswer)
      shown += answers.length
      for (const page of [
        showNodes(nodeRows({ members: [], answers, silent: [] })),
        showActors(actorRows(answers)),
        showEdges(edgeRows(answers, true)),
        showEdges(edgeRows(answers, false)),
      ])
        t.is(typeof page, 'string')
    }),
    { numRuns: 600 },
  )
  t.true(shown > 30, `${shown} were answers`)
})

/** What a dead letter is, but for its subject. */
const letter = {
  pipeline: 'log',
  key: 'k',
  id: 'i',
  reason: 'failed',
  tries: 1,
  node: 'n',
  timeMs: 1,
  wire: [{}, null, null, null],
}

/** The office of a cluster whose stream of dead letters has these, whoever wrote them. */
async function officeWith(
  t: ExecutionContext,
  payloads: readonly Uint8Array[],
): Promise<{ bus: Bus; office: DeadLetterOffice }> {
  const broker = new MemoryBroker(1)
  t.teardown(() => broker.close())
  const bus = broker.connect()
  await bus.streams.ensure(deadLetterStreamOptions('test', bus))
  for (const [i, payload] of payloads.entries())
    await bus.streams.publish(deadLetterSubject('test', 'log'), payload, { id: `m${i}`, deadlineMs: 1000 })
  return { bus, office: new DeadLetterOffice(bus, 'test') }
}

test('one dead letter that is none hides no other, and can be deleted', async t => {
  const good = { ...letter, subject: shardSubject('test', 'log', 3) }
  const bad = [
    Buffer.from('junk'),
    new Uint8Array(0),
    encode(null),
    encode({ ...good, timeMs: 1e300 }),
    encode({ ...good, wire: [1, 2, 3, 4] }),
    encode({ ...good, fault: { code: 5, message: {} } }),
    encode({ ...good, parts: 'x' }),
    encode({ ...good, node: {} }),
  ]
  const { bus, office } = await officeWith(t, [encode(good), ...bad])
  const found = await office.list()
  t.is(found.length, 9)
  t.deepEqual(
    found.map(({ reason }) => reason),
    [...bad.map(() => 'unreadable'), 'failed'],
  )
  t.notThrows(() => showDeadLetters(found))
  for (const each of found) t.notThrows(() => [showDeadLetter(each), deadLetterRow(each)])
  t.true(await office.delete(2))
  t.is((await bus.streams.info(deadLetterStream('test')))?.messages, 8)
})

test('a dead letter is replayed to its pipeline and nowhere else', async t => {
  const subjects = ['$JS.API.STREAM.DELETE.x', 'sluice.other.d.log.3', shardSubject('test', 'pay', 3)]
  const { office } = await officeWith(
    t,
    subjects.map(subject => encode({ ...letter, subject })),
  )
  for (const number of [1, 2, 3])
    await t.throwsAsync(office.replay(number), { message: /no place of pipeline 'log'/ })
  t.is((await office.list()).length, 3)
})
