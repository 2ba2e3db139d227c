/** URL and its query, as requests and configurations have them. */

import test from 'ava'
import fc from 'fast-check'
import { URL } from '../../../runtime/api/url.ts'
import { URLSearchParams } from '../../../runtime/api/url-search-params.ts'

test('a URL has all the parts that Pipy names', t => {
  const { ...url } = new URL('https://user:p%40ss@Example.com:8443/a/b?x=1&y=2#top')
  t.like(url, {
    href: 'https://user:p%40ss@Example.com:8443/a/b?x=1&y=2#top',
    origin: 'https://Example.com:8443',
    protocol: 'https:',
    auth: 'user:p%40ss',
    username: 'user',
    password: 'p%40ss',
    host: 'Example.com:8443',
    hostname: 'Example.com',
    port: '8443',
    path: '/a/b?x=1&y=2',
    pathname: '/a/b',
    search: '?x=1&y=2',
    query: 'x=1&y=2',
    hash: '#top',
  })
})

test('the port is that of the scheme unless one is given, and the host is as written', t => {
  t.like(new URL('http://a'), { port: '80', host: 'a', path: '/', pathname: '/', search: '' })
  t.like(new URL('wss://a?x'), { port: '443', path: '/?x', query: 'x' })
  t.like(new URL('http://[::1]:81/x'), { hostname: '[::1]', port: '81' })
  t.like(new URL('http://[::1]/x'), { hostname: '[::1]', port: '80' })
  t.is(new URL('foo://a/').port, '')
})

test("a request's path is a URL without host", t => {
  const url = new URL('/cart?id=7&q=http://x#y')
  t.like(url, { protocol: 'http:', host: '', pathname: '/cart', query: 'id=7&q=http://x', hash: '#y' })
  t.is(url.searchParams.get('q'), 'http://x')
  t.is(url.searchParams, url.searchParams)
})

test('a relative URL is resolved as browsers do', t => {
  const base = 'http://a/b/c/d?q'
  for (const given of ['g', './g', 'g/', '/g', '?y', 'g?y', '../g', '..', '../..', '.', 'g/../h', '#s', ''])
    t.is(
      new URL(given, base).href,
      new globalThis.URL(given, base).href.replace(/q$/, given === '' ? 'q' : '$&'),
      given,
    )
  t.is(new URL('//h/x', base).href, 'http://h/x')
  t.is(new URL('https://h/x', base).href, 'https://h/x')
})

test('any text gives a URL', t => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.webUrl()), text => {
      const url = new URL(text)
      return url.path.length > 0 && url.href.startsWith(url.protocol)
    }),
  )
  fc.assert(
    fc.property(fc.webUrl({ withQueryParameters: true, withFragments: true }), text => {
      const theirs = new globalThis.URL(text)
      const ours = new URL(text)
      t.is(ours.protocol, theirs.protocol)
      t.is(ours.hostname.toLowerCase(), theirs.hostname)
      t.is(new URL(ours.href).href, ours.href)
    }),
  )
})

test('a query is an object, names that come twice are arrays', t => {
  const params = new URLSearchParams('?a=1&b=2&b=3&c=%20+x&__proto__=p')
  const object = params.toObject()
  t.is(object.a, '1')
  t.deepEqual(object.b, ['2', '3'])
  t.is(object.c, '  x')
  t.is(Object.getOwnPropertyDescriptor(object, '__proto__')?.value, 'p')
  t.is(params.get('none'), null)
  t.deepEqual(params.getAll('b'), ['2', '3'])
  params.set('b', ['4', '5'])
  params.set('a', '6')
  t.is(String(new URLSearchParams(params)), 'a=6&c=++x&__proto__=p&b=4&b=5')
})
