import type { Buffer } from 'node:buffer'
import { ByteWriter } from '../../byte-writer.ts'
import { Data } from '../../data.ts'
import { TrafficError } from '../../errors.ts'
import { writeText } from './text.ts'
import { tagOf } from './types.ts'

/** Text and binary data above 65535 go in parts of this size, as those of Java. */
const partSize = 0x8000

/** Values nested deeper than this are refused, as the reader refuses them. */
const maxDepth = 256

/** Writes values in Hessian 2.0, each in its shortest form. */
export class HessianWriter {
  private readonly out = new ByteWriter()
  /** Places of lists, maps and objects in the order in which they began: one that comes again is a reference. */
  private readonly references = new Map<object, number>()
  private readonly types = new Map<string, number>()
  private readonly classes = new Map<string, number>()
  private depth = 0

  take(): Buffer {
    return this.out.take()
  }

  /** @throws TrafficError `RuntimeError` on an integer above 64 bits, or values nested too deep. */
  write(value: unknown): void {
    switch (typeof value) {
      case 'string':
        this.string(value)
        return
      case 'number':
        this.number(value)
        return
      case 'bigint':
        this.long(value)
        return
      case 'boolean':
        this.out.byte(value ? 0x54 : 0x46)
        return
      case 'object':
        if (value !== null) {
          this.object(value)
          return
        }
    }
    this.out.byte(0x4e)
  }

  private number(value: number): void {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      this.out.byte(0x44)
      this.out.double(value)
    } else if (value === (value | 0)) {
      this.int(value)
    } else {
      this.long(BigInt(value))
    }
  }

  private int(value: number): void {
    if (value >= -0x10 && value <= 0x2f) {
      this.out.byte(value + 0x90)
    } else if (value >= -0x800 && value <= 0x7ff) {
      this.out.int16(((value >> 8) + 0xc8) * 0x100 + (value & 0xff))
    } else if (value >= -0x4_0000 && value <= 0x3_ffff) {
      this.out.byte((value >> 16) + 0xd4)
      this.out.int16(value)
    } else {
      this.out.byte(0x49)
      this.out.int32(value)
    }
  }

  private long(value: bigint): void {
    if (BigInt.asIntN(64, value) !== value)
      throw new TrafficError('RuntimeError', `${value} has more than 64 bits, which Hessian cannot write`)
    const small = Number(value)
    if (small >= -8 && small <= 15) {
      this.out.byte(small + 0xe0)
    } else if (small >= -0x800 && small <= 0x7ff) {
      this.out.int16(((small >> 8) + 0xf8) * 0x100 + (small & 0xff))
    } else if (small >= -0x4_0000 && small <= 0x3_ffff) {
      this.out.byte((small >> 16) + 0x3c)
      this.out.int16(small)
    } else if (small === (small | 0)) {
      this.out.byte(0x59)
      this.out.int32(small)
    } else {
      this.out.byte(0x4c)
      this.out.int64(value)
    }
  }

  private string(text: string): void {
    let start = 0
    while (text.length - start > 0xffff) {
      // A pair of surrogates stays together, for readers that count it as one.
      const isPair = (text.charCodeAt(start + partSize - 1) & 0xfc00) === 0xd800
      const end = start + partSize - (isPair ? 1 : 0)
      this.out.byte(0x52)
      this.out.int16(end - start)
      writeText(this.out, text.slice(start, end))
      start = end
    }
    const rest = start === 0 ? text : text.slice(start)
    const size = rest.length
    if (size < 0x20) {
      this.out.byte(size)
    } else if (size < 0x400) {
      this.out.int16(0x3000 + size)
    } else {
      this.out.byte(0x53)
      this.out.int16(size)
    }
    writeText(this.out, rest)
  }

  private binary({ buffer, start, end }: Data): void {
    let at = start
    while (end - at > 0xffff) {
      this.out.byte(0x41)
      this.out.int16(partSize)
      this.out.bytes(buffer, at, at + partSize)
      at += partSize
    }
    const size = end - at
    if (size < 0x10) {
      this.out.byte(0x20 + size)
    } else if (size < 0x400) {
      this.out.int16(0x3400 + size)
    } else {
      this.out.byte(0x42)
      this.out.int16(size)
    }
    this.out.bytes(buffer, at, end)
  }

  private date(value: Date): void {
    const ms = value.getTime()
    const minutes = ms / 60_000
    if (Number.isNaN(ms)) {
      this.out.byte(0x4e)
    } else if (minutes === (minutes | 0)) {
      this.out.byte(0x4b)
      this.out.int32(minutes)
    } else {
      this.out.byte(0x4a)
      this.out.int64(BigInt(ms))
    }
  }

  private object(value: object): void {
    if (value instanceof Data) this.binary(value)
    else if (value instanceof Uint8Array) this.binary(new Data(value))
    else if (value instanceof Date) this.date(value)
    else if (!this.reference(value)) this.container(value)
  }

  private reference(value: object): boolean {
    const known = this.references.get(value)
    if (known === undefined) {
      this.references.set(value, this.references.size)
      return false
    }
    this.out.byte(0x51)
    this.int(known)
    return true
  }

  private container(value: object): void {
    if (++this.depth > maxDepth)
      throw new TrafficError(
        'RuntimeError',
        `values are nested deeper than ${maxDepth}, too deep for Hessian`,
      )
    const tag = tagOf(value)
    if (Array.isArray(value)) this.list(value, tag?.name)
    else if (value instanceof Set) this.list([...value], tag?.name)
    else if (value instanceof Map) this.map(value, tag?.name)
    else if (tag?.isInstance) this.instance(value, tag.name)
    else this.map(Object.entries(value), tag?.name)
    this.depth--
  }

  private list(list: readonly unknown[], type: string | undefined): void {
    const size = list.length
    const isShort = size < 8
    if (type === undefined) {
      this.out.byte(isShort ? 0x78 + size : 0x58)
    } else {
      this.out.byte(isShort ? 0x70 + size : 0x56)
      this.type(type)
    }
    if (!isShort) this.int(size)
    for (const value of list) this.write(value)
  }

  private map(entries: Iterable<readonly [unknown, unknown]>, type: string | undefined): void {
    this.out.byte(type === undefined ? 0x48 : 0x4d)
    if (type !== undefined) this.type(type)
    for (const [key, value] of entries) {
      this.write(key)
      this.write(value)
    }
    this.out.byte(0x5a)
  }

  private instance(value: object, name: string): void {
    const fields = Object.keys(value)
    const id = JSON.stringify([name, fields])
    let index = this.classes.get(id)
    if (index === undefined) {
      index = this.classes.size
      this.classes.set(id, index)
      this.out.byte(0x43)
      this.string(name)
      this.int(fields.length)
      for (const field of fields) this.string(field)
    }
    if (index < 0x10) {
      this.out.byte(0x60 + index)
    } else {
      this.out.byte(0x4f)
      this.int(index)
    }
    for (const field of fields) this.write((value as Record<string, unknown>)[field])
  }

  private type(name: string): void {
    const known = this.types.get(name)
    if (known === undefined) {
      this.types.set(name, this.types.size)
      this.string(name)
    } else {
      this.int(known)
    }
  }
}
