/** What only scripts of Pipy's third generation have among their global names. */

import { gzipSync } from 'node:zlib'
import test from 'ava'
import { dialectGlobals } from '../../../runtime/api/dialect-globals.ts'
import { IP, IPEndpoint } from '../../../runtime/api/ip.ts'
import { YAML } from '../../../runtime/api/yaml.ts'
import { zlib } from '../../../runtime/api/zlib.ts'
import { Data } from '../../../runtime/data.ts'

test('YAML reads and writes text and bytes', t => {
  const value = { listen: 8000, targets: ['a', 'b'], none: null }
  t.deepEqual(YAML.decode(YAML.encode(value)), value)
  t.deepEqual(YAML.parse('a: &x [1]\nb: *x'), { a: [1], b: [1] })
  t.is(YAML.stringify({ a: { b: 1 } }, 4), 'a:\n    b: 1\n')
  t.is(YAML.decode(null), null)
  t.throws(() => YAML.parse('a: ['), { code: 'RuntimeError', message: /no YAML/ })
})

test('a document of YAML whose aliases multiply is refused', t => {
  const levels = Array.from({ length: 12 }, (_, i) => `l${i + 1}: &l${i + 1} [${Array(10).fill(`*l${i}`)}]`)
  t.throws(() => YAML.parse(['l0: &l0 [x]', ...levels].join('\n')), { message: /alias/i })
})

test('zlib gives back what it was given, and refuses what is no such data', t => {
  const data = new Data('text '.repeat(1000))
  t.is(zlib.gunzip(zlib.gzip(data)).toString(), data.toString())
  t.is(zlib.inflate(zlib.deflate('text')).toString(), 'text')
  t.true(zlib.gzip(data).size < 100)
  t.throws(() => zlib.gunzip(new Data('no')), { code: 'RuntimeError' })
  t.throws(() => zlib.gzip(7 as never), { code: 'BadOption', message: /zlib.gzip wants Data/ })
})

test('a bomb of gzip is not blown up', t => {
  const bomb = gzipSync(Buffer.alloc(65 * 1024 * 1024))
  t.throws(() => zlib.gunzip(Data.over(bomb)), { code: 'RuntimeError' })
})

test('an IP has its version, and an endpoint its text', t => {
  t.is(new IP('10.0.0.1').version, 4)
  t.is(String(new IP('FE80:0:0::1')), 'fe80::1')
  t.is(String(new IPEndpoint('::1', 80)), '[::1]:80')
  t.is(String(new IPEndpoint(new IP('10.0.0.1'), 80)), '10.0.0.1:80')
  t.throws(() => new IP('10.0.0'), { code: 'BadOption', message: /wants an address/ })
  t.throws(() => new IPEndpoint('10.0.0.1', 70_000), { code: 'BadOption' })
})

test('its global names are there', t => {
  const names = ['IP', 'IPEndpoint', 'IPMask', 'YAML', 'zlib', 'print', 'println', 'Timeout', 'RESP']
  t.deepEqual(
    names.filter(name => !(name in dialectGlobals)),
    [],
  )
})
