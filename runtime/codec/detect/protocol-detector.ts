import { Buffer } from 'node:buffer'

/** What a stream speaks; '' is anything else. */
export type DetectedProtocol = 'HTTP' | 'HTTP2' | 'TLS' | ''

/** No registered method is longer than 17 characters ("UPDATEREDIRECTREF"). */
const maxMethodBytes = 32
/** As long a request line as the HTTP/1 decoder takes: a longer one would be refused anyway. */
const maxTargetBytes = 8192

const SPACE = 0x20
const isToken = (byte: number): boolean => /[!#$%&'*+.^_`|~0-9A-Za-z-]/.test(String.fromCharCode(byte))

/** RFC 9113 §3.4. */
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')
const version1 = Buffer.from('HTTP/1.', 'latin1')

const Phase = { first: 0, inTLS: 1, inPreface: 2, inMethod: 3, inTarget: 4, inVersion: 5 } as const

/**
 * Tells from its first bytes what a stream speaks:
 *
 * - `TLS`: a handshake record (type 22, version 3.x) with a ClientHello in it;
 * - `HTTP2`: the whole connection preface;
 * - `HTTP`: "method SP target SP HTTP/1.", whatever the method. A method alone will not do: Redis and memcached have a
 *   GET as well.
 *
 * It looks only, byte by byte, and keeps nothing of what it saw but where it is.
 */
export class ProtocolDetector {
  private phase: number = Phase.first
  /** Bytes seen in this phase. */
  private count = 0

  /** The protocol, as soon as it is known. */
  read(buffer: Buffer, start: number, end: number): DetectedProtocol | undefined {
    for (let at = start; at < end; at++) {
      const found = this.take(buffer[at] as number)
      if (found !== undefined) return found
    }
    return undefined
  }

  private take(byte: number): DetectedProtocol | undefined {
    switch (this.phase) {
      case Phase.first:
        if (byte === 22) return this.enter(Phase.inTLS, 1)
        if (byte === preface[0]) return this.enter(Phase.inPreface, 1)
        return isToken(byte) ? this.enter(Phase.inMethod, 1) : ''
      case Phase.inTLS:
        return this.takeTLS(byte)
      case Phase.inPreface:
        return this.takePreface(byte)
      case Phase.inMethod:
        if (byte === SPACE) return this.enter(Phase.inTarget, 0)
        return isToken(byte) && ++this.count <= maxMethodBytes ? undefined : ''
      case Phase.inTarget:
        if (byte === SPACE) return this.count === 0 ? '' : this.enter(Phase.inVersion, 0)
        return byte > SPACE && byte < 0x7f && ++this.count <= maxTargetBytes ? undefined : ''
      default:
        if (byte !== version1[this.count]) return ''
        return ++this.count === version1.length ? 'HTTP' : undefined
    }
  }

  private enter(phase: number, count: number): undefined {
    this.phase = phase
    this.count = count
  }

  private takeTLS(byte: number): DetectedProtocol | undefined {
    const at = this.count++
    if (at === 1) return byte === 3 ? undefined : ''
    if (at === 2) return byte <= 4 ? undefined : ''
    // At 3 and 4 the length of the record: up to 2^14 (RFC 8446 §5.1).
    if (at === 3) return byte <= 0x40 ? undefined : ''
    if (at === 4) return undefined
    return byte === 1 ? 'TLS' : ''
  }

  /** What begins like the preface and goes on otherwise may still be a request. */
  private takePreface(byte: number): DetectedProtocol | undefined {
    const at = this.count
    if (byte === preface[at]) {
      this.count++
      return this.count === preface.length ? 'HTTP2' : undefined
    }
    // "PRI", then " * ", then "HTTP/": a request may differ in any of them.
    if (at <= 3) this.enter(Phase.inMethod, at)
    else if (at <= 5) this.enter(Phase.inTarget, at - 4)
    else this.enter(Phase.inVersion, at - 6)
    return this.take(byte)
  }
}
