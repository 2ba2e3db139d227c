import { Buffer } from 'node:buffer'
import { isIPv4 } from 'node:net'
import { Data } from '../../data.ts'
import { TrafficError } from '../../errors.ts'
import { show } from '../../options.ts'
import { ipBytes, ipBytes16 } from '../ip-address.ts'
import { families, fixedBytes, type ProxiedProtocol, signature, unixPathBytes } from './header.ts'

/** A header as a script gives it: what it leaves out is made of what it says. */
export interface ProxyHeaderLike {
  /** Default 2: the binary one is exact, and read by all that read the other (HAProxy, nginx, Envoy). */
  readonly version?: 1 | 2 | undefined
  /** Default: PROXY when there is a source address, else LOCAL. */
  readonly command?: 'PROXY' | 'LOCAL' | undefined
  /** Default: TCP4 or TCP6, by the addresses. */
  readonly protocol?: ProxiedProtocol | undefined
  readonly sourceAddress?: string | undefined
  readonly sourcePort?: number | undefined
  readonly targetAddress?: string | undefined
  readonly targetPort?: number | undefined
  readonly fields?:
    | readonly { readonly type: number; readonly value: Data | Uint8Array | string }[]
    | undefined
}

const maxLength = 65_535

/**
 * The bytes of a header.
 *
 * @throws TrafficError `RuntimeError` when it says what a header cannot carry.
 */
export function encodeProxyHeader(header: ProxyHeaderLike): Buffer {
  const { version = 2 } = header
  if (version !== 1 && version !== 2) throw refusal(`version ${show(version)}; there are 1 and 2`)
  const hasClient = header.sourceAddress !== undefined && header.sourceAddress !== ''
  const command = header.command ?? (hasClient ? 'PROXY' : 'LOCAL')
  if (command !== 'PROXY' && command !== 'LOCAL') throw refusal(`command ${show(command)}`)
  const protocol = command === 'LOCAL' ? 'UNKNOWN' : protocolOf(header)
  return version === 1 ? line(header, protocol) : binary(header, command, protocol)
}

function protocolOf({ protocol, sourceAddress = '', targetAddress = '' }: ProxyHeaderLike): ProxiedProtocol {
  if (protocol !== undefined) {
    if (![...families.values()].includes(protocol)) throw refusal(`protocol ${show(protocol)}`)
    return protocol
  }
  if (sourceAddress === '') return 'UNKNOWN'
  return isIPv4(sourceAddress) && (targetAddress === '' || isIPv4(targetAddress)) ? 'TCP4' : 'TCP6'
}

/** Version 1, §2.1. */
function line(header: ProxyHeaderLike, protocol: ProxiedProtocol): Buffer {
  if (protocol === 'UNKNOWN') return Buffer.from('PROXY UNKNOWN\r\n', 'latin1')
  if (protocol !== 'TCP4' && protocol !== 'TCP6') throw refusal(`protocol ${protocol} in version 1`)
  const { source, target } = addresses(header, protocol)
  const text = (bytes: Buffer): string =>
    bytes.length === 4 ? bytes.join('.') : (bytes.toString('hex').match(/..../g) as string[]).join(':')
  const ports = `${port(header.sourcePort)} ${port(header.targetPort)}`
  return Buffer.from(`PROXY ${protocol} ${text(source)} ${text(target)} ${ports}\r\n`, 'latin1')
}

/** Version 2, §2.2. */
function binary(header: ProxyHeaderLike, command: 'PROXY' | 'LOCAL', protocol: ProxiedProtocol): Buffer {
  const parts: Buffer[] = []
  if (protocol === 'UNIX' || protocol === 'UNIX_DGRAM') {
    for (const path of [header.sourceAddress, header.targetAddress]) parts.push(unixPath(path ?? ''))
  } else if (protocol !== 'UNKNOWN') {
    const { source, target } = addresses(header, protocol)
    const ports = Buffer.alloc(4)
    ports.writeUInt16BE(port(header.sourcePort), 0)
    ports.writeUInt16BE(port(header.targetPort), 2)
    parts.push(source, target, ports)
  }
  for (const field of protocol === 'UNKNOWN' ? [] : (header.fields ?? [])) parts.push(fieldBytes(field))
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  if (length > maxLength) throw refusal(`${length} bytes; ${maxLength} fit`)
  const bytes = Buffer.alloc(fixedBytes + length)
  signature.copy(bytes)
  bytes[12] = command === 'LOCAL' ? 0x20 : 0x21
  bytes[13] = familyByte(protocol)
  bytes.writeUInt16BE(length, 14)
  let at = fixedBytes
  for (const part of parts) at += part.copy(bytes, at)
  return bytes
}

const familyByte = (protocol: ProxiedProtocol): number => {
  for (const [byte, name] of families) if (name === protocol) return byte
  return 0
}

/** Both of the family that the protocol names; IPv4 in IPv6 as '::ffff:a.b.c.d'. An address left out is all zeros. */
function addresses(
  { sourceAddress, targetAddress }: ProxyHeaderLike,
  protocol: ProxiedProtocol,
): { source: Buffer; target: Buffer } {
  const isVersion4 = protocol.endsWith('4')
  const bytesOf = (address: string | undefined): Buffer => {
    if (address === undefined || address === '') return Buffer.alloc(isVersion4 ? 4 : 16)
    const bytes = isVersion4 ? ipBytes(unmapped(address)) : ipBytes16(address)
    if (bytes === undefined || (isVersion4 && bytes.length !== 4))
      throw refusal(`the address ${show(address)} with protocol ${protocol}`)
    return bytes
  }
  return { source: bytesOf(sourceAddress), target: bytesOf(targetAddress) }
}

/** What sockets that take both versions call an IPv4 address. */
const unmapped = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, '')

function port(given: number | undefined): number {
  const number = given ?? 0
  if (!Number.isInteger(number) || number < 0 || number > 65_535) throw refusal(`the port ${show(given)}`)
  return number
}

function unixPath(path: string): Buffer {
  const bytes = Buffer.alloc(unixPathBytes)
  if (Buffer.byteLength(path) >= unixPathBytes) throw refusal(`the path ${show(path)}, which is too long`)
  bytes.write(path)
  return bytes
}

function fieldBytes({ type, value }: { type: number; value: Data | Uint8Array | string }): Buffer {
  const content = new Data(value).bytes()
  if (!Number.isInteger(type) || type < 0 || type > 255) throw refusal(`a field of type ${show(type)}`)
  if (content.length > maxLength) throw refusal(`a field of ${content.length} bytes`)
  const bytes = Buffer.alloc(3 + content.length)
  bytes[0] = type
  bytes.writeUInt16BE(content.length, 1)
  content.copy(bytes, 3)
  return bytes
}

const refusal = (what: string): TrafficError =>
  new TrafficError('RuntimeError', `a PROXY protocol header cannot have ${what}`)
