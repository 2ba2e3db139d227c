// Hot path: the bytes of a body are never copied, only pointed at. No allocation per chunk.

import type { Buffer } from 'node:buffer'
import { CR, hexValues, LF, tokenBytes, valueBytes } from './bytes.ts'
import { type Headers, parseTrailers } from './fields.ts'
import { Framing } from './framing.ts'
import type { HeadLimits } from './limits.ts'
import { SectionKind, SectionReader } from './section.ts'
import { wantsMore } from './start-line.ts'
import { type Violation, violations } from './violations.ts'

export interface BodySink {
  /** Bytes of the body, or of a tunnel. They are the caller's memory, valid during the call. */
  body(buffer: Buffer, start: number, end: number): void
}

//   sized: inData ------------------------------------> done
// chunked: inSizeStart -> inSize -> inSizeEnd -> inData -> inDataCR -> inDataLF -> inSizeStart
//                            |          ^ |
//                            v          | `- size 0 -> inTrailers -> done
//                         inExtension* -'
const done = 0
const inData = 1
const inSizeStart = 2
const inSize = 3
const inExtensionName = 4
const inExtensionValueStart = 5
const inExtensionValue = 6
const inQuoted = 7
const inQuotedPair = 8
const inQuotedEnd = 9
const inSizeEnd = 10
const inDataCR = 11
const inDataLF = 12
const inTrailers = 13
const inUntilClose = 14

/** Reads one body after the other, each delimited as `begin` says. RFC 9112 §6.3 and §7.1. */
export class BodyReader {
  violation: Violation | undefined = undefined
  trailers: Headers | undefined = undefined
  private readonly sink: BodySink
  private readonly limits: HeadLimits
  private section: SectionReader | undefined = undefined
  private state = done
  private isChunked = false
  /** Bytes left of the body or chunk; while a size is read, the size so far. */
  private left = 0
  private digits = 0
  private nameLength = 0
  private received = 0
  private extensionBytes = 0

  constructor(sink: BodySink, limits: HeadLimits) {
    this.sink = sink
    this.limits = limits
  }

  get isDone(): boolean {
    return this.state === done
  }

  get isUntilClose(): boolean {
    return this.state === inUntilClose
  }

  /** False when the body is known to be too large. */
  begin(framing: Framing): boolean {
    this.trailers = undefined
    this.isChunked = false
    this.received = 0
    if (framing > 0) {
      this.left = framing
      this.state = inData
      return framing <= this.limits.maxBodyBytes
    }
    this.state = done
    if (framing === Framing.chunked) {
      this.isChunked = true
      this.extensionBytes = 0
      this.state = inSizeStart
    } else if (framing === Framing.untilClose) {
      this.state = inUntilClose
    }
    return true
  }

  /** Index behind what was read of the body; -1 after a violation. */
  read(buffer: Buffer, start: number, end: number): number {
    let at = start
    while (at < end) {
      const state = this.state
      if (state === inData) {
        const reached = end - at < this.left ? end : at + this.left
        this.left -= reached - at
        // The state is set first: the sink may look at it, or end the decoder.
        if (this.left === 0) this.state = this.isChunked ? inDataCR : done
        this.sink.body(buffer, at, reached)
        if (this.state === done) return reached
        at = reached
      } else if (state === inTrailers) {
        const section = this.section as SectionReader
        const reached = section.read(buffer, at, end)
        if (reached === wantsMore) return end
        if (reached < 0) return this.fail(section.violation as Violation)
        this.trailers = parseTrailers(section.text())
        section.release()
        this.state = done
        return reached
      } else if (state === inUntilClose) {
        const room = this.limits.maxBodyBytes - this.received
        const reached = Math.min(end, at + room)
        this.received += reached - at
        if (reached > at) this.sink.body(buffer, at, reached)
        if (reached < end && this.state === inUntilClose) return this.fail(violations.bodyTooLarge)
        return end
      } else if (state === done) {
        return at
      } else {
        const violation = this.readFraming(buffer[at++] as number)
        if (violation !== undefined) return this.fail(violation)
      }
    }
    return at
  }

  /** Ends it here: a `read` that is on the stack returns. */
  stop(): void {
    this.state = done
  }

  private fail(violation: Violation): number {
    this.violation = violation
    this.state = done
    return -1
  }

  /** One byte between the data of chunks: few enough not to need a loop of their own. */
  private readFraming(byte: number): Violation | undefined {
    switch (this.state) {
      case inSizeStart:
      case inSize: {
        const digit = hexValues[byte] as number
        if (digit !== 255) {
          if (this.state === inSizeStart) {
            this.state = inSize
            this.left = 0
            this.digits = 0
          }
          this.left = this.left * 16 + digit
          return ++this.digits > 16 || this.left > Number.MAX_SAFE_INTEGER
            ? violations.chunkTooLarge
            : undefined
        }
        return this.state === inSize ? this.endSize(byte) : ofByte(byte, violations.badChunkSize)
      }
      case inSizeEnd:
        return byte === LF ? this.startChunk() : violations.bareCR
      case inDataCR:
        this.state = inDataLF
        return byte === CR ? undefined : violations.badChunkEnd
      case inDataLF:
        this.state = inSizeStart
        return byte === LF ? undefined : violations.badChunkEnd
      default:
        return this.readExtension(byte)
    }
  }

  private endSize(byte: number): Violation | undefined {
    if (byte === CR) {
      this.state = inSizeEnd
      return undefined
    }
    if (byte !== 0x3b /* ; */) return ofByte(byte, violations.badChunkSize)
    this.state = inExtensionName
    this.nameLength = 0
    return this.countExtension()
  }

  private startChunk(): Violation | undefined {
    if (this.left === 0) {
      this.section ??= new SectionReader(SectionKind.trailers, this.limits)
      this.state = inTrailers
      return undefined
    }
    this.received += this.left
    if (this.received > this.limits.maxBodyBytes) return violations.bodyTooLarge
    this.state = inData
    return undefined
  }

  private countExtension(): Violation | undefined {
    return ++this.extensionBytes > this.limits.maxExtensionBytes ? violations.extensionsTooLarge : undefined
  }

  /** `*( ";" name [ "=" ( token / quoted-string ) ] )`, RFC 9112 §7.1.1, without its optional bad white space. */
  private readExtension(byte: number): Violation | undefined {
    const tooLarge = this.countExtension()
    if (tooLarge !== undefined) return tooLarge
    const isToken = tokenBytes[byte] === 1
    switch (this.state) {
      case inExtensionName:
      case inExtensionValue:
        if (isToken) {
          this.nameLength++
          return undefined
        }
        if (this.nameLength === 0) break
        if (byte === 0x3d /* = */ && this.state === inExtensionName) {
          this.state = inExtensionValueStart
          return undefined
        }
        return this.endExtension(byte)
      case inExtensionValueStart:
        if (byte === 0x22 /* " */) this.state = inQuoted
        else if (isToken) this.state = inExtensionValue
        else break
        return undefined
      case inQuoted:
        if (byte === 0x22) this.state = inQuotedEnd
        else if (byte === 0x5c /* \ */) this.state = inQuotedPair
        else if (valueBytes[byte] === 0) break
        return undefined
      case inQuotedPair:
        if (valueBytes[byte] === 0) break
        this.state = inQuoted
        return undefined
      case inQuotedEnd:
        return this.endExtension(byte)
    }
    return ofByte(byte, violations.badExtension)
  }

  private endExtension(byte: number): Violation | undefined {
    if (byte === CR) this.state = inSizeEnd
    else if (byte === 0x3b) {
      this.state = inExtensionName
      this.nameLength = 0
    } else return ofByte(byte, violations.badExtension)
    return undefined
  }
}

const ofByte = (byte: number, otherwise: Violation): Violation =>
  byte === LF ? violations.bareLF : otherwise
