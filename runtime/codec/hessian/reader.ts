// Hot path: recursive descent over the bytes, one call per value.

import { Buffer } from 'node:buffer'
import { Data } from '../../data.ts'
import { TrafficError } from '../../errors.ts'
import { setOwn } from '../../own-property.ts'
import type { HessianLimits } from './limits.ts'
import { TextReader } from './text.ts'
import { setTag } from './types.ts'

interface ClassDefinition {
  readonly name: string
  readonly fields: readonly string[]
}

const END = 0x5a

/**
 * Reads values written in Hessian 2.0, http://hessian.caucho.com/doc/hessian-serialization.html §4; the byte codes are
 * in the order of its appendix.
 */
export class HessianReader {
  private readonly buffer: Buffer
  private readonly end: number
  private readonly limits: HessianLimits
  private readonly text = new TextReader()
  private at: number
  private values = 0
  private readonly classes: ClassDefinition[] = []
  private readonly types: string[] = []
  /** Lists, maps and objects in the order in which they began, and how many values each has; 0 while it is read. */
  private readonly references: object[] = []
  private readonly sizes: number[] = []
  private readonly referred = new Set<number>()

  constructor(data: Data, limits: HessianLimits) {
    this.buffer = data.buffer
    this.at = data.start
    this.end = data.end
    this.limits = limits
  }

  /**
   * All values, one after the other.
   *
   * @throws TrafficError `ProtocolError` on bytes that are not Hessian 2.0, and on values beyond the limits.
   */
  readAll(): unknown[] {
    const all: unknown[] = []
    while (this.at < this.end) all.push(this.read(0))
    return all
  }

  private read(depth: number): unknown {
    this.count(1)
    let tag = this.byte()
    while (tag === 0x43) {
      this.defineClass()
      tag = this.byte()
    }
    if (tag < 0x20 || (tag >= 0x30 && tag < 0x34)) return this.readText(tag)
    if (tag < 0x38) return this.readBinary(tag)
    if (tag < 0x40) return ((tag - 0x3c) << 16) | this.uint16()
    if (tag < 0x60) return this.readNamed(tag, depth)
    if (tag < 0x70) return this.readObject(tag - 0x60, depth)
    if (tag < 0x78) return this.readList(this.readType(), tag - 0x70, depth)
    if (tag < 0x80) return this.readList('', tag - 0x78, depth)
    if (tag < 0xc0) return tag - 0x90
    if (tag < 0xd0) return ((tag - 0xc8) << 8) | this.byte()
    if (tag < 0xd8) return ((tag - 0xd4) << 16) | this.uint16()
    if (tag < 0xf0) return tag - 0xe0
    return ((tag - 0xf8) << 8) | this.byte()
  }

  /** Codes that are mostly letters: 0x40 to 0x5f. */
  private readNamed(tag: number, depth: number): unknown {
    switch (tag) {
      case 0x41: // A
      case 0x42: // B
        return this.readBinary(tag)
      case 0x44: // D
        return this.buffer.readDoubleBE(this.skip(8))
      case 0x46: // F
        return false
      case 0x48: // H
        return this.readMap('', depth)
      case 0x49: // I
      case 0x59: // Y, a long of 32 bits
        return this.int32()
      case 0x4a: // J
        return new Date(Number(this.buffer.readBigInt64BE(this.skip(8))))
      case 0x4b: // K
        return new Date(this.int32() * 60_000)
      case 0x4c: // L
        return this.readLong()
      case 0x4d: // M
        return this.readMap(this.readType(), depth)
      case 0x4e: // N
        return null
      case 0x4f: // O
        return this.readObject(this.readInteger(), depth)
      case 0x51: // Q
        return this.readReference()
      case 0x52: // R
      case 0x53: // S
        return this.readText(tag)
      case 0x54: // T
        return true
      case 0x55: // U
        return this.readList(this.readType(), -1, depth)
      case 0x56: // V
        return this.readList(this.readType(), this.readLength(), depth)
      case 0x57: // W
        return this.readList('', -1, depth)
      case 0x58: // X
        return this.readList('', this.readLength(), depth)
      case 0x5b:
        return 0
      case 0x5c:
        return 1
      case 0x5d:
        return (this.byte() << 24) >> 24
      case 0x5e:
        return (this.uint16() << 16) >> 16
      case 0x5f:
        // Thousandths, as all implementations in Java write it (BC_DOUBLE_MILL), where the specification has a float.
        return 0.001 * this.int32()
      default:
        return this.fail(`0x${tag.toString(16)} is no code of Hessian 2.0`)
    }
  }

  private readLong(): number | bigint {
    const value = this.buffer.readBigInt64BE(this.skip(8))
    return Number.isSafeInteger(Number(value)) ? Number(value) : value
  }

  /** An int where the format wants one: a length, an index. */
  private readInteger(): number {
    const tag = this.byte()
    if (tag >= 0x80 && tag < 0xc0) return tag - 0x90
    if (tag >= 0xc0 && tag < 0xd0) return ((tag - 0xc8) << 8) | this.byte()
    if (tag >= 0xd0 && tag < 0xd8) return ((tag - 0xd4) << 16) | this.uint16()
    if (tag === 0x49) return this.int32()
    return this.fail('a length or an index is no int')
  }

  private readLength(): number {
    const length = this.readInteger()
    return length >= 0 ? length : this.fail('a list has a negative length')
  }

  private readString(): string {
    const tag = this.byte()
    return isText(tag) ? this.readText(tag) : this.fail('a name is no string')
  }

  private readType(): string {
    if (isText(this.peek())) {
      const name = this.readString()
      this.types.push(name)
      return name
    }
    return this.types[this.readInteger()] ?? this.fail('a type is referred to that has not come')
  }

  private readText(first: number): string {
    let text = ''
    let tag = first
    for (;;) {
      const isLast = tag !== 0x52
      const units = tag < 0x20 ? tag : tag < 0x34 ? ((tag - 0x30) << 8) | this.byte() : this.uint16()
      const part = this.text.read(this.buffer, this.at, this.end, units)
      if (part === undefined) this.fail('a string is not UTF-8, or cut')
      this.at = this.text.end
      text += part
      if (isLast) return text
      tag = this.byte()
      if (!isText(tag)) this.fail('a part of a string is not followed by the next')
    }
  }

  private readBinary(first: number): Data {
    const whole = new Data()
    let tag = first
    for (;;) {
      const size = tag < 0x30 ? tag - 0x20 : tag < 0x38 ? ((tag - 0x34) << 8) | this.byte() : this.uint16()
      const start = this.skip(size)
      if (tag !== 0x41 && whole.size === 0) {
        const copy = Buffer.allocUnsafe(size)
        this.buffer.copy(copy, 0, start, start + size)
        return Data.over(copy)
      }
      whole.push(Data.over(this.buffer, start, start + size))
      if (tag !== 0x41) return whole
      tag = this.byte()
      if (!isBinary(tag)) this.fail('a part of binary data is not followed by the next')
    }
  }

  private begin(value: object, depth: number): number {
    if (depth >= this.limits.maxDepth) this.fail(`values are nested deeper than ${this.limits.maxDepth}`)
    this.sizes.push(0)
    return this.references.push(value) - 1
  }

  /** @param length -1 when the list goes on until its end is written */
  private readList(type: string, length: number, depth: number): unknown[] {
    const before = this.values
    const list: unknown[] = []
    const index = this.begin(list, depth)
    if (type !== '') setTag(list, type, false)
    if (length === -1) {
      while (this.peek() !== END) list.push(this.read(depth + 1))
      this.at++
    } else {
      for (let i = 0; i < length; i++) list.push(this.read(depth + 1))
    }
    this.sizes[index] = this.values - before + 1
    return list
  }

  /** An object as long as all keys are text, as they nearly always are; else a Map. */
  private readMap(type: string, depth: number): object {
    const before = this.values
    let map: object | Map<unknown, unknown> = isText(this.peek()) || this.peek() === END ? {} : new Map()
    const index = this.begin(map, depth)
    while (this.peek() !== END) {
      const key = this.read(depth + 1)
      if (!(map instanceof Map) && typeof key !== 'string') map = this.becomeMap(map, index)
      const value = this.read(depth + 1)
      if (map instanceof Map) map.set(key, value)
      else setOwn(map, key as string, value)
    }
    this.at++
    if (type !== '') setTag(map, type, false)
    this.sizes[index] = this.values - before + 1
    return map
  }

  private becomeMap(map: object, index: number): Map<unknown, unknown> {
    if (this.referred.has(index)) this.fail('a map that contains itself has keys of several kinds')
    const whole = new Map<unknown, unknown>(Object.entries(map))
    this.references[index] = whole
    return whole
  }

  private defineClass(): void {
    const name = this.readString()
    const count = this.readInteger()
    const fields: string[] = []
    for (let i = 0; i < count; i++) {
      this.count(1)
      fields.push(this.readString())
    }
    this.classes.push({ name, fields })
  }

  private readObject(definition: number, depth: number): object {
    const before = this.values
    const { name, fields } =
      this.classes[definition] ?? this.fail('an object is of a class that has not been defined')
    const object = {}
    const index = this.begin(object, depth)
    for (const field of fields) setOwn(object, field, this.read(depth + 1))
    setTag(object, name, true)
    this.sizes[index] = this.values - before + 1
    return object
  }

  private readReference(): object {
    const index = this.readInteger()
    const value = this.references[index] ?? this.fail('a value is referred to that has not come')
    this.referred.add(index)
    this.count(Math.max(0, (this.sizes[index] as number) - 1))
    return value
  }

  private count(values: number): void {
    this.values += values
    if (this.values > this.limits.maxValues) this.fail(`there are more than ${this.limits.maxValues} values`)
  }

  private peek(): number {
    return this.at < this.end ? (this.buffer[this.at] as number) : this.fail('the last value is cut')
  }

  private byte(): number {
    return this.buffer[this.skip(1)] as number
  }

  private uint16(): number {
    return this.buffer.readUInt16BE(this.skip(2))
  }

  private int32(): number {
    return this.buffer.readInt32BE(this.skip(4))
  }

  /** Goes over `count` bytes and returns where they are. */
  private skip(count: number): number {
    const { at } = this
    if (at + count > this.end) this.fail('the last value is cut')
    this.at = at + count
    return at
  }

  private fail(reason: string): never {
    throw new TrafficError('ProtocolError', `Hessian: ${reason}`)
  }
}

const isText = (tag: number): boolean =>
  tag < 0x20 || (tag >= 0x30 && tag < 0x34) || tag === 0x52 || tag === 0x53

const isBinary = (tag: number): boolean =>
  (tag >= 0x20 && tag < 0x30) || (tag >= 0x34 && tag < 0x38) || tag === 0x41 || tag === 0x42
