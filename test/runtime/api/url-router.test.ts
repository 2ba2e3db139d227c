import test from 'ava'
import fc from 'fast-check'
import { algo } from '../../../runtime/api/index.ts'

test('a rule without a host fits any host, and a longer one wins', t => {
  const router = new algo.URLRouter({
    '/*': 'all',
    '/api/*': 'api',
    '/api/v1/*': 'v1',
    '/api/v1/users': 'users',
  })
  const cases: [string, string][] = [
    ['/', 'all'],
    ['/index.html', 'all'],
    ['/apiary', 'all'],
    ['/api', 'api'],
    ['/api/', 'api'],
    ['/api/v2/x', 'api'],
    ['/api/v1', 'v1'],
    ['/api/v1/users', 'users'],
    ['/api/v1/users/', 'v1'],
    ['/api/v1/users/7', 'v1'],
    ['/api/v1/users?page=2', 'users'],
    ['/api?/v1', 'api'],
    ['/api//v1', 'api'],
  ]
  for (const [path, value] of cases) t.is(router.find('any.example', path), value, path)
})

test('a whole path fits before any rule that ends in a star', t => {
  const router = new algo.URLRouter({ '/a/*': 1, '/a/b': 2, '/a/b/*': 3 })
  t.is(router.find('/a/b'), 2)
  t.is(router.find('/a/b/'), 3)
  t.is(router.find('/b'), undefined)
})

test('the host as written goes before the host with a star, and that before any host', t => {
  const router = new algo.URLRouter({
    'www.example.com/*': 'www',
    '*.example.com/*': 'wild',
    '*.example.com/deep': 'wild deep',
    '/*': 'any',
    '/only/*': 'only',
  })
  t.is(router.find('www.example.com', '/deep'), 'www')
  t.is(router.find('api.example.com', '/deep'), 'wild deep')
  t.is(router.find('api.example.com', '/x'), 'wild')
  t.is(router.find('a.b.example.com', '/x'), 'any', 'the star is one label')
  t.is(router.find('example.com', '/x'), 'any')
  t.is(router.find('www.example.com:8080', '/x'), 'www', 'ports do not count')
  t.is(router.find('WWW.Example.COM', '/x'), 'www', 'nor do capital letters')
})

test('a host whose rules do not fit the path leaves it to the next', t => {
  const router = new algo.URLRouter({ 'a.x.com/in/*': 1, '*.x.com/out/*': 2, '/*': 3 })
  t.deepEqual(
    ['/in/1', '/out/1', '/else'].map(path => router.find('a.x.com', path)),
    [1, 2, 3],
  )
})

test('parts are joined with one slash, and missing ones left out', t => {
  const router = new algo.URLRouter({ 'x.com/a/b': 1, '/a/b': 2 })
  t.is(router.find('x.com/a/b'), 1)
  t.is(router.find('x.com', 'a', 'b'), 1)
  t.is(router.find('x.com/', '/a/', '/b'), 1)
  t.is(router.find(undefined, '/a/b'), 2)
  t.is(router.find(null, '/a', undefined, 'b'), 2)
  t.is(router.find('x.com'), undefined)
  t.is(router.find(), undefined)
})

test('what is not a rule is refused with the reason', t => {
  for (const rule of ['example.com', 'example.com:80/', '/a/*/b', 'a.*.com/', '*/', '*x.com/'])
    t.throws(() => new algo.URLRouter({ [rule]: 1 }), { message: /invalid URL pattern/ }, rule)
})

test('a rule added later counts, and replaces an equal one', t => {
  const router = new algo.URLRouter<number>()
  t.is(router.find('/a'), undefined)
  router.add('/a/*', 1)
  router.add('/a/*', 2)
  t.is(router.find('/a'), 2)
})

/** The rules by their words, one after the other, with no thought of speed. */
function slowFind(rules: readonly string[], host: string, path: string): string | undefined {
  const wild = host.replace(/^[^.]+/, '*')
  for (const wanted of host.includes('.') ? [host, wild, ''] : [host, '']) {
    const paths = rules.filter(rule => rule.split('/')[0] === wanted).map(rule => rule.slice(wanted.length))
    const below = paths
      .filter(
        rule => rule.endsWith('/*') && (path === rule.slice(0, -2) || path.startsWith(rule.slice(0, -1))),
      )
      .toSorted((a, b) => b.length - a.length)
    const best = paths.includes(path) && !path.endsWith('/*') ? path : below[0]
    if (best !== undefined) return wanted + best
  }
  return undefined
}

test('it finds what trying all the rules finds', t => {
  const label = fc.constantFrom('a', 'b', 'c')
  const host = fc.array(label, { minLength: 1, maxLength: 3 }).map(labels => labels.join('.'))
  const pattern = fc.oneof(
    fc.constant(''),
    host,
    host.map(name => `*.${name}`),
  )
  const path = fc.array(label, { maxLength: 4 }).map(segments => `/${segments.join('/')}`)
  const rule = fc
    .tuple(pattern, path, fc.boolean())
    .map(([on, at, isPrefix]) => on + (isPrefix ? `${at === '/' ? '' : at}/*` : at))
  fc.assert(
    fc.property(fc.uniqueArray(rule, { maxLength: 12 }), host, path, (rules, on, at) => {
      const router = new algo.URLRouter(Object.fromEntries(rules.map(one => [one, one])))
      t.is(router.find(on, at), slowFind(rules, on, at), JSON.stringify({ rules, on, at }))
    }),
    { numRuns: 2000 },
  )
})
