import test from 'ava'
import fc from 'fast-check'
import { algo } from '../../../runtime/api/index.ts'
import { scope } from '../../../runtime/script/scope.ts'

const tally = (names: readonly (string | undefined)[]): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const name of names) counts[String(name)] = (counts[String(name)] ?? 0) + 1
  return counts
}

const weights = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.integer({ min: 1, max: 7 }), {
  minKeys: 1,
})

test('round robin: any run as long as the weights add up to has exactly the weighted distribution', t => {
  fc.assert(
    fc.property(weights, fc.nat(40), (targets, offset) => {
      const balancer = new algo.RoundRobinLoadBalancer(targets)
      const total = Object.values(targets).reduce((sum, weight) => sum + weight, 0)
      for (let i = 0; i < offset; i++) balancer.select()
      const run = Array.from({ length: total }, () => balancer.select())
      t.deepEqual(tally(run), { ...targets })
    }),
  )
})

test('round robin: the newer balancer spreads by weight just as exactly', t => {
  fc.assert(
    fc.property(weights, fc.nat(40), (targets, offset) => {
      const balancer = new algo.LoadBalancer(Object.keys(targets), {
        weight: name => targets[name] as number,
      })
      const total = Object.values(targets).reduce((sum, weight) => sum + weight, 0)
      balancer.schedule(offset * total)
      t.deepEqual(tally(balancer.schedule(total)), { ...targets })
    }),
  )
})

test('round robin: an array gives all the same weight, and 0 takes a target out', t => {
  const balancer = new algo.RoundRobinLoadBalancer(['a', 'b'])
  t.deepEqual([balancer.select(), balancer.select(), balancer.select()], ['a', 'b', 'a'])
  balancer.set('b', 0)
  t.deepEqual([balancer.select(), balancer.select()], ['a', 'a'])
  t.is(new algo.RoundRobinLoadBalancer([]).select(), undefined)
})

test('round robin: a target that comes back or is new takes its share, and not all turns missed', t => {
  const unhealthy = new algo.Cache<string, boolean>()
  const balancer = new algo.RoundRobinLoadBalancer({ a: 50, b: 50 }, unhealthy)
  unhealthy.set('b', true)
  const during = Array.from({ length: 20 }, () => balancer.select())
  t.deepEqual(tally(during), { a: 20 })
  unhealthy.remove('b')
  t.deepEqual(tally(Array.from({ length: 20 }, () => balancer.select())), { a: 10, b: 10 })
  balancer.set('c', 50)
  t.is(tally(Array.from({ length: 12 }, () => balancer.select())).c, 4)
})

test('a sticky key keeps its target until that is gone or unhealthy', t => {
  const balancer = new algo.RoundRobinLoadBalancer(['a', 'b', 'c'])
  const first = balancer.select('user 1') as string
  t.is(balancer.select('user 1'), first)
  const without = { find: (target: string) => target === first }
  const second = balancer.select('user 1', without)
  t.not(second, first)
  t.is(balancer.select('user 1'), second)
  balancer.set(['a', 'b', 'c'].filter(target => target !== second))
  t.not(balancer.select('user 1'), second)
})

test('least work: the target with the least unfinished work for its weight is next', t => {
  const balancer = new algo.LeastWorkLoadBalancer({ a: 2, b: 1 })
  t.deepEqual([1, 2, 3].map(() => balancer.select()).toSorted(), ['a', 'a', 'b'])
  balancer.deselect('b')
  t.is(balancer.select(), 'b')
  balancer.deselect(undefined)
  balancer.deselect('unknown')
})

test('hashing: a key always has the same target, and keys spread over all', t => {
  const balancer = new algo.HashingLoadBalancer(['a', 'b', 'c', 'd'])
  const keys = Array.from({ length: 4000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`)
  for (const key of keys) t.is(balancer.select(key), balancer.select(key))
  const counts = Object.values(tally(keys.map(key => balancer.select(key))))
  t.is(counts.length, 4)
  t.true(Math.min(...counts) > 850, String(counts))
})

test('hashing: a key whose target is unhealthy has none', t => {
  const balancer = new algo.HashingLoadBalancer(['a'], { find: () => true })
  t.is(balancer.select('key'), undefined)
})

test('borrowing is for a connection: the same target, until it is unhealthy', t => {
  const balancer = new algo.RoundRobinLoadBalancer(['a', 'b'])
  const inbound = {}
  const before = scope.current
  scope.current = { __inbound: inbound }
  const target = balancer.borrow()
  t.is(balancer.next(), target)
  scope.current = before
  t.is(balancer.borrow(inbound), target)
  t.not(balancer.borrow({})?.id, target?.id, 'another borrower has the next')
  const unhealthy = { find: (id: string) => id === target?.id }
  t.not(balancer.borrow(inbound, undefined, unhealthy)?.id, target?.id)
  t.is(balancer.borrow({}, undefined, { find: () => true }), undefined)
})

test('least load: a target is free again when what was allocated is freed', t => {
  const balancer = new algo.LoadBalancer(['a', 'b'], { algorithm: 'least-load' })
  const first = balancer.allocate()
  const second = balancer.allocate()
  t.deepEqual([first?.target, second?.target], ['a', 'b'])
  second?.free()
  second?.free()
  t.is(balancer.allocate()?.target, 'b')
  t.is(balancer.allocate()?.target, 'a')
})

test('least load: idle targets take turns', t => {
  const balancer = new algo.LoadBalancer(['a', 'b', 'c'], { algorithm: 'least-load' })
  const targets = Array.from({ length: 6 }, () => {
    const resource = balancer.allocate()
    resource?.free()
    return resource?.target as string
  })
  t.deepEqual(tally(targets), { a: 2, b: 2, c: 2 })
})

test('capacity: a target has so many resources, and then the least used is shared', t => {
  const balancer = new algo.LoadBalancer(['a'], { capacity: 2 })
  const resources = Array.from({ length: 4 }, () => balancer.allocate())
  t.is(new Set(resources).size, 2)
  t.deepEqual(
    [...new Set(resources)].map(one => one?.load),
    [2, 2],
  )
  const unlimited = new algo.LoadBalancer(['a'])
  t.is(new Set(Array.from({ length: 4 }, () => unlimited.allocate())).size, 4)
})

test('a freed resource is the next to be taken, so that its connection is used again', t => {
  const balancer = new algo.LoadBalancer(['a'])
  const first = balancer.allocate()
  first?.free()
  t.is(balancer.allocate(), first)
})

test('a key names the target to take, unless the validator refuses it', t => {
  interface Target {
    readonly name: string
  }
  const targets: Target[] = [{ name: 'a' }, { name: 'b' }]
  const balancer = new algo.LoadBalancer<Target, string>(targets, { key: target => target.name })
  t.is(balancer.allocate('b')?.target.name, 'b')
  t.is(balancer.allocate('b')?.target.name, 'b')
  t.is(balancer.allocate('b', target => target.name !== 'b')?.target.name, 'a')
  t.truthy(balancer.allocate('gone'))
  t.is(
    balancer.allocate(undefined, () => false),
    undefined,
  )
  t.deepEqual(
    balancer.schedule(3, { find: key => key === 'a' }).map(target => target.name),
    ['b', 'b', 'b'],
  )
})

test('provisioning keeps the resources of targets that stay', t => {
  const balancer = new algo.LoadBalancer(['a', 'b'])
  const resource = balancer.allocate('a')
  resource?.free()
  balancer.provision(['a', 'c'])
  t.is(balancer.allocate('a'), resource)
  t.deepEqual(tally(balancer.schedule(4)), { a: 2, c: 2 })
})

test('options that make no sense are refused', t => {
  t.throws(() => new algo.LoadBalancer(['a'], { algorithm: 'random' as never }), { message: /algorithm/ })
  t.throws(() => new algo.LoadBalancer(['a'], { weight: () => 0 }), { message: /weight/ })
  t.throws(() => new algo.LoadBalancer(['a'], { capacty: 1 } as never), { message: /'capacity'/ })
})
