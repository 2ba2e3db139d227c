/** The balancer that gives a key the same target on every node, without their asking each other. */

import test from 'ava'
import fc from 'fast-check'
import { AffinityLoadBalancer } from '../../../runtime/api/algo/affinity-load-balancer.ts'

const names = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,8}:80$/), { minLength: 1, maxLength: 10 })
const keys = fc.array(fc.oneof(fc.string(), fc.integer()), { maxLength: 30 })

test('any two that have the same targets, in any order, give the same one for a key', t => {
  fc.assert(
    fc.property(names, keys, (targets, wanted) => {
      const here = new AffinityLoadBalancer(targets)
      const there = new AffinityLoadBalancer([...targets].reverse())
      for (const key of wanted) t.is(here.select(key), there.select(key))
    }),
  )
})

test('when a target goes or is unhealthy only its own keys move, and they are back when it is', t => {
  fc.assert(
    fc.property(names, keys, fc.nat(), (targets, wanted, pick) => {
      const gone = targets[pick % targets.length] as string
      const sick = new Set<string>()
      const balancer = new AffinityLoadBalancer(targets, { find: target => sick.has(target) })
      const smaller = new AffinityLoadBalancer(targets.filter(target => target !== gone))
      for (const key of wanted) {
        const before = balancer.select(key)
        sick.add(gone)
        const meanwhile = balancer.select(key)
        t.is(meanwhile, smaller.select(key))
        if (before !== gone) t.is(meanwhile, before)
        sick.clear()
        t.is(balancer.select(key), before)
      }
    }),
  )
})

test('keys are spread by weight', t => {
  const balancer = new AffinityLoadBalancer({ a: 1, b: 3, c: 0 })
  const counts: Record<string, number> = { a: 0, b: 0, c: 0 }
  for (let i = 0; i < 20_000; i++) {
    const target = balancer.select(`user-${i}`) as string
    counts[target] = (counts[target] ?? 0) + 1
  }
  t.is(counts.c, 0)
  t.true(Math.abs((counts.b as number) / 20_000 - 0.75) < 0.02, JSON.stringify(counts))
})

test('without a key it is any of them, and without targets none', t => {
  const balancer = new AffinityLoadBalancer(['a', 'b'])
  const seen = new Set(Array.from({ length: 100 }, () => balancer.select()))
  t.deepEqual([...seen].sort(), ['a', 'b'])
  t.is(new AffinityLoadBalancer().select('x'), undefined)
})
