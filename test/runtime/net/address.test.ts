import test from 'ava'
import { TrafficError } from '../../../runtime/errors.ts'
import { formatAddress, parseListenAddress, parseTarget } from '../../../runtime/net/address.ts'

test('a listener takes a port alone, on all IPv4 interfaces', t => {
  for (const target of [8000, '8000', ' 8000 ']) {
    t.deepEqual(parseListenAddress(target), { host: '0.0.0.0', port: 8000 })
  }
})

test('a listener takes addresses of both families, localhost, and port 0', t => {
  t.deepEqual(parseListenAddress('127.0.0.1:80'), { host: '127.0.0.1', port: 80 })
  t.deepEqual(parseListenAddress('[::1]:80'), { host: '::1', port: 80 })
  t.deepEqual(parseListenAddress('[fe80::1%eth0]:80'), { host: 'fe80::1%eth0', port: 80 })
  t.deepEqual(parseListenAddress('localhost:0'), { host: '127.0.0.1', port: 0 })
})

test('a target takes names and addresses with a port', t => {
  t.deepEqual(parseTarget('api.example.com:443'), { host: 'api.example.com', port: 443 })
  t.deepEqual(parseTarget('10.0.0.1:80'), { host: '10.0.0.1', port: 80 })
  t.deepEqual(parseTarget('[2001:db8::2]:8080'), { host: '2001:db8::2', port: 8080 })
})

const refused: readonly [parse: (text: never) => unknown, text: unknown, words: RegExp][] = [
  [parseListenAddress, 65_536, /whole number from 0 to 65535/],
  [parseListenAddress, -1, /whole number/],
  [parseListenAddress, 80.5, /whole number/],
  [parseListenAddress, Number.NaN, /whole number/],
  [parseListenAddress, 'example.com:80', /'example.com' is not an IP address/],
  [parseListenAddress, '::1:80', /brackets/],
  [parseListenAddress, '[::1]', /port is missing, e.g. '\[::1\]:80'/],
  [parseListenAddress, '[127.0.0.1]:80', /IPv6 address must stand between the brackets/],
  [parseListenAddress, '127.0.0.1', /port is missing/],
  [parseListenAddress, '', /host:port/],
  [parseListenAddress, undefined, /host:port/],
  [parseTarget, 'host:0', /whole number from 1 to 65535/],
  [parseTarget, 'host:99999', /whole number/],
  [parseTarget, '80', /name the host as well/],
  [parseTarget, 'host', /port is missing/],
  [parseTarget, 'http://host:80', /without a scheme/],
  [parseTarget, 'host:80/path', /host:port/],
  [parseTarget, 'ho st:80', /host:port/],
]
for (const [parse, text, words] of refused) {
  test(`${parse.name} refuses ${JSON.stringify(text)} ${String(text)} and says why`, t => {
    const error = t.throws(() => parse(text as never), { instanceOf: TrafficError })
    t.is(error?.code, 'BadOption')
    t.regex(error?.message ?? '', words)
  })
}

test('an address is written with brackets around IPv6 only', t => {
  t.is(formatAddress('127.0.0.1', 80), '127.0.0.1:80')
  t.is(formatAddress('::1', 80), '[::1]:80')
})
