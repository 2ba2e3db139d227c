// Hot path: one table-driven pass over the bytes of a head. No closures, no throws, no regular expressions; strings
// are made once, at the end of the section.

import { Buffer } from 'node:buffer'
import {
  COLON,
  CR,
  equalsText,
  equalsToken,
  HTAB,
  isAuthority,
  isPlainWord,
  LF,
  latin1,
  SPACE,
  tokenBytes,
  valueBytes,
  wordsOf,
} from './bytes.ts'
import type { HeadMemory, KnownHead } from './head-memory.ts'
import type { HeadLimits } from './limits.ts'
import { isBroken, scanRequestLine, scanStatusLine, wantsMore } from './start-line.ts'
import { type Violation, violations } from './violations.ts'

/** What a section begins with. */
export const SectionKind = { request: 0, response: 1, trailers: 2 } as const
export type SectionKind = 0 | 1 | 2

// Where in a line the scanner is. Those of the start line are in start-line.ts, and are smaller.
const inLine = 8
const inName = 9
const inSpaceAfterName = 10
const inValue = 11
const inValueEnd = 12
const inLastEnd = 13

/** Bits of `connection`: which options the Connection field has. */
export const ConnectionOption = { close: 1, keepAlive: 2, upgrade: 4 } as const

// Fields that the codec must look at. The table finds the only one that a name can be by its length and first letter,
// which spares most lines a comparison.
const hostField = 1
const lengthField = 2
const encodingField = 3
const connectionField = 4
const upgradeField = 5
const expectField = 6
const teField = 7
/** Fields that tell of a trace, or are carried along with it: only that there are some is noted. `X-B3-TraceId` is as long as `X-B3-Sampled`. */
const traceField = 10
const b3MultiField = 13
const notedNames = [
  '',
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'upgrade',
  'expect',
  'te',
  'keep-alive',
  'proxy-connection',
  'traceparent',
  'tracestate',
  'b3',
  'x-b3-traceid',
  'baggage',
]
const longestNoted = 17
const notedFields = new Uint8Array((longestNoted + 1) << 5)
for (let code = 1; code < notedNames.length; code++) {
  const name = notedNames[code] as string
  notedFields[(name.length << 5) | (name.charCodeAt(0) & 31)] = code
}
const noneNoted = new Uint8Array(notedFields.length)

const nothing = Buffer.alloc(0)

/**
 * Reads one section (a head, or the trailers of a body) up to its empty line, from any number of pieces. The state
 * of the scan is kept to the byte, so a section that arrives byte by byte costs no more scanning than one that
 * arrives whole, and is accepted or refused at the same byte.
 *
 * While a section is complete in the caller's buffer nothing is copied. All offsets count from `base`.
 */
export class SectionReader {
  readonly kind: SectionKind
  readonly limits: HeadLimits
  /** Bytes that the section may have. */
  private readonly limit: number
  /** The rule broken, after `isBroken`. */
  violation: Violation | undefined = undefined

  /** After success: the memory in which the section lies, from `base` on, until `release`. */
  source: Buffer = nothing
  base = 0

  /** Position of the scan: what part of which line, and the offset of the next byte. */
  phase = 0
  cursor = 0
  private lineStart = 0
  private nameEnd = 0
  private colon = 0
  private pending: Buffer = nothing
  private pendingLength = 0

  // Facts of the start line. Offsets behind its first and second word, and behind its line end.
  firstEnd = 0
  secondEnd = 0
  lineEnd = 0
  httpMajor = 1
  httpMinor = 1
  status = 0
  method = ''

  // Facts of the fields.
  /** Offset of the empty line that ends the section. */
  fieldsEnd = 0
  fieldCount = 0
  contentLength = -1
  isChunked = false
  hostCount = 0
  connection = 0
  /** Connection options that are not one of the usual: names of fields to be dropped, comma-separated. */
  nominated = ''
  private nominations = 0
  upgrade = ''
  expectsContinue = false
  acceptsTrailers = false
  /** A field tells of a trace. */
  hasTrace = false
  /** A response line was ended or spaced in a way that is tolerated but not to be forwarded. */
  needsRepair = false
  /** Offsets of lines that are not forwarded: start, end, start, end. */
  private readonly cuts: number[] = []
  private cutCount = 0
  private readonly memory: HeadMemory | undefined
  /** The head that was recognised instead of being scanned. */
  private known: KnownHead | undefined = undefined

  constructor(kind: SectionKind, limits: HeadLimits, memory?: HeadMemory) {
    this.kind = kind
    this.limits = limits
    this.memory = memory
    this.limit = kind === SectionKind.trailers ? limits.maxTrailerBytes : limits.maxHeadBytes
  }

  /** True before the first byte of a section. */
  get isFresh(): boolean {
    return this.pendingLength === 0
  }

  /** Index behind the section, or `wantsMore` (all was taken), or `isBroken`. */
  read(buffer: Buffer, start: number, end: number): number {
    if (this.pendingLength > 0) return this.readOn(buffer, start, end)
    const { memory } = this
    const words = memory === undefined ? undefined : wordsOf(buffer)
    if (words !== undefined) {
      const known = (memory as HeadMemory).find(buffer, words, start, end)
      if (known !== undefined) {
        this.recall(known)
        return start + known.length
      }
    }
    this.reset()
    const reached = this.scan(buffer, start, start, end)
    if (reached >= 0) {
      this.source = buffer
      this.base = start
      if (words !== undefined) (memory as HeadMemory).learn(this, buffer, start, reached, end)
    } else if (reached === wantsMore) {
      this.hold(buffer, start, end)
    }
    return reached
  }

  private readOn(buffer: Buffer, start: number, end: number): number {
    const before = this.pendingLength
    this.hold(buffer, start, Math.min(end, start + this.limit - before))
    const reached = this.scan(this.pending, 0, this.cursor, this.pendingLength)
    if (reached < 0) return reached
    this.source = this.pending
    this.base = 0
    return start + reached - before
  }

  /** Forgets the memory of the section, once its text has been taken. */
  release(): void {
    this.source = nothing
    this.pending = nothing
    this.pendingLength = 0
  }

  /** Whether the head is one of those that say all there is to say in the facts that are remembered. */
  get isOrdinary(): boolean {
    return (
      !this.needsRepair &&
      !this.expectsContinue &&
      !this.hasTrace &&
      this.upgrade === '' &&
      this.nominated === ''
    )
  }

  private recall(known: KnownHead): void {
    this.known = known
    this.method = known.method
    this.status = known.status
    this.firstEnd = known.firstEnd
    this.secondEnd = known.secondEnd
    this.lineEnd = known.lineEnd
    this.httpMinor = known.httpMinor
    this.contentLength = known.contentLength
    this.isChunked = known.isChunked
    this.hostCount = known.hostCount
    this.connection = known.connection
    this.acceptsTrailers = known.acceptsTrailers
    this.nominated = ''
    this.upgrade = ''
    this.expectsContinue = false
    this.hasTrace = false
    this.needsRepair = false
  }

  private hold(buffer: Buffer, start: number, end: number): void {
    const length = this.pendingLength + end - start
    if (length > this.pending.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(this.limit, Math.max(512, 2 * length)))
      this.pending.copy(grown, 0, 0, this.pendingLength)
      this.pending = grown
    }
    buffer.copy(this.pending, this.pendingLength, start, end)
    this.pendingLength = length
  }

  private reset(): void {
    this.phase = this.kind === SectionKind.trailers ? inLine : 0
    this.cursor = 0
    this.known = undefined
    this.method = ''
    this.fieldCount = 0
    this.contentLength = -1
    this.isChunked = false
    this.hostCount = 0
    this.connection = 0
    this.nominated = ''
    this.nominations = 0
    this.upgrade = ''
    this.expectsContinue = false
    this.acceptsTrailers = false
    this.hasTrace = false
    this.needsRepair = false
    this.cutCount = 0
  }

  /** Scans on from `from`, and not beyond the limit, whatever `end` is: so that a limit, too, strikes at one byte. */
  private scan(buffer: Buffer, base: number, from: number, end: number): number {
    const bound = base + this.limit
    const stop = Math.min(end, bound)
    let at = from
    if (this.phase < inLine) {
      at =
        this.kind === SectionKind.request
          ? scanRequestLine(this, buffer, base, at, stop)
          : scanStatusLine(this, buffer, base, at, stop)
      if (at >= 0) this.phase = inLine
    }
    if (at >= 0) at = this.scanFields(buffer, base, at, stop)
    if (at === wantsMore && stop === bound)
      return this.fail(
        this.kind === SectionKind.trailers ? violations.trailersTooLarge : violations.headTooLarge,
      )
    return at
  }

  /** Notes the rule broken; returns `isBroken`. */
  fail(violation: Violation): number {
    this.violation = violation
    return isBroken
  }

  private scanFields(buffer: Buffer, base: number, from: number, stop: number): number {
    const isLenient = this.kind === SectionKind.response
    const { maxFields } = this.limits
    const noted = this.kind === SectionKind.trailers ? noneNoted : notedFields
    let at = from
    let phase = this.phase
    const words = wordsOf(buffer)
    let lineStart = this.lineStart + base
    let nameEnd = this.nameEnd + base
    let colon = this.colon + base
    while (at < stop) {
      if (phase === inLine) {
        const byte = buffer[at] as number
        lineStart = at
        if (tokenBytes[byte] === 1) {
          phase = inName
        } else if (byte === CR) {
          phase = inLastEnd
        } else {
          if (byte !== LF || !isLenient) return this.failAtLine(byte)
          this.needsRepair = true
          this.fieldsEnd = at - base
          return at + 1
        }
        at++
      }
      if (phase === inName) {
        while (at < stop && tokenBytes[buffer[at] as number] === 1) at++
        if (at === stop) break
        nameEnd = at
        const byte = buffer[at] as number
        if (byte === COLON) {
          phase = inValue
        } else {
          // RFC 9112 §5.1: such space is refused in a request, and removed from a response.
          if (!isLenient || (byte !== SPACE && byte !== HTAB))
            return this.failAtByte(byte, violations.badName)
          this.needsRepair = true
          phase = inSpaceAfterName
        }
        colon = at++
      }
      if (phase === inSpaceAfterName) {
        while (at < stop && (buffer[at] === SPACE || buffer[at] === HTAB)) at++
        if (at === stop) break
        if (buffer[at] !== COLON) return this.failAtByte(buffer[at] as number, violations.badName)
        colon = at++
        phase = inValue
      }
      if (phase === inValue) {
        if (words !== undefined) {
          while (at + 8 <= stop && isPlainWord(words.getInt32(at, true), words.getInt32(at + 4, true)))
            at += 8
        }
        while (at < stop && valueBytes[buffer[at] as number] === 1) at++
        if (at === stop) break
        const byte = buffer[at] as number
        if (byte === CR) {
          at++
        } else {
          if (byte !== LF || !isLenient) return this.failAtByte(byte, violations.badValue)
          this.needsRepair = true
        }
        phase = inValueEnd
      }
      if (at === stop) break
      if (buffer[at] !== LF) return this.fail(violations.bareCR)
      at++
      if (phase === inLastEnd) {
        this.fieldsEnd = lineStart - base
        return at
      }
      if (++this.fieldCount > maxFields) return this.fail(violations.tooManyFields)
      if (nameEnd - lineStart <= longestNoted) {
        const code = noted[((nameEnd - lineStart) << 5) | ((buffer[lineStart] as number) & 31)] as number
        if (code !== 0 && !this.noteLine(code, buffer, base, lineStart, colon, at)) return isBroken
      }
      phase = inLine
    }
    this.phase = phase
    this.cursor = at - base
    this.lineStart = lineStart - base
    this.nameEnd = nameEnd - base
    this.colon = colon - base
    return wantsMore
  }

  private failAtLine(byte: number): number {
    if (byte === SPACE || byte === HTAB)
      return this.fail(this.fieldCount === 0 ? violations.leadingSpace : violations.foldedLine)
    if (byte === COLON) return this.fail(violations.emptyName)
    return this.failAtByte(byte, violations.badName)
  }

  private failAtByte(byte: number, otherwise: Violation): number {
    return this.fail(byte === LF ? violations.bareLF : byte === CR ? violations.bareCR : otherwise)
  }

  /** Looks at the field that a line may be. False when it breaks a rule. */
  private noteLine(
    code: number,
    buffer: Buffer,
    base: number,
    lineStart: number,
    colon: number,
    lineEnd: number,
  ): boolean {
    if (!equalsToken(buffer, lineStart, notedNames[code] as string)) {
      if (code === b3MultiField && equalsToken(buffer, lineStart, 'x-b3-sampled')) this.hasTrace = true
      return true
    }
    if (code >= traceField) {
      this.hasTrace = true
      return true
    }
    let start = colon + 1
    let end = lineEnd - 1
    if (buffer[end - 1] === CR) end--
    while (start < end && (buffer[start] === SPACE || buffer[start] === HTAB)) start++
    while (end > start && (buffer[end - 1] === SPACE || buffer[end - 1] === HTAB)) end--
    const outcome = this.noteField(code, buffer, start, end)
    if (outcome === isForwarded) return true
    if (outcome === isBroken) return false
    this.cuts[this.cutCount++] = lineStart - base
    this.cuts[this.cutCount++] = lineEnd - base
    return true
  }

  /** Takes what framing and connection handling need from a field. Says whether the line is forwarded. */
  private noteField(code: number, buffer: Buffer, start: number, end: number): number {
    switch (code) {
      case hostField:
        if (this.kind !== SectionKind.request) return isForwarded
        if (++this.hostCount > 1) return this.fail(violations.repeatedHost)
        // RFC 9112 §3.2: empty when the target URI has no authority.
        if (start !== end && !isAuthority(buffer, start, end, false)) return this.fail(violations.badHost)
        return isForwarded
      case lengthField:
        return this.noteLength(buffer, start, end)
      case encodingField:
        return this.noteEncoding(buffer, start, end)
      case connectionField:
        return this.noteConnection(buffer, start, end)
      case upgradeField:
        this.upgrade += (this.upgrade === '' ? '' : ', ') + latin1(buffer, start, end)
        return isCut
      case expectField:
        if (end - start === 12 && equalsToken(buffer, start, '100-continue')) this.expectsContinue = true
        return isForwarded
      case teField:
        if (end - start >= 8 && equalsToken(buffer, start, 'trailers')) this.acceptsTrailers = true
        return isCut
      default:
        return isCut
    }
  }

  private noteConnection(buffer: Buffer, start: number, end: number): number {
    const length = end - start
    if (length === 10 && equalsToken(buffer, start, 'keep-alive')) {
      this.connection |= ConnectionOption.keepAlive
    } else if (length === 5 && equalsToken(buffer, start, 'close')) {
      this.connection |= ConnectionOption.close
    } else if (length === 7 && equalsToken(buffer, start, 'upgrade')) {
      this.connection |= ConnectionOption.upgrade
    } else if (length > 0) {
      this.nominated += `,${latin1(buffer, start, end)}`
      // Each is looked for among the fields, so there may be no more of them than fields.
      for (let at = start; at < end; at++) if (buffer[at] === 0x2c) this.nominations++
      if (++this.nominations > this.limits.maxFields) return this.fail(violations.tooManyFields)
    }
    return isCut
  }

  /** RFC 9112 §6.3: lists are refused even if equal; an equal repetition is tolerated in a response, once. */
  private noteLength(buffer: Buffer, start: number, end: number): number {
    let value = 0
    for (let at = start; at < end; at++) {
      const digit = (buffer[at] as number) - 0x30
      if (digit < 0 || digit > 9) return this.fail(violations.badLength)
      value = value * 10 + digit
      if (value > Number.MAX_SAFE_INTEGER) return this.fail(violations.badLength)
    }
    if (start === end) return this.fail(violations.badLength)
    if (this.contentLength >= 0) {
      if (this.kind === SectionKind.response && this.contentLength === value) return isCut
      return this.fail(violations.repeatedLength)
    }
    this.contentLength = value
    return isForwarded
  }

  /**
   * One `chunked` alone. Coding names have no case (RFC 9112 §7), but a parser that thinks otherwise sees another
   * body, so a request must spell it in lower case.
   */
  private noteEncoding(buffer: Buffer, start: number, end: number): number {
    if (this.isChunked) return this.fail(violations.repeatedEncoding)
    const isExact =
      end - start === 7 &&
      (this.kind === SectionKind.request
        ? equalsText(buffer, start, 'chunked')
        : equalsToken(buffer, start, 'chunked'))
    if (!isExact) return this.fail(violations.badEncoding)
    this.isChunked = true
    return isForwarded
  }

  /** The lines of the section that are forwarded, without its empty line, each ended by CRLF. */
  text(): string {
    if (this.known !== undefined) return this.known.text
    const base = this.base
    const stop = base + this.fieldsEnd
    if (this.cutCount === 0) return latin1(this.source, base, stop)
    let text = ''
    let at = base
    for (let i = 0; i < this.cutCount; i += 2) {
      const cut = base + (this.cuts[i] as number)
      if (cut > at) text += latin1(this.source, at, cut)
      at = base + (this.cuts[i + 1] as number)
    }
    return at < stop ? text + latin1(this.source, at, stop) : text
  }
}

const isForwarded = 0
const isCut = 1
