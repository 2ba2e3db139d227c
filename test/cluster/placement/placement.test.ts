import test from 'ava'
import fc from 'fast-check'
import type { Member } from '../../../cluster/membership/member.ts'
import { Placement } from '../../../cluster/placement/placement.ts'
import { ownerOf } from '../../../cluster/placement/rendezvous.ts'

const shards = 256
const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `node-${i + 1}`)
const owners = (nodes: readonly string[], pipeline = 'log'): (string | undefined)[] =>
  Array.from({ length: shards }, (_, shard) => ownerOf(pipeline, shard, nodes))

const member = (name: string, more: Partial<Member> = {}): Member => ({
  name,
  incarnation: `${name}-1`,
  wires: [1],
  pipelines: ['log'],
  threads: [1, 1],
  state: 'serving',
  ...more,
})

const log = { name: 'log', shards }

function placed(...members: Member[]): Placement {
  const placement = new Placement()
  placement.update(members)
  return placement
}

test('when a node goes only its own shards move, and to all of the others', t => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 12 }), fc.nat(), (count, nth) => {
      const all = names(count)
      const gone = all[nth % count] as string
      const before = owners(all)
      const after = owners(all.filter(name => name !== gone))
      before.forEach((owner, shard) => {
        if (owner === gone) t.not(after[shard], gone)
        else t.is(after[shard], owner)
      })
    }),
  )
})

test('shards are spread evenly, also over nodes and pipelines whose names are alike', t => {
  for (const pipeline of ['log', 'log1', 'log2'])
    for (const count of [2, 3, 4, 8]) {
      const mean = shards / count
      const counts = new Map<string | undefined, number>()
      for (const owner of owners(names(count), pipeline)) counts.set(owner, (counts.get(owner) ?? 0) + 1)
      for (const each of counts.values()) {
        t.true(each > mean * 0.5, `${each} of ${mean}`)
        t.true(each < mean * 1.6, `${each} of ${mean}`)
      }
    }
})

test('the owner does not depend on the order in which a node knows the others', t => {
  const all = names(7)
  t.deepEqual(owners(all.toReversed()), owners(all))
  t.is(ownerOf('log', 0, []), undefined)
})

test('keys go to nodes that host the pipeline, serve, and speak a version that we do', t => {
  const placement = placed(
    member('a', { pipelines: [] }),
    member('b', { state: 'draining' }),
    member('c', { wires: [2] }),
    member('d'),
  )
  for (let i = 0; i < 50; i++) t.is(placement.ownerOf(log, placement.shardOf(log, `key-${i}`))?.name, 'd')
  t.is(placement.ownerOf({ name: 'other', shards }, 0), undefined)
})

test('the last nodes that drain keep their keys, since nobody can take them', t => {
  const placement = placed(member('a', { state: 'draining' }), member('b', { pipelines: [] }))
  t.is(placement.ownerOf(log, 3)?.name, 'a')
})

test('a shard is on one thread of its node, in one of its lives', t => {
  const placement = placed(member('a', { threads: [4, 0, 7] }))
  const a = placement.member('a') as Member
  t.deepEqual(placement.placeOn(a, 2), { node: 'a', incarnation: 'a-1', thread: 2, life: 7 })
  t.is(placement.placeOn(a, 4).life, 0)
  t.true(placement.isThere(placement.placeOn(a, 2)))
  placement.update([member('a', { threads: [4, 0, 8] })])
  t.false(placement.isThere({ node: 'a', incarnation: 'a-1', thread: 2, life: 7 }))
  placement.update([member('a', { incarnation: 'a-2', threads: [4, 0, 7] })])
  t.false(placement.isThere({ node: 'a', incarnation: 'a-1', thread: 2, life: 7 }))
})
