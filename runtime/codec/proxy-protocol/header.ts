/**
 * What a PROXY protocol header says: https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt ("the specification"
 * below), versions 1 (a line of text) and 2 (binary).
 */

import { Buffer } from 'node:buffer'
import type { Data } from '../../data.ts'

/** How the client came to the sender. UNKNOWN: the sender does not say. */
export type ProxiedProtocol = 'TCP4' | 'TCP6' | 'UDP4' | 'UDP6' | 'UNIX' | 'UNIX_DGRAM' | 'UNKNOWN'

/** A field behind the addresses (TLV), §2.2: 1 is the ALPN protocol, 2 the host name (SNI), 5 a unique id, … */
export interface ProxyField {
  readonly type: number
  readonly value: Data
}

export interface ProxyHeader {
  readonly version: 1 | 2
  /** PROXY: for the client named; LOCAL: of the sender's own accord, like a health check, with no client. */
  readonly command: 'PROXY' | 'LOCAL'
  readonly protocol: ProxiedProtocol
  /** The client. An IP address, or the path of a Unix socket; undefined when it is not known. */
  readonly sourceAddress: string | undefined
  readonly sourcePort: number | undefined
  /** What the client had connected to. */
  readonly targetAddress: string | undefined
  readonly targetPort: number | undefined
  /** Fields of version 2, in their order. */
  readonly fields: readonly ProxyField[]
}

/** What version 2 begins with, §2.2. */
export const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
/** Signature, version and command, family, length. */
export const fixedBytes = 16
/** The longest line of version 1, §2.1. */
export const maxLineBytes = 107
/** Bytes of a path of a Unix socket in version 2. */
export const unixPathBytes = 108
export const checksumType = 3
export const noOperationType = 4

/** Families and transports of version 2, by the byte that stands for them. */
export const families: ReadonlyMap<number, ProxiedProtocol> = new Map([
  [0x00, 'UNKNOWN'],
  [0x11, 'TCP4'],
  [0x12, 'UDP4'],
  [0x21, 'TCP6'],
  [0x22, 'UDP6'],
  [0x31, 'UNIX'],
  [0x32, 'UNIX_DGRAM'],
])
