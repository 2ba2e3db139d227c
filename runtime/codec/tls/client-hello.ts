import { Buffer } from 'node:buffer'
import { type Violation, violations } from './violations.ts'

/** What a TLS client says first (RFC 8446 §4.1.2, RFC 5246 §7.4.1.2), as far as a proxy wants to know it. */
export interface ClientHello {
  /** Names of the server that it asks for (SNI, RFC 6066 §3), in lower case. At most one in practice; [] without SNI. */
  readonly serverNames: readonly string[]
  /** Protocols that it offers to speak inside (ALPN, RFC 7301 §3.1), the preferred first, like 'h2', 'http/1.1'. */
  readonly protocolNames: readonly string[]
  /** Versions of TLS that it offers, in its order: 'TLSv1.3', 'TLSv1.2', … */
  readonly versions: readonly string[]
}

/**
 * Bytes of a ClientHello that are accepted: the plaintext of one full record (RFC 8446 §5.1). Browsers send 0.5 to 2
 * kB, with post-quantum key shares included.
 */
export const defaultMaxHelloBytes = 16 * 1024

const recordHeaderBytes = 5
const handshakeHeaderBytes = 4
const maxRecordBytes = 16 * 1024

const Type = { handshakeRecord: 22, clientHello: 1 } as const
const Extension = { serverName: 0, alpn: 16, supportedVersions: 43 } as const

const versionNames: ReadonlyMap<number, string> = new Map([
  [0x0300, 'SSLv3'],
  [0x0301, 'TLSv1'],
  [0x0302, 'TLSv1.1'],
  [0x0303, 'TLSv1.2'],
  [0x0304, 'TLSv1.3'],
])

/**
 * Reads the ClientHello that a stream begins with, which may be cut anywhere and spread over several records. It
 * looks only: whoever uses it keeps the bytes and passes them on.
 */
export class ClientHelloReader {
  /** What was said, once it is there. */
  hello: ClientHello | undefined
  /** Why there is none. */
  violation: Violation | undefined
  private readonly maxBytes: number
  private readonly header = Buffer.alloc(recordHeaderBytes)
  private headerSize = 0
  private recordLeft = 0
  /** The handshake message, without the headers of the records that carry it. */
  private message = Buffer.alloc(512)
  private size = 0

  constructor(maxBytes: number = defaultMaxHelloBytes) {
    this.maxBytes = maxBytes
  }

  get isDone(): boolean {
    return this.hello !== undefined || this.violation !== undefined
  }

  /** Looks at further bytes. True when `hello` or `violation` is known; what comes later does not matter. */
  read(buffer: Buffer, start: number, end: number): boolean {
    let at = start
    while (at < end && !this.isDone) {
      if (this.recordLeft === 0) this.readHeader(buffer[at++] as number)
      else {
        const stop = Math.min(end, at + this.recordLeft)
        this.gather(buffer, at, stop)
        this.recordLeft -= stop - at
        at = stop
      }
    }
    return this.isDone
  }

  private readHeader(byte: number): void {
    const { header } = this
    header[this.headerSize++] = byte
    if (this.headerSize === 1 && byte !== Type.handshakeRecord) this.violation = violations.notHandshake
    // 3.0 to 3.4: what a client writes here says little (RFC 8446 §5.1), but no other protocol has it.
    else if (this.headerSize === 2 && byte !== 3) this.violation = violations.badRecord
    else if (this.headerSize === 3 && byte > 4) this.violation = violations.badRecord
    else if (this.headerSize === recordHeaderBytes) {
      this.headerSize = 0
      this.recordLeft = header.readUInt16BE(3)
      if (this.recordLeft === 0 || this.recordLeft > maxRecordBytes) this.violation = violations.badRecord
    }
  }

  private gather(buffer: Buffer, start: number, end: number): void {
    const wanted = Math.min(this.size + end - start, this.maxBytes + 1)
    if (wanted > this.message.length) {
      const grown = Buffer.alloc(Math.min(Math.max(wanted, 2 * this.message.length), this.maxBytes + 1))
      this.message.copy(grown, 0, 0, this.size)
      this.message = grown
    }
    this.size += buffer.copy(this.message, this.size, start, end)
    if (this.message[0] !== Type.clientHello) {
      this.violation = violations.notClientHello
      return
    }
    if (this.size < handshakeHeaderBytes) return
    const total = handshakeHeaderBytes + this.message.readUIntBE(1, 3)
    if (total > this.maxBytes) this.violation = violations.tooLarge
    else if (this.size >= total) this.parse(total)
  }

  private parse(total: number): void {
    const parsed = parseHello(this.message, handshakeHeaderBytes, total)
    if ('id' in parsed) this.violation = parsed
    else this.hello = parsed
    this.message = Buffer.alloc(0)
  }
}

/** Vectors of RFC 8446 §3.4: a length, then so many bytes, which must end where their container ends or before. */
class Vector {
  private readonly bytes: Buffer
  private at: number
  private readonly end: number

  constructor(bytes: Buffer, start: number, end: number) {
    this.bytes = bytes
    this.at = start
    this.end = end
  }

  get isEmpty(): boolean {
    return this.at === this.end
  }

  /** A number of `size` bytes; -1 when there are not so many. */
  number(size: 1 | 2): number {
    if (this.end - this.at < size) return -1
    this.at += size
    return this.bytes.readUIntBE(this.at - size, size)
  }

  /** A vector whose length has `size` bytes; undefined when it goes over the end. */
  vector(size: 1 | 2): Vector | undefined {
    const length = this.number(size)
    if (length < 0 || length > this.end - this.at) return undefined
    this.at += length
    return new Vector(this.bytes, this.at - length, this.at)
  }

  skip(size: number): boolean {
    if (this.end - this.at < size) return false
    this.at += size
    return true
  }

  text(): string {
    return this.bytes.toString('latin1', this.at, this.end)
  }

  get length(): number {
    return this.end - this.at
  }
}

function parseHello(bytes: Buffer, start: number, end: number): ClientHello | Violation {
  const { malformed } = violations
  const body = new Vector(bytes, start, end)
  const legacyVersion = body.number(2)
  if (legacyVersion < 0 || !body.skip(32)) return malformed
  const sessionId = body.vector(1)
  const ciphers = body.vector(2)
  const compressions = body.vector(1)
  if (sessionId === undefined || sessionId.length > 32) return malformed
  if (ciphers === undefined || ciphers.length < 2 || ciphers.length % 2 !== 0) return malformed
  if (compressions === undefined || compressions.isEmpty) return malformed
  const found: Found = { serverNames: [], protocolNames: [], versions: [versionName(legacyVersion)] }
  if (!body.isEmpty) {
    const extensions = body.vector(2)
    if (extensions === undefined || !body.isEmpty) return malformed
    const violation = readExtensions(extensions, found)
    if (violation !== undefined) return violation
  }
  return found
}

interface Found {
  serverNames: string[]
  protocolNames: string[]
  versions: string[]
}

function readExtensions(extensions: Vector, found: Found): Violation | undefined {
  const seen = new Set<number>()
  while (!extensions.isEmpty) {
    const type = extensions.number(2)
    const content = extensions.vector(2)
    if (type < 0 || content === undefined) return violations.malformed
    if (seen.has(type)) return violations.repeatedExtension
    seen.add(type)
    const violation =
      type === Extension.serverName
        ? readServerNames(content, found)
        : type === Extension.alpn
          ? readProtocols(content, found)
          : type === Extension.supportedVersions
            ? readVersions(content, found)
            : undefined
    if (violation !== undefined) return violation
  }
  return undefined
}

function readServerNames(content: Vector, found: Found): Violation | undefined {
  const list = content.vector(2)
  if (list === undefined || list.isEmpty || !content.isEmpty) return violations.malformed
  while (!list.isEmpty) {
    const type = list.number(1)
    const name = list.vector(2)
    if (name === undefined) return violations.malformed
    if (type !== 0) continue
    const text = name.text()
    // Letters, digits, '-', '.', and '_', which DNS has and host names should not: nothing that a log or a path minds.
    if (!/^[\w.-]{1,255}$/.test(text)) return violations.badServerName
    found.serverNames.push(text.toLowerCase())
  }
  return undefined
}

function readProtocols(content: Vector, found: Found): Violation | undefined {
  const list = content.vector(2)
  if (list === undefined || list.isEmpty || !content.isEmpty) return violations.malformed
  while (!list.isEmpty) {
    const name = list.vector(1)
    if (name === undefined || name.isEmpty) return violations.malformed
    found.protocolNames.push(name.text())
  }
  return undefined
}

function readVersions(content: Vector, found: Found): Violation | undefined {
  const list = content.vector(1)
  if (list === undefined || list.length < 2 || list.length % 2 !== 0 || !content.isEmpty)
    return violations.malformed
  found.versions = []
  while (!list.isEmpty) {
    const version = list.number(2)
    // Numbers that stand for nothing keep servers tolerant (GREASE, RFC 8701).
    if (versionNames.has(version)) found.versions.push(versionName(version))
  }
  return undefined
}

const versionName = (version: number): string => versionNames.get(version) ?? `0x${version.toString(16)}`
