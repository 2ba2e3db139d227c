import { Buffer } from 'node:buffer'
import { isIPv4, isIPv6 } from 'node:net'
import { Data } from '../../data.ts'
import { ipv4Text, ipv6Text } from '../ip-address.ts'
import { crc32c } from './crc32c.ts'
import {
  checksumType,
  families,
  fixedBytes,
  maxLineBytes,
  noOperationType,
  type ProxiedProtocol,
  type ProxyField,
  type ProxyHeader,
  signature,
  unixPathBytes,
} from './header.ts'
import { type Violation, violations } from './violations.ts'

/** Bytes of a version 2 header that are accepted: addresses, and fields up to a client's certificate. */
export const defaultMaxHeaderBytes = 16 * 1024

const lineStart = Buffer.from('PROXY ', 'latin1')
const LF = 0x0a

/**
 * Reads the header that a connection begins with, of either version, however it is cut. It is strict: a receiver must
 * not guess whether there is one (§2), and a wrong client address opens doors.
 */
export class ProxyHeaderReader {
  header: ProxyHeader | undefined
  violation: Violation | undefined
  private readonly maxBytes: number
  private bytes = Buffer.alloc(maxLineBytes + fixedBytes)
  private size = 0
  private isBinary = false
  /** Bytes of a binary header, once they are known. */
  private total = fixedBytes

  constructor(maxBytes: number = defaultMaxHeaderBytes) {
    this.maxBytes = maxBytes
  }

  get isDone(): boolean {
    return this.header !== undefined || this.violation !== undefined
  }

  /** Whether not a byte has come. */
  get isFresh(): boolean {
    return this.size === 0
  }

  /** Reads bytes. Returns the index reached: less than `end` when the header ends there. */
  decode(buffer: Buffer, start: number, end: number): number {
    let at = start
    while (at < end && !this.isDone) {
      if (this.isBinary && this.size >= fixedBytes) {
        const stop = Math.min(end, at + this.total - this.size)
        this.size += buffer.copy(this.bytes, this.size, at, stop)
        at = stop
        if (this.size === this.total) this.readBinary()
      } else {
        this.take(buffer[at++] as number)
      }
    }
    return at
  }

  /** The sender sends no more. */
  finish(): void {
    if (!this.isDone) this.violation = violations.truncated
  }

  private take(byte: number): void {
    const at = this.size
    if (at === 0) this.isBinary = byte === signature[0]
    this.bytes[this.size++] = byte
    if (this.isBinary) {
      if (at < signature.length && byte !== signature[at]) this.violation = violations.missing
      else if (this.size === fixedBytes) this.readFixed()
    } else if (at < lineStart.length) {
      if (byte !== lineStart[at]) this.violation = violations.missing
    } else if (byte === LF) this.readLine()
    else if (this.size === maxLineBytes) this.violation = violations.lineTooLong
  }

  // Version 1, §2.1

  private readLine(): void {
    const line = this.bytes.toString('latin1', 0, this.size)
    const found = lineOf(line)
    if (found === undefined) this.violation = violations.badLine
    else this.header = found
  }

  // Version 2, §2.2

  private readFixed(): void {
    const versionAndCommand = this.bytes[12] as number
    if (versionAndCommand !== 0x20 && versionAndCommand !== 0x21) {
      this.violation = violations.badVersion
      return
    }
    this.total = fixedBytes + this.bytes.readUInt16BE(14)
    if (this.total > this.maxBytes) {
      this.violation = violations.tooLarge
      return
    }
    if (this.total > this.bytes.length) {
      const grown = Buffer.alloc(this.total)
      this.bytes.copy(grown, 0, 0, this.size)
      this.bytes = grown
    }
    if (this.size === this.total) this.readBinary()
  }

  private readBinary(): void {
    const bytes = this.bytes.subarray(0, this.total)
    const isLocal = bytes[12] === 0x20
    const family = families.get(bytes[13] as number)
    // Of a LOCAL connection the family and addresses say nothing, and must be left alone (§2.2).
    if (family === undefined && !isLocal) {
      this.violation = violations.badFamily
      return
    }
    const protocol = isLocal || family === undefined ? 'UNKNOWN' : family
    const addresses = addressesOf(bytes, protocol)
    if (addresses === undefined) {
      this.violation = violations.shortAddress
      return
    }
    const fields = isLocal || protocol === 'UNKNOWN' ? [] : this.fieldsOf(bytes, addresses.end)
    if (fields === undefined) return
    const { end: _, ...said } = addresses
    this.header = { version: 2, command: isLocal ? 'LOCAL' : 'PROXY', protocol, ...said, fields }
  }

  private fieldsOf(bytes: Buffer, start: number): ProxyField[] | undefined {
    const fields: ProxyField[] = []
    let at = start
    while (at < bytes.length) {
      const size = at + 3 > bytes.length ? Number.POSITIVE_INFINITY : bytes.readUInt16BE(at + 1)
      const from = at + 3
      if (from + size > bytes.length) return this.fail(violations.badField)
      const type = bytes[at] as number
      at = from + size
      if (type === checksumType) {
        if (size !== 4) return this.fail(violations.badField)
        if (crc32c(bytes, from, at) !== bytes.readUInt32BE(from)) return this.fail(violations.badChecksum)
      }
      if (type !== noOperationType) fields.push({ type, value: Data.over(bytes, from, at) })
    }
    return fields
  }

  private fail(violation: Violation): undefined {
    this.violation = violation
  }
}

const nowhere = {
  sourceAddress: undefined,
  sourcePort: undefined,
  targetAddress: undefined,
  targetPort: undefined,
} as const

type Addresses = Pick<ProxyHeader, keyof typeof nowhere>

function lineOf(line: string): ProxyHeader | undefined {
  const common = { version: 1, command: 'PROXY', fields: [] } as const
  // What follows UNKNOWN is to be ignored.
  if (/^PROXY UNKNOWN( [^\r\n]*)?\r\n$/.test(line)) return { ...common, protocol: 'UNKNOWN', ...nowhere }
  const match = /^PROXY (TCP4|TCP6) ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+) (\d{1,5}) (\d{1,5})\r\n$/.exec(line)
  if (match === null) return undefined
  const [, protocol, sourceAddress = '', targetAddress = '', source = '', target = ''] = match
  const isAddress = protocol === 'TCP4' ? isIPv4 : isIPv6
  if (!isAddress(sourceAddress) || !isAddress(targetAddress) || !isPort(source) || !isPort(target))
    return undefined
  return {
    ...common,
    protocol: protocol as ProxiedProtocol,
    sourceAddress,
    sourcePort: Number(source),
    targetAddress,
    targetPort: Number(target),
  }
}

/** Without leading zeros, §2.1. */
const isPort = (text: string): boolean => Number(text) <= 65_535 && String(Number(text)) === text

/** The addresses, and where they end; undefined when there is no room for them. */
function addressesOf(bytes: Buffer, protocol: ProxiedProtocol): (Addresses & { end: number }) | undefined {
  const isUnix = protocol === 'UNIX' || protocol === 'UNIX_DGRAM'
  if (protocol === 'UNKNOWN') return { ...nowhere, end: bytes.length }
  const isVersion4 = protocol === 'TCP4' || protocol === 'UDP4'
  const size = isUnix ? unixPathBytes : isVersion4 ? 4 : 16
  const end = fixedBytes + 2 * size + (isUnix ? 0 : 4)
  if (end > bytes.length) return undefined
  const from = fixedBytes
  if (isUnix) {
    const path = (at: number): string =>
      bytes.toString('utf8', at, at + unixPathBytes).replace(/\0[\s\S]*$/, '')
    return { ...nowhere, sourceAddress: path(from), targetAddress: path(from + size), end }
  }
  const text = isVersion4 ? ipv4Text : ipv6Text
  return {
    sourceAddress: text(bytes, from),
    targetAddress: text(bytes, from + size),
    sourcePort: bytes.readUInt16BE(end - 4),
    targetPort: bytes.readUInt16BE(end - 2),
    end,
  }
}
