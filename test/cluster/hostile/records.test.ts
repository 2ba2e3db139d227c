/** Whoever may write to the buckets may write anything: entries of members and of quotas. */

import { Buffer } from 'node:buffer'
import test from 'ava'
import fc from 'fast-check'
import { decodeMember, encodeMember, type Member, placeId } from '../../../cluster/membership/member.ts'
import { MemberTable } from '../../../cluster/membership/member-table.ts'
import { Placement } from '../../../cluster/placement/placement.ts'
import { BucketLessor, quotaBucket } from '../../../cluster/quota/lessor.ts'
import { leaseFrom, readRecord, recordAt } from '../../../cluster/quota/token-records.ts'
import type { ClusterRate } from '../../../runtime/token-lessor.ts'
import { MemoryBroker } from '../../support/memory-bus.ts'

const member: Member = {
  name: 'edge-1',
  incarnation: 'mbx1-abc',
  wires: [1],
  pipelines: ['log'],
  threads: [1, 1],
  state: 'serving',
}

const text = fc.oneof(
  fc.constantFrom('a', 'a.b', 'a b', 'x\r\nPUB y 0\r\n', '\x1b[2J', '', '>', '*', 'é', 'y'.repeat(300)),
  fc.string(),
)
const claimed = fc.record(
  {
    name: fc.oneof(fc.constant('a'), text, fc.jsonValue()),
    incarnation: fc.oneof(fc.constant('a-1'), text, fc.jsonValue()),
    wires: fc.oneof(fc.constant([1]), fc.jsonValue()),
    roles: fc.jsonValue(),
    pipelines: fc.oneof(fc.constant(['log']), fc.jsonValue()),
    threads: fc.oneof(fc.constant([1]), fc.array(fc.double()), fc.jsonValue()),
    state: fc.jsonValue(),
  },
  { requiredKeys: ['name', 'incarnation', 'wires', 'pipelines', 'threads'] },
)

test('whatever an entry says, it is no member or one whose places are subjects', t => {
  const entry = fc.oneof(
    claimed.map(each => Buffer.from(JSON.stringify(each))),
    fc.jsonValue().map(each => Buffer.from(JSON.stringify(each))),
    fc.uint8Array(),
  )
  const placement = new Placement()
  fc.assert(
    fc.property(entry, bytes => {
      const read = decodeMember(bytes)
      if (read === undefined) return
      t.regex(read.incarnation, /^[\w-]{1,128}$/)
      t.regex(read.name, /^[\w.-]{1,64}$/)
      placement.update([read])
      for (let shard = 0; shard < 3; shard++) {
        const owner = placement.ownerOf({ name: 'log', shards: 3 }, shard)
        if (owner !== undefined) t.notRegex(placeId(placement.placeOn(owner, shard)), /[\s*>]/)
      }
    }),
    { numRuns: 1000 },
  )
})

test('an entry that claims what no node has is none', t => {
  const told = (change: object): Member | undefined =>
    decodeMember(Buffer.from(JSON.stringify({ ...member, ...change })))
  t.deepEqual(told({}), { ...member, roles: undefined })
  for (const change of [
    { incarnation: 'a b' },
    { incarnation: 'a.1' },
    { incarnation: '' },
    { name: 'a\x1b[2J' },
    { threads: Array(100_000).fill(1) },
    { wires: Array(1000).fill(7) },
    { pipelines: Array(100_000).fill('p') },
  ])
    t.is(told(change), undefined)
})

test('who writes under another name than his own is not in the cluster, and takes nobody out of it', t => {
  const table = new MemberTable(5000)
  t.true(table.note({ key: 'edge-1', value: encodeMember(member), revision: 1 }))
  t.false(
    table.note({ key: 'mallory', value: encodeMember({ ...member, incarnation: 'evil' }), revision: 2 }),
  )
  t.deepEqual(
    table.members.map(({ incarnation }) => incarnation),
    ['mbx1-abc'],
  )
})

const rate: ClusterRate = { name: 'q', initial: 10, max: 10, produce: 10, perMs: 1000 }

test('whatever stands in the record of a quota, tokens are within it, and come again within the hour', t => {
  const number = fc.oneof(fc.constantFrom(-1e308, -1, 0, 0.5, 5, 1e12, 1e308), fc.double(), fc.jsonValue())
  const record = fc.record(
    {
      tokens: number,
      sinceMs: number,
      holders: fc.oneof(
        fc.dictionary(fc.string(), fc.oneof(fc.tuple(number, number), fc.jsonValue()), { maxKeys: 4 }),
        fc.jsonValue(),
      ),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(
      fc.oneof(
        record.map(each => JSON.stringify(each)),
        fc.jsonValue().map(each => JSON.stringify(each)),
        fc.string(),
      ),
      written => {
        const nowMs = 1_800_000_000_000
        const read = readRecord(written, nowMs)
        if (read === undefined) return
        const { granted, record: next } = leaseFrom(recordAt(read, rate, nowMs), rate, 'me', 100, nowMs)
        t.true(granted >= 0 && granted <= rate.max && next.tokens >= 0)
        const laterMs = nowMs + 2 * 3_600_000
        t.true(leaseFrom(recordAt(read, rate, laterMs), rate, 'me', 100, laterMs).granted >= 1)
      },
    ),
    { numRuns: 1000 },
  )
})

test('a quota whose record was overwritten with nonsense is served again', async t => {
  const broker = new MemoryBroker(1)
  t.teardown(() => broker.close())
  const bus = broker.connect()
  const bucket = await bus.bucket(quotaBucket('test'))
  for (const written of [
    '{"tokens":5,"sinceMs":0,"holders":{"x":null}}',
    '{"tokens":-1e308,"sinceMs":1e300}',
    '{"tokens":5,"sinceMs":1e15,"holders":{}}',
    'null',
    '',
  ]) {
    await bucket.put('n.q', Buffer.from(written))
    const { tokens } = await new BucketLessor(bus, 'test', 'a/0', 1).lease({ ...rate, name: 'q' }, 3)
    t.true(tokens > 0, written)
  }
})
