import type { LookupAddress } from 'node:dns'
import test from 'ava'
import { TrafficError } from '../../../runtime/errors.ts'
import { Resolver } from '../../../runtime/net/resolver.ts'

type Answer = readonly LookupAddress[] | Error

/** A resolver whose lookups answer from a list, in turn, and are counted. */
function scripted(
  answers: Answer[],
  options: { ttlMs?: number; negativeTtlMs?: number; maxNames?: number } = {},
) {
  const asked: string[] = []
  const resolver = new Resolver({
    ...options,
    lookup(host, done) {
      asked.push(host)
      const answer = answers.shift() ?? new Error('nothing left')
      queueMicrotask(() => (answer instanceof Error ? done(answer, []) : done(null, answer)))
    },
  })
  return { resolver, asked }
}

const one = (address: string): Answer => [{ address, family: 4 }]
const notFound = (): Error => Object.assign(new Error('getaddrinfo ENOTFOUND nowhere'), { code: 'ENOTFOUND' })

test('addresses and localhost are answered at once, without a lookup', t => {
  const { resolver, asked } = scripted([])
  t.is(resolver.resolve('10.1.2.3'), '10.1.2.3')
  t.is(resolver.resolve('::1'), '::1')
  t.is(resolver.resolve('localhost'), '127.0.0.1')
  t.deepEqual(asked, [])
})

test('a name gives all its addresses, in order', async t => {
  const { resolver } = scripted([
    [
      { address: '10.0.0.2', family: 4 },
      { address: '::2', family: 6 },
    ],
  ])
  t.deepEqual(await resolver.resolve('api'), ['10.0.0.2', '::2'])
})

test('all who ask for a name at once and soon after share one lookup', async t => {
  const { resolver, asked } = scripted([one('10.0.0.1'), one('10.0.0.2')])
  t.deepEqual(await Promise.all([resolver.resolve('api'), resolver.resolve('api')]), [
    ['10.0.0.1'],
    ['10.0.0.1'],
  ])
  t.deepEqual(await resolver.resolve('api'), ['10.0.0.1'])
  t.deepEqual(asked, ['api'])
})

test('a name is asked for again when its time is over', async t => {
  const { resolver } = scripted([one('10.0.0.1'), one('10.0.0.2')], { ttlMs: 0 })
  t.deepEqual(await resolver.resolve('api'), ['10.0.0.1'])
  t.deepEqual(await resolver.resolve('api'), ['10.0.0.2'])
})

test('a failure names the host and the cause, and is not asked for again at once', async t => {
  const { resolver, asked } = scripted([notFound(), one('10.0.0.1')])
  for (let attempt = 0; attempt < 2; attempt++) {
    const error = await t.throwsAsync(async () => resolver.resolve('nowhere'), { instanceOf: TrafficError })
    t.is(error?.code, 'CannotResolve')
    t.regex(error?.message ?? '', /'nowhere'.*no such name \(ENOTFOUND\)/)
    t.like(error?.cause, { code: 'ENOTFOUND' })
  }
  t.is(asked.length, 1)
})

test('a name that failed is found when it appears', async t => {
  const { resolver } = scripted([notFound(), one('10.0.0.1')], { negativeTtlMs: 0 })
  await t.throwsAsync(async () => resolver.resolve('late'))
  t.deepEqual(await resolver.resolve('late'), ['10.0.0.1'])
})

test('a name without addresses cannot be resolved', async t => {
  const { resolver } = scripted([[]])
  await t.throwsAsync(async () => resolver.resolve('empty'), { message: /'empty': it has no address/ })
})

test('the oldest name is forgotten for a new one when there are too many', async t => {
  const { resolver, asked } = scripted([one('10.0.0.1'), one('10.0.0.2'), one('10.0.0.3')], { maxNames: 1 })
  await resolver.resolve('a')
  await resolver.resolve('b')
  await resolver.resolve('a')
  t.deepEqual(asked, ['a', 'b', 'a'])
})

test('the system is asked, and says so of a name that cannot exist', async t => {
  await t.throwsAsync(async () => new Resolver().resolve('name.invalid'), { message: /'name.invalid'/ })
})
