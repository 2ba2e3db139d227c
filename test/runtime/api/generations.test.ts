/** All that the three older generations of Pipy have as global names is there, with all members. */

import test from 'ava'
import { dialectGlobals } from '../../../runtime/api/index.ts'
import { instance } from '../../../runtime/api/instance.ts'
import { Data } from '../../../runtime/data.ts'

type Members = Readonly<Record<string, string>>

/** Members by class, as Pipy 0.30 lists them; those of 2021 and of 0.22 are among them. */
const instances: Record<string, { readonly make: () => object; readonly members: string }> = {}
const from = (path: string): unknown =>
  path.split('.').reduce<unknown>((at, name) => (at as Record<string, unknown>)?.[name], {
    ...globalThis,
    Object,
    Array,
    Math,
    Date,
    RegExp,
    Number,
    String,
    Boolean,
    console,
    ...dialectGlobals,
    // The builder, whose members these are, is of a higher floor.
    pipy: instance,
  })
const define = (path: string, args: readonly unknown[], members: string): void => {
  instances[path] = {
    make: () => new (from(path) as new (...given: readonly unknown[]) => object)(...args),
    members,
  }
}

const balancer = ['a:80', 'b:80']
define('algo.Cache', [], 'get set remove clear')
define('algo.URLRouter', [{}], 'add find')
define('algo.HashingLoadBalancer', [balancer], 'add select deselect')
define('algo.RoundRobinLoadBalancer', [balancer], 'set select deselect')
define('algo.LeastWorkLoadBalancer', [balancer], 'set select deselect')
define('algo.ResourcePool', [() => ({})], 'allocate free freeTenant')
define('algo.Percentile', [[1]], 'reset observe calculate')
define('crypto.Hash', ['sha256'], 'update digest')
define('crypto.Hmac', ['sha256', 'key'], 'update digest')
define('crypto.Sign', ['sha256'], 'update sign')
define('crypto.Verify', ['sha256'], 'update verify')
define('crypto.Cipher', ['sm4-ecb', { key: '0123456789abcdef' }], 'update final')
define('crypto.Decipher', ['sm4-ecb', { key: '0123456789abcdef' }], 'update final')
define('crypto.JWK', [{ kty: 'oct', k: 'AAAA' }], 'isValid')
define('crypto.JWT', ['x'], 'isValid header payload verify')
define('Netmask', ['10.0.0.0/8'], 'base mask bitmask hostmask broadcast size first last contains next')
define('stats.Counter', ['g_counter'], 'name withLabels clear zero increase')
define('stats.Gauge', ['g_gauge'], 'name withLabels clear zero set increase decrease')
define('stats.Histogram', ['g_histogram', [1]], 'name withLabels clear zero observe')
define('URL', [
  'http://x',
], 'auth hash host hostname href origin password path pathname port protocol query search searchParams username')
define('URLSearchParams', ['a=1'], 'getAll get set toObject')
define('XML.Node', ['a', {}, []], 'name attributes children')
define('Data', [], 'size push pushUInt32BE shift shiftTo shiftWhile shiftUInt32BE toString')
define('Message', [], 'head body')
define('MessageStart', [], 'head')
define('MessageEnd', [], '')
define('SessionEnd', [], 'error')
define('StreamEnd', [], 'error')

for (const [path, { make, members }] of Object.entries(instances))
  test(`a ${path} has its members`, t => {
    const instance = make()
    t.deepEqual(
      members.split(' ').filter(name => name !== '' && !(name in instance)),
      [],
    )
  })

const objects: Members = {
  algo: 'Cache URLRouter HashingLoadBalancer RoundRobinLoadBalancer LeastWorkLoadBalancer ResourcePool Percentile hash',
  crypto: 'PublicKey PrivateKey Certificate CertificateChain Cipher Decipher Hash Hmac Sign Verify JWT JWK',
  http: 'File',
  'http.File': 'from',
  'http.File.prototype': 'toMessage',
  stats: 'Counter Gauge Histogram',
  JSON: 'parse stringify encode decode',
  XML: 'Node parse stringify encode decode',
  Hessian: 'encode decode',
  os: 'env readFile writeFile stat',
  pipy: 'load restart exit',
  Data: 'from',
  console: 'log',
  Math: 'clz32 imul fround hypot cbrt',
  Object: 'assign entries fromEntries keys values',
}

for (const [path, members] of Object.entries(objects))
  test(`${path} has its members`, t => {
    const object = from(path) as object
    t.deepEqual(
      members.split(' ').filter(name => !(name in object)),
      [],
    )
  })

test('a file has what is known of it', t => {
  const stat = from('os.stat') as (path: string) => object
  const members =
    'dev ino mode nlink uid gid rdev size blksize blocks atime mtime ctime isFile isDirectory isCharacterDevice ' +
    'isBlockDevice isFIFO isSymbolicLink isSocket'
  t.deepEqual(
    members.split(' ').filter(name => !(name in stat('.'))),
    [],
  )
})

test('all encodings of Data are known', t => {
  for (const [encoding, text] of [
    ['utf8', 'hé'],
    ['hex', '68c3a9'],
    ['base64', 'aMOp'],
    ['base64url', 'aMOp'],
  ] as const)
    t.is(new Data('hé').toString(encoding), text)
})

test('global names that JavaScript does not have are given, but for Session of 2021', t => {
  const names =
    'JSON XML Hessian os URL URLSearchParams Netmask Data Message MessageStart MessageEnd StreamEnd SessionEnd'
  const more = 'stats http crypto algo repeat logging Session'
  t.deepEqual(
    `${names} ${more}`.split(' ').filter(name => !(name in dialectGlobals)),
    ['Session'],
  )
})
