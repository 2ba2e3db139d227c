// Hot path: lines and strings that lie in one piece are read where they are; a bulk string is copied once.

import { Buffer } from 'node:buffer'
import { Aggregate, Shape } from './aggregate.ts'
import { BulkReader } from './bulk.ts'
import { defaultLimits, type RESPLimits } from './limits.ts'
import { LineFault, LineReader } from './line.ts'
import { readBigNumber, readDouble, readInteger, readLength } from './scalars.ts'
import { errorOf, type RESPType, type RESPValue, typeNames, VerbatimString } from './values.ts'
import { type Violation, violations } from './violations.ts'

/** Who receives what a decoder reads. */
export interface RESPSink {
  /** A value begins. */
  start(type: RESPType): void
  /** Its bytes as they came, framing included. They are the caller's memory, valid during the call. */
  body(buffer: Buffer, start: number, end: number): void
  /** The value is complete. */
  end(payload: RESPValue, attributes: ReadonlyMap<RESPValue, RESPValue> | undefined): void
  /** The peer broke a rule. Nothing comes after it. */
  violation(violation: Violation): void
}

// value -> line -> value                 a scalar, or the head of an aggregate
//           `----> bulk -> CR -> LF -> value
//           `----> chunk -> line         the next part of a streamed string
// any -> stopped                         after a violation or `finish()`
const inValue = 0
const inLine = 1
const inBulk = 2
const atReturn = 3
const atFeed = 4
const inChunk = 5
const stopped = 6

const typeByByte: readonly (RESPType | undefined)[] = Array.from(
  { length: 256 },
  (_, byte) => (typeNames as Record<string, RESPType>)[String.fromCharCode(byte)],
)

// First bytes of values, and of the parts of streamed ones.
const bulkByte = 0x24
const bulkErrorByte = 0x21
const verbatimByte = 0x3d
const chunkByte = 0x3b
const endByte = 0x2e
/** Stands for a length that is not known. */
const streamedByte = 0x3f

/**
 * Turns bytes into the values of RESP 2 and 3. The same bytes give the same values however they are cut. Inline
 * commands (plain words, typed by people) are not taken.
 */
export class RESPDecoder {
  private readonly sink: RESPSink
  private readonly limits: RESPLimits
  private readonly line: LineReader
  private readonly bulk = new BulkReader()
  private readonly aggregates: Aggregate[] = []
  private state = inValue
  /** A message has begun. */
  private isOpen = false
  /** First byte of the current value, or `;` or `.`. */
  private type = 0
  /** The bulk that is read is a chunk of a streamed string. */
  private isStreamed = false
  private attributes: Map<RESPValue, RESPValue> | undefined
  /** An attribute came, and what it belongs to has not. */
  private isAfterAttribute = false
  private messageBytes = 0
  private elements = 0
  /** The input of this turn, up to where it is read, and from where the sink has not got it yet. */
  private input: Buffer = Buffer.alloc(0)
  private from = 0
  private at = 0

  constructor(sink: RESPSink, limits?: Partial<RESPLimits>) {
    this.sink = sink
    this.limits = limits === undefined ? defaultLimits : { ...defaultLimits, ...limits }
    this.line = new LineReader(this.limits.maxLineBytes)
  }

  decode(buffer: Buffer, start: number, end: number): void {
    this.input = buffer
    this.from = start
    this.at = start
    while (this.at < end && this.state !== stopped) {
      switch (this.state) {
        case inValue:
          this.startValue(buffer[this.at++] as number)
          break
        case inLine:
          this.readLine(end)
          break
        case inBulk:
          this.at = this.bulk.read(buffer, this.at, end)
          if (this.bulk.left === 0) this.state = atReturn
          break
        case atReturn:
          if (buffer[this.at++] === 0x0d) this.state = atFeed
          else this.fail(violations.badLine)
          break
        case atFeed:
          if (buffer[this.at++] === 0x0a) this.endBulk()
          else this.fail(violations.badLine)
          break
        default:
          this.type = chunkByte
          if (buffer[this.at++] === chunkByte) this.state = inLine
          else this.fail(violations.badChunk)
      }
    }
    if (this.isOpen && this.state !== stopped && end > this.from) this.sink.body(buffer, this.from, end)
  }

  /** The peer sends no more: a violation inside a value. */
  finish(): void {
    if (this.state !== stopped && this.isOpen) this.fail(violations.truncated)
    this.state = stopped
  }

  private startValue(byte: number): void {
    const type = typeByByte[byte]
    if (type === undefined && !(byte === endByte && this.isOpen)) {
      this.fail(violations.badType)
      return
    }
    this.type = byte
    this.state = inLine
    if (this.isOpen) return
    this.isOpen = true
    this.messageBytes = 0
    this.elements = 1
    this.sink.start(type as RESPType)
  }

  private readLine(end: number): void {
    const reached = this.line.read(this.input, this.at, end)
    if (reached < 0) {
      this.at = end
      if (reached === LineFault.tooLong) this.fail(violations.lineTooLong)
      else if (reached === LineFault.badEnd) this.fail(violations.badLine)
      return
    }
    this.at = reached
    if (this.grow(this.line.size + 1)) this.endLine()
  }

  /** Counts bytes of the message. */
  private grow(bytes: number): boolean {
    this.messageBytes += bytes
    return this.messageBytes <= this.limits.maxMessageBytes || this.fail(violations.messageTooLarge)
  }

  private endLine(): void {
    const { line } = this
    switch (this.type) {
      case bulkByte:
      case bulkErrorByte:
      case verbatimByte:
      case chunkByte:
        this.startBulk()
        return
      case 0x2a: // *
        this.startAggregate(Shape.array, true)
        return
      case 0x3e: // >
        if (this.aggregates.length > 0) this.fail(violations.badPush)
        else this.startAggregate(Shape.array, false)
        return
      case 0x7e: // ~
        this.startAggregate(Shape.set, true)
        return
      case 0x25: // %
        this.startAggregate(Shape.map, true)
        return
      case 0x7c: // |
        if (this.isAfterAttribute) this.fail(violations.badPush)
        else this.startAggregate(Shape.attribute, false)
        return
      case endByte:
        this.endStreamed()
        return
      case 0x2b: // +
        if (line.hasReturn) this.fail(violations.badLine)
        else this.value(line.text())
        return
      case 0x2d: // -
        if (line.hasReturn) this.fail(violations.badLine)
        else this.value(errorOf(line.text()))
        return
      case 0x3a: // :
        this.scalar(readInteger(line), violations.badNumber)
        return
      case 0x2c: // ,
        this.scalar(readDouble(line), violations.badNumber)
        return
      case 0x28: // (
        this.scalar(readBigNumber(line), violations.badNumber)
        return
      case 0x23: // #
        this.scalar(line.is(0x74) ? true : line.is(0x66) ? false : undefined, violations.badBoolean)
        return
      default: // _
        this.scalar(line.isEmpty ? null : undefined, violations.badNull)
    }
  }

  private scalar(value: RESPValue, otherwise: Violation): void {
    if (value === undefined) this.fail(otherwise)
    else this.value(value)
  }

  private startBulk(): void {
    const { line } = this
    if (this.type === bulkByte) {
      if (line.isMinusOne) {
        this.value(null)
        return
      }
      if (line.is(streamedByte)) {
        this.isStreamed = true
        this.state = inChunk
        return
      }
    }
    const size = readLength(line)
    if (size < 0) {
      this.fail(violations.badLength)
    } else if (this.type === chunkByte && size === 0) {
      this.isStreamed = false
      this.value(this.bulk.take())
    } else if (this.grow(size + 2)) {
      this.bulk.expect(size)
      this.state = size === 0 ? atReturn : inBulk
    }
  }

  private endBulk(): void {
    if (this.isStreamed) {
      this.state = inChunk
      return
    }
    const data = this.bulk.take()
    if (this.type === bulkByte) {
      this.value(data)
    } else if (this.type === bulkErrorByte) {
      this.value(errorOf(data.toString()))
    } else if (data.size < 4 || data.buffer[data.start + 3] !== 0x3a) {
      this.fail(violations.badVerbatim)
    } else {
      const format = data.shift(4).toString('latin1').slice(0, 3)
      this.value(new VerbatimString(format, data))
    }
  }

  private startAggregate(shape: number, canStream: boolean): void {
    const { line, limits } = this
    if (this.type === 0x2a && line.isMinusOne) {
      this.value(null)
      return
    }
    const isStreamed = canStream && line.is(streamedByte)
    const size = isStreamed ? -1 : readLength(line)
    if (size < 0 && !isStreamed) {
      this.fail(violations.badLength)
      return
    }
    const left = size > 0 && shape >= Shape.map ? 2 * size : size
    if (left > 0) this.elements += left
    if (this.elements > limits.maxElements) {
      this.fail(violations.tooManyElements)
      return
    }
    if (this.aggregates.length >= limits.maxDepth) {
      this.fail(violations.tooDeep)
      return
    }
    this.isAfterAttribute = false
    this.aggregates.push(new Aggregate(shape, left))
    this.state = inValue
    if (left === 0) this.endAggregate()
  }

  private endStreamed(): void {
    const aggregate = this.aggregates.at(-1)
    const mayEnd = aggregate?.isStreamed === true && !aggregate.isAfterKey && !this.isAfterAttribute
    if (mayEnd && this.line.isEmpty) this.endAggregate()
    else this.fail(violations.badEnd)
  }

  private endAggregate(): void {
    const { shape, content } = this.aggregates.pop() as Aggregate
    if (shape !== Shape.attribute) {
      this.value(content as RESPValue)
      return
    }
    // Those of values inside others have no place in JavaScript, and are dropped.
    if (this.aggregates.length === 0) this.attributes = content as Map<RESPValue, RESPValue>
    this.isAfterAttribute = true
    this.state = inValue
  }

  /** A value is complete: so may be what it is in. */
  private value(value: RESPValue): void {
    this.isAfterAttribute = false
    this.state = inValue
    const aggregate = this.aggregates.at(-1)
    if (aggregate === undefined) this.endMessage(value)
    else if (aggregate.isStreamed && ++this.elements > this.limits.maxElements)
      this.fail(violations.tooManyElements)
    else if (aggregate.add(value)) this.endAggregate()
  }

  private endMessage(value: RESPValue): void {
    const { from, attributes } = this
    this.isOpen = false
    this.attributes = undefined
    this.from = this.at
    this.sink.body(this.input, from, this.at)
    this.sink.end(value, attributes)
  }

  private fail(violation: Violation): false {
    this.state = stopped
    this.aggregates.length = 0
    this.bulk.take()
    this.line.release()
    this.sink.violation(violation)
    return false
  }
}
