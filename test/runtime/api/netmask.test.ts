/** Blocks of addresses, compared with a naive reading of their bits. */

import { isIPv4, isIPv6 } from 'node:net'
import test from 'ava'
import fc from 'fast-check'
import { Netmask } from '../../../runtime/api/netmask.ts'
import {
  formatIPv6,
  ipBytes,
  ipBytes16,
  ipv4Text,
  ipv6Text,
  parseIPv4,
  parseIPv6,
} from '../../../runtime/codec/ip-address.ts'

const octets = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 4, maxLength: 4 })
const groups = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), {
  minLength: 8,
  maxLength: 8,
})
const bitsOf = (parts: readonly number[], width: number): string =>
  parts.map(part => part.toString(2).padStart(width, '0')).join('')

test('an IPv4 block contains exactly the addresses with the same first bits', t => {
  fc.assert(
    fc.property(octets, octets, fc.integer({ min: 0, max: 32 }), (base, other, bits) => {
      const near = [...base.slice(0, 3), other[3] as number]
      const mask = new Netmask(`${base.join('.')}/${bits}`)
      for (const address of [base, other, near]) {
        const expected = bitsOf(address, 8).slice(0, bits) === bitsOf(base, 8).slice(0, bits)
        t.is(mask.contains(address.join('.')), expected)
        t.is(mask.contains(`::ffff:${address.join('.')}`), expected)
      }
    }),
  )
})

test('an IPv6 block contains exactly the addresses with the same first bits', t => {
  fc.assert(
    fc.property(groups, groups, fc.integer({ min: 0, max: 128 }), (base, other, bits) => {
      const near = [...base.slice(0, 7), other[7] as number]
      const mask = new Netmask(`${formatIPv6(base)}/${bits}`)
      for (const address of [base, other, near])
        t.is(
          mask.contains(formatIPv6(address)),
          bitsOf(address, 16).slice(0, bits) === bitsOf(base, 16).slice(0, bits),
        )
    }),
  )
})

test('addresses are told from other text as Node does, and survive being written', t => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string(), fc.stringMatching(/^[\d.:a-f]{0,20}$/)), text => {
      t.is(parseIPv4(text) >= 0, isIPv4(text), text)
      t.is(parseIPv6(text) !== undefined, isIPv6(text) && !text.includes('%'), text)
    }),
  )
  fc.assert(fc.property(groups, address => void t.deepEqual(parseIPv6(formatIPv6(address)), address)))
  t.is(formatIPv6([0x2001, 0xdb8, 0, 0, 1, 0, 0, 1]), '2001:db8::1:0:0:1')
})

test('a block tells its borders and masks', t => {
  t.like(new Netmask('192.168.7.9/24'), {
    version: 4,
    ip: '192.168.7.9',
    base: '192.168.7.0',
    mask: '255.255.255.0',
    bitmask: 24,
    hostmask: '0.0.0.255',
    broadcast: '192.168.7.255',
    size: 256,
    first: '192.168.7.1',
    last: '192.168.7.254',
  })
  t.like(new Netmask('10.0.0.4/31'), { first: '10.0.0.4', last: '10.0.0.5', size: 2 })
  t.like(new Netmask('10.0.0.4'), { first: '10.0.0.4', last: '10.0.0.4', size: 1, bitmask: 32 })
  t.like(new Netmask('fe80::1:2/112'), {
    version: 6,
    base: 'fe80::1:0',
    mask: 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:0',
    hostmask: '::ffff',
    broadcast: 'fe80::1:ffff',
    size: 65_536,
    first: 'fe80::1:1',
    last: 'fe80::1:fffe',
  })
  t.is(String(new Netmask('10.1.2.3/8')), '10.1.2.3/8')
  t.deepEqual(new Netmask(8, [10, 0, 0, 1]).decompose(), [10, 0, 0, 1])
  t.deepEqual(new Netmask(`${'::1'}/128`).toBytes(), [...new Array(15).fill(0), 1])
  t.is(new Netmask(16, [0xfe, 0x80, ...new Array(14).fill(0)]).base, 'fe80::')
})

test('a block hands out each of its addresses once', t => {
  const mask = new Netmask('10.0.0.0/29')
  const all = Array.from({ length: 8 }, () => mask.next())
  t.deepEqual(all, [...[1, 2, 3, 4, 5, 6].map(i => `10.0.0.${i}`), '', ''])
  const wide = new Netmask('10.0.0.0/16')
  for (let i = 0; i < 256; i++) wide.next()
  t.is(wide.next(), '10.0.1.1')
  t.is(new Netmask('fe80::/64').next(), 'fe80::1')
})

test('what is no block is refused', t => {
  for (const text of [
    '',
    '10.0.0.0/33',
    '10.0.0/8',
    '::/129',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '10.0.0.0/a',
    '010.0.0.1',
  ])
    t.throws(() => new Netmask(text), { code: 'BadOption' }, text)
  t.throws(() => new Netmask(8, [1, 2, 3]), { message: /4 or 16 bytes/ })
  t.false(new Netmask('0.0.0.0/0').contains('x'))
  t.false(new Netmask('::/0').contains('1.2.3.4'))
  t.false(new Netmask('::/0').contains(undefined as never))
})

test('an address goes into bytes and comes back', t => {
  fc.assert(
    fc.property(fc.ipV4(), fc.ipV6(), (v4, v6) => {
      t.is(ipv4Text(ipBytes(v4) as Buffer, 0), v4)
      t.is(ipv6Text(ipBytes16(v4) as Buffer, 0), formatIPv6(parseIPv6(`::ffff:${v4}`) as number[]))
      const bytes = ipBytes(v6) as Buffer
      t.is(bytes.length, 16)
      t.deepEqual(ipBytes(ipv6Text(bytes, 0)), bytes)
    }),
  )
  for (const text of ['', '1.2.3', '01.2.3.4', 'fe80::1%eth0', '1::2::3', 'example.com'])
    t.is(ipBytes(text), undefined, text)
})
