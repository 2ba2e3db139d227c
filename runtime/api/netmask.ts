import { formatIPv4, formatIPv6, parseIPv4, parseIPv6 } from '../codec/ip-address.ts'
import { TrafficError } from '../errors.ts'
import { show } from '../options.ts'

/**
 * A block of IP addresses, IPv4 or IPv6.
 *
 * @example
 *   const inside = new Netmask('10.0.0.0/8')
 *   inside.contains(__inbound.remoteAddress)
 */
export class Netmask {
  /** 4 or 6. */
  readonly version: 4 | 6
  /** How many bits all addresses of the block have in common. */
  readonly bitmask: number
  /** The address as given, in groups of 8 bits (IPv4) or 16 bits (IPv6). */
  private readonly full: readonly number[]
  private readonly masks: readonly number[]
  /** For IPv4: base and mask as numbers, so that `contains` needs no array. */
  private readonly base4: number
  private readonly mask4: number
  /** What `next` adds to the base. */
  private offset = 1n

  /**
   * @param cidr '10.0.0.0/8', 'fe80::/10', or an address, which is a block of one.
   * @throws TrafficError `BadOption` when it is not.
   */
  constructor(cidr: string)
  /** @param bitmask bits in common. @param bytes the 4 or 16 bytes of an address. */
  constructor(bitmask: number, bytes: readonly number[])
  constructor(first: string | number, bytes?: readonly number[]) {
    const { groups, bits } = typeof first === 'string' ? parse(first) : fromBytes(first, bytes ?? [])
    this.version = groups.length === 4 ? 4 : 6
    this.bitmask = bits
    this.full = groups
    this.masks = groups.map((_, i) => maskOf(bits, i, this.width))
    this.base4 = this.version === 4 ? number4(this.baseGroups) : 0
    this.mask4 = this.version === 4 ? number4(this.masks) : 0
  }

  private get width(): 8 | 16 {
    return this.version === 4 ? 8 : 16
  }

  private get baseGroups(): number[] {
    return this.full.map((group, i) => group & (this.masks[i] as number))
  }

  private get lastGroups(): number[] {
    return this.baseGroups.map((group, i) => group | this.host(i))
  }

  private host(i: number): number {
    return ~(this.masks[i] as number) & ((1 << this.width) - 1)
  }

  private text(groups: readonly number[]): string {
    return this.version === 4 ? formatIPv4(number4(groups)) : formatIPv6(groups)
  }

  /** Blocks of one and two addresses have no address that stands for the whole (RFC 3021). */
  private get hasReserved(): boolean {
    return this.bitmask < this.masks.length * this.width - 1
  }

  /** The address as given. */
  get ip(): string {
    return this.text(this.full)
  }

  /** The lowest address, which stands for the block. */
  get base(): string {
    return this.text(this.baseGroups)
  }

  /** '255.0.0.0' for /8. */
  get mask(): string {
    return this.text(this.masks)
  }

  /** '0.255.255.255' for /8. */
  get hostmask(): string {
    return this.text(this.masks.map((_, i) => this.host(i)))
  }

  /** The highest address. */
  get broadcast(): string {
    return this.text(this.lastGroups)
  }

  /** How many addresses there are. */
  get size(): number {
    return 2 ** (this.masks.length * this.width - this.bitmask)
  }

  /** The first address that a machine can have. */
  get first(): string {
    const groups = this.baseGroups
    const last = groups.length - 1
    if (this.hasReserved) groups[last] = (groups[last] as number) | 1
    return this.text(groups)
  }

  /** The last address that a machine can have. */
  get last(): string {
    const groups = this.lastGroups
    const last = groups.length - 1
    if (this.hasReserved) groups[last] = (groups[last] as number) & ~1
    return this.text(groups)
  }

  /** The address as numbers: 4 of 8 bits, or 8 of 16 bits. */
  decompose(): number[] {
    return [...this.full]
  }

  /** The address as 4 or 16 bytes. */
  toBytes(): number[] {
    return this.version === 4 ? [...this.full] : this.full.flatMap(group => [group >> 8, group & 255])
  }

  /**
   * Whether an address is in the block; false for what is no address. An IPv4 address may come as '::ffff:10.0.0.1',
   * which is how sockets for both families show it.
   */
  contains(ip: string): boolean {
    if (typeof ip !== 'string') return false
    if (this.version === 4) {
      const value = parseIPv4(ip.startsWith('::ffff:') ? ip.slice(7) : ip)
      return value >= 0 && (value & this.mask4) >>> 0 === this.base4
    }
    const groups = parseIPv6(ip)
    if (groups === undefined) return false
    for (const [i, mask] of this.masks.entries())
      if (((groups[i] as number) & mask) !== ((this.full[i] as number) & mask)) return false
    return true
  }

  /** Hands out one address after the other, the base and the highest left out; '' when there are no more. */
  next(): string {
    const bits = BigInt(this.masks.length * this.width - this.bitmask)
    if (this.offset >= (1n << bits) - 1n) return ''
    let rest = this.offset++
    const groups = this.baseGroups
    for (let i = groups.length - 1; rest > 0n; i--) {
      groups[i] = (groups[i] as number) | Number(rest & BigInt((1 << this.width) - 1))
      rest >>= BigInt(this.width)
    }
    return this.text(groups)
  }

  toString(): string {
    return `${this.ip}/${this.bitmask}`
  }
}

interface Parsed {
  readonly groups: readonly number[]
  readonly bits: number
}

const number4 = (octets: readonly number[]): number => octets.reduce((value, octet) => value * 256 + octet, 0)

const octets4 = (value: number): number[] => [
  value >>> 24,
  (value >>> 16) & 255,
  (value >>> 8) & 255,
  value & 255,
]

/** Mask of one group of `width` bits. */
function maskOf(bits: number, group: number, width: number): number {
  const kept = Math.min(width, Math.max(0, bits - group * width))
  return ((1 << width) - 1) & ~((1 << (width - kept)) - 1)
}

function parse(cidr: string): Parsed {
  const slash = cidr.indexOf('/')
  const address = slash < 0 ? cidr : cidr.slice(0, slash)
  const v4 = parseIPv4(address)
  const groups = v4 >= 0 ? octets4(v4) : parseIPv6(address)
  if (groups === undefined)
    throw new TrafficError(
      'BadOption',
      `Netmask wants a block like '10.0.0.0/8' or 'fe80::/10', and got ${show(cidr)}`,
    )
  const most = groups.length === 4 ? 32 : 128
  const suffix = slash < 0 ? String(most) : cidr.slice(slash + 1)
  return { groups, bits: checkBits(/^\d{1,3}$/.test(suffix) ? Number(suffix) : Number.NaN, most, cidr) }
}

function fromBytes(bits: number, bytes: readonly number[]): Parsed {
  if ((bytes.length !== 4 && bytes.length !== 16) || bytes.some(byte => !(byte >= 0 && byte <= 255)))
    throw new TrafficError('BadOption', 'Netmask wants the 4 or 16 bytes of an address')
  const groups =
    bytes.length === 4
      ? [...bytes]
      : Array.from({ length: 8 }, (_, i) => (bytes[2 * i] as number) * 256 + (bytes[2 * i + 1] as number))
  return { groups, bits: checkBits(bits, bytes.length * 8, bits) }
}

function checkBits(bits: number, most: number, given: unknown): number {
  if (Number.isInteger(bits) && bits >= 0 && bits <= most) return bits
  throw new TrafficError(
    'BadOption',
    `the bits of a Netmask are 0 to ${most}, and in ${show(given)} they are not`,
  )
}
