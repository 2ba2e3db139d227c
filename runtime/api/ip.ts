import { formatIPv4, formatIPv6, parseIPv4, parseIPv6 } from '../codec/ip-address.ts'
import { TrafficError } from '../errors.ts'
import { show } from '../options.ts'

/** An IP address. Two ways to write the same one have the same text. */
export class IP {
  /** 4 or 6. */
  readonly version: 4 | 6
  private readonly text: string

  /** @throws TrafficError `BadOption` when the text is no address. */
  constructor(address: string) {
    // -1: no IPv4 address.
    const v4 = typeof address === 'string' ? parseIPv4(address) : -1
    const v6 = typeof address === 'string' && v4 < 0 ? parseIPv6(address) : undefined
    if (v4 < 0 && v6 === undefined)
      throw new TrafficError(
        'BadOption',
        `IP wants an address, as in new IP('10.0.0.1'), and got ${show(address)}`,
      )
    this.version = v6 === undefined ? 4 : 6
    this.text = v6 === undefined ? formatIPv4(v4) : formatIPv6(v6)
  }

  toString(): string {
    return this.text
  }

  toJSON(): string {
    return this.text
  }
}

/** An IP address and a port. As text it is what connect() takes. */
export class IPEndpoint {
  readonly ip: IP
  readonly port: number

  /** @throws TrafficError `BadOption` when there is no such port. */
  constructor(ip: IP | string, port: number) {
    if (!Number.isInteger(port) || port < 0 || port > 65535)
      throw new TrafficError('BadOption', `IPEndpoint wants a port from 0 to 65535, and got ${show(port)}`)
    this.ip = ip instanceof IP ? ip : new IP(ip)
    this.port = port
  }

  toString(): string {
    return this.ip.version === 4 ? `${this.ip}:${this.port}` : `[${this.ip}]:${this.port}`
  }
}
