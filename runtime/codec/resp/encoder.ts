import { Buffer } from 'node:buffer'
import { ByteWriter } from '../../byte-writer.ts'
import { Data } from '../../data.ts'
import { TrafficError } from '../../errors.ts'
import { type RESPType, type RESPValue, VerbatimString } from './values.ts'

/** Values nested deeper than this are taken to contain themselves. */
const maxDepth = 512

export interface EncodeOptions {
  /** The head's type, which the top-level value is written as where it can be. */
  readonly type?: RESPType | undefined
  /**
   * 2: nothing that RESP 2 lacks (a map is a flat array, a boolean is 1 or 0, a double is a string); 3: null is `_`.
   * Missing: each value in the oldest version that has its type.
   */
  readonly version?: 2 | 3 | undefined
  /** Written before the value, but for version 2. */
  readonly attributes?: ReadonlyMap<RESPValue, RESPValue> | undefined
}

/**
 * A value as RESP. Text is a simple string on the top level, as in the answer OK; inside of others, as in commands, it is
 * a bulk string. What has no type of its own is written as its text.
 *
 * @throws TrafficError `RuntimeError` on a value that contains itself.
 */
export function encodeRESP(value: RESPValue, options: EncodeOptions = {}): Buffer {
  const writer = new Writer(options.version)
  if (options.attributes !== undefined && options.version !== 2) writer.attributes(options.attributes)
  writer.top(value, options.type)
  return writer.out.take()
}

class Writer {
  readonly out = new ByteWriter()
  private readonly version: 2 | 3 | undefined
  private depth = 0

  constructor(version: 2 | 3 | undefined) {
    this.version = version
  }

  attributes(attributes: ReadonlyMap<RESPValue, RESPValue>): void {
    this.entries('|', attributes)
  }

  top(value: RESPValue, type: RESPType | undefined): void {
    const hasNew = this.version !== 2
    if (value === null || value === undefined) {
      if (type === 'array' && this.version !== 3) this.out.latin1('*-1\r\n')
      else if (type === 'null' && hasNew) this.out.latin1('_\r\n')
      else this.write(null)
    } else if (typeof value === 'string' || value instanceof Data) {
      this.topText(value, type)
    } else if (typeof value === 'number' && type === 'double') {
      this.double(value)
    } else if (typeof value === 'bigint' && type === 'bigNumber' && hasNew) {
      this.out.latin1(`(${value}\r\n`)
    } else if (value instanceof Error && type === 'bulkError' && hasNew) {
      this.lengthed('!', value.message)
    } else if (Array.isArray(value) && type === 'push' && hasNew) {
      this.elements('>', value)
    } else {
      this.write(value)
    }
  }

  private topText(value: string | Data, type: RESPType | undefined): void {
    const isLine = typeof value === 'string' ? type !== 'bulk' : type === 'string' || type === 'error'
    const text = isLine ? value.toString() : ''
    if (isLine && !hasLineEnd(text)) this.line(type === 'error' ? '-' : '+', text)
    else this.write(value)
  }

  private write(value: RESPValue): void {
    switch (typeof value) {
      case 'string':
        this.lengthed('$', value)
        return
      case 'number':
        if (Number.isSafeInteger(value) && !Object.is(value, -0)) this.out.latin1(`:${value}\r\n`)
        else this.double(value)
        return
      case 'bigint':
        this.bigint(value)
        return
      case 'boolean':
        this.out.latin1(this.version === 2 ? (value ? ':1\r\n' : ':0\r\n') : value ? '#t\r\n' : '#f\r\n')
        return
      case 'object':
        this.object(value)
        return
      case 'undefined':
        this.object(null)
        return
      default:
        this.lengthed('$', String(value))
    }
  }

  private object(value: Extract<RESPValue, object | null>): void {
    if (value === null) {
      this.out.latin1(this.version === 3 ? '_\r\n' : '$-1\r\n')
    } else if (value instanceof Data) {
      this.out.latin1(`$${value.size}\r\n`)
      this.out.bytes(value.buffer, value.start, value.end)
      this.out.latin1('\r\n')
    } else if (Array.isArray(value)) {
      this.elements('*', value)
    } else if (value instanceof Error) {
      this.error(value.message)
    } else if (value instanceof Map) {
      this.entries('%', value)
    } else if (value instanceof Set) {
      this.elements('~', value)
    } else if (value instanceof VerbatimString) {
      this.verbatim(value)
    } else if (isPlain(value)) {
      this.entries('%', new Map(Object.entries(value)))
    } else {
      this.lengthed('$', String(value))
    }
  }

  private elements(mark: '*' | '~' | '>', values: readonly RESPValue[] | ReadonlySet<RESPValue>): void {
    const size = Array.isArray(values) ? values.length : (values as ReadonlySet<RESPValue>).size
    this.enter(this.version === 2 ? '*' : mark, size)
    for (const value of values) this.write(value)
    this.depth--
  }

  private entries(mark: '%' | '|', map: ReadonlyMap<RESPValue, RESPValue>): void {
    if (this.version === 2) this.enter('*', 2 * map.size)
    else this.enter(mark, map.size)
    for (const [key, value] of map) {
      this.write(key)
      this.write(value)
    }
    this.depth--
  }

  private enter(mark: string, size: number): void {
    if (++this.depth > maxDepth)
      throw new TrafficError('RuntimeError', `a Redis value is nested deeper than ${maxDepth}, or in itself`)
    this.out.latin1(`${mark}${size}\r\n`)
  }

  private double(value: number): void {
    const text =
      value === Number.POSITIVE_INFINITY
        ? 'inf'
        : value === Number.NEGATIVE_INFINITY
          ? '-inf'
          : Number.isNaN(value)
            ? 'nan'
            : Object.is(value, -0)
              ? '-0'
              : String(value)
    if (this.version === 2) this.lengthed('$', text)
    else this.out.latin1(`,${text}\r\n`)
  }

  private bigint(value: bigint): void {
    if (BigInt.asIntN(64, value) === value) this.out.latin1(`:${value}\r\n`)
    else if (this.version === 2) this.lengthed('$', String(value))
    else this.out.latin1(`(${value}\r\n`)
  }

  private error(message: string): void {
    if (!hasLineEnd(message)) this.line('-', message)
    else if (this.version === 2) this.line('-', message.replace(/[\r\n]+/g, ' '))
    else this.lengthed('!', message)
  }

  private verbatim({ format, content }: VerbatimString): void {
    if (!/^[\x20-\x7e]{3}$/.test(format))
      throw new TrafficError(
        'RuntimeError',
        `the format of a verbatim string is not three characters: ${format}`,
      )
    if (this.version === 2) {
      this.write(content)
      return
    }
    this.out.latin1(`=${content.size + 4}\r\n${format}:`)
    this.out.bytes(content.buffer, content.start, content.end)
    this.out.latin1('\r\n')
  }

  private line(mark: string, text: string): void {
    this.out.latin1(mark)
    this.out.utf8(text, Buffer.byteLength(text))
    this.out.latin1('\r\n')
  }

  private lengthed(mark: string, text: string): void {
    const size = Buffer.byteLength(text)
    this.out.latin1(`${mark}${size}\r\n`)
    this.out.utf8(text, size)
    this.out.latin1('\r\n')
  }
}

const hasLineEnd = (text: string): boolean => text.includes('\r') || text.includes('\n')

function isPlain(value: object): value is { readonly [key: string]: RESPValue } {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
