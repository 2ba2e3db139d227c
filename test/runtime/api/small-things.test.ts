/** Cache, resource pool, percentile, hash, JSON, os and repeat. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { algo, dataJSON, dialectJSON, dialectRepeat, os, repeat } from '../../../runtime/api/index.ts'
import { after } from '../../../runtime/clock.ts'
import { Data } from '../../../runtime/data.ts'

const passed = (ms: number): Promise<void> => new Promise(resolve => void after(ms, resolve))

test('a cache makes what it does not have, once', t => {
  let made = 0
  const cache = new algo.Cache((key: string) => `${key} ${++made}`)
  t.is(cache.get('a'), 'a 1')
  t.is(cache.get('a'), 'a 1')
  t.is(cache.find('b'), undefined)
  t.false(cache.has('b'))
  t.is(new algo.Cache().get('a'), undefined)
})

test('a cache tells of each value that leaves it', t => {
  const freed: unknown[] = []
  const cache = new algo.Cache<string, number>(undefined, (key, value) => freed.push([key, value]), {
    size: 2,
  })
  cache.set('a', 1)
  cache.set('b', 2)
  cache.get('a')
  cache.set('c', 3)
  t.deepEqual(freed, [['b', 2]], 'the least recently used')
  t.true(cache.remove('a'))
  t.false(cache.remove('a'))
  cache.clear()
  t.deepEqual(freed, [
    ['b', 2],
    ['a', 1],
    ['c', 3],
  ])
  t.is(cache.count, 0)
})

test('a value in a cache is made anew when its time has passed', async t => {
  let made = 0
  const cache = new algo.Cache(() => ++made, undefined, { ttl: '20ms' })
  t.is(cache.get('a'), 1)
  await passed(40)
  t.is(cache.find('a'), undefined)
  t.is(cache.get('a'), 2)
})

test('a cache can be given its options alone, and refuses unknown ones', t => {
  const cache = new algo.Cache<string, number>({ size: 1 })
  cache.set('a', 1)
  cache.set('b', 2)
  t.false(cache.has('a'))
  t.throws(() => new algo.Cache({ tll: 1 } as never), { message: /'ttl'/ })
})

test('a cached undefined is not made again', t => {
  let made = 0
  const cache = new algo.Cache(() => void made++)
  cache.get('a')
  cache.get('a')
  t.is(made, 1)
})

test('a resource pool hands out what was given back before it makes more', t => {
  let made = 0
  const pool = new algo.ResourcePool((tag: string) => `${tag} ${++made}`)
  const first = pool.allocate('x')
  t.is(pool.allocate('x'), 'x 2')
  pool.free(first)
  pool.free(first)
  t.is(pool.allocate('x'), first)
  t.is(pool.allocate('x'), 'x 3')
  t.is(pool.allocate('y'), 'y 4')
})

test('a tenant gives back all it took at once', t => {
  let made = 0
  const pool = new algo.ResourcePool<string, number, object>(() => ++made)
  const tenant = {}
  const taken = [pool.allocate('x', tenant), pool.allocate('x', tenant)]
  pool.freeTenant(tenant)
  t.deepEqual([pool.allocate('x'), pool.allocate('x')], taken)
})

test('a percentile is the limit of the bucket that holds it', t => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(120), { minLength: 1 }),
      fc.integer({ min: 1, max: 100 }),
      (samples, percent) => {
        const limits = [5, 20, 50, 100]
        const percentile = new algo.Percentile(limits)
        for (const sample of samples) percentile.observe(sample)
        const ranked = samples.toSorted((a, b) => a - b)
        const sample = ranked[Math.ceil((samples.length * percent) / 100) - 1] as number
        t.is(percentile.calculate(percent), limits.find(limit => sample <= limit) ?? Number.POSITIVE_INFINITY)
      },
    ),
  )
  const percentile = new algo.Percentile([1])
  t.is(percentile.calculate(50), 0)
  t.throws(() => new algo.Percentile([2, 1]), { message: /ascending/ })
})

test('equal values have equal hashes of 53 bits', t => {
  t.is(algo.hash('a'), algo.hash('a'))
  t.not(algo.hash('a'), algo.hash('b'))
  t.not(algo.hash(1), algo.hash('1'))
  t.is(algo.hash('sluice'), 2069575147950552, 'on every node, of every version')
  const object = {}
  t.is(algo.hash(object), algo.hash(object))
  t.not(algo.hash(object), algo.hash({}))
  fc.assert(fc.property(fc.string(), text => Number.isSafeInteger(algo.hash(text)) && algo.hash(text) >= 0))
})

test('JSON of bytes is that of text, and there is none of what is not JSON', t => {
  fc.assert(
    fc.property(fc.jsonValue(), value => {
      const data = dataJSON.encode(value) as Data
      t.is(data.toString(), JSON.stringify(value))
      t.deepEqual(dataJSON.decode(data), JSON.parse(JSON.stringify(value)))
    }),
  )
  t.is(dataJSON.encode({ a: 1 }, undefined, 2)?.toString(), '{\n  "a": 1\n}')
  t.is(dataJSON.encode(undefined), undefined)
  t.is(dataJSON.decode(new Data('{')), undefined)
  t.is(dataJSON.decode(undefined), undefined)
  t.throws(() => dataJSON.parse('{'))
  t.is(dialectJSON.parse('{'), undefined)
  t.is(dataJSON.stringify([1]), '[1]')
  t.false('encode' in JSON)
})

test('os reads and writes files, and has null for those that are not there', t => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-os-'))
  const file = join(folder, 'file')
  t.is(os.readFile(file), null)
  t.is(os.stat(file), null)
  os.writeFile(file, 'text')
  t.is(os.readFile(file)?.toString(), 'text')
  os.writeFile(file, new Data('bytes'))
  t.is(os.stat(file)?.size, 5)
  t.true(os.stat(file)?.isFile())
  t.true(Number.isInteger(os.stat(file)?.mtime))
  t.true(os.stat(folder)?.isDirectory())
  t.throws(() => os.readFile(folder), { code: 'EISDIR' })
  rmSync(folder, { recursive: true })
  t.is(os.env.PATH, process.env.PATH)
})

test('repeat goes on until there is a result', t => {
  t.is(
    repeat(i => (i === 3 ? 'three' : undefined)),
    'three',
  )
  const seen: number[] = []
  t.is(
    repeat(3, i => void seen.push(i)),
    undefined,
  )
  t.deepEqual(seen, [0, 1, 2])
  t.is(
    repeat(['a', 'b'], (element, i) => (i === 1 ? element : undefined)),
    'b',
  )
})

test("repeat in the dialect goes on as long as the result is true, as Pipy's first two generations had it", t => {
  let calls = 0
  dialectRepeat(() => ++calls < 5)
  t.is(calls, 5)
  dialectRepeat(2, () => ++calls)
  t.is(calls, 7)
})
