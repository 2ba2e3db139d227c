import { isUtf8 } from 'node:buffer'
import { Data } from '../../data.ts'
import type { RESPValue } from './values.ts'

/** What an aggregate is made into. */
export const Shape = { array: 0, set: 1, map: 2, attribute: 3 } as const

/** An aggregate of which elements are still to come. */
export class Aggregate {
  readonly shape: number
  /** Elements still to come (two for an entry of a map), or -1 when the sender says where it ends. */
  left: number
  readonly content: RESPValue[] | Set<RESPValue> | Map<RESPValue, RESPValue>
  private key: RESPValue
  /** True between a key and its value. */
  isAfterKey = false

  constructor(shape: number, left: number) {
    this.shape = shape
    this.left = left
    this.content = shape === Shape.array ? [] : shape === Shape.set ? new Set() : new Map()
  }

  get isStreamed(): boolean {
    return this.left < 0
  }

  /** Returns true when the aggregate is complete. */
  add(value: RESPValue): boolean {
    const { content } = this
    if (Array.isArray(content)) {
      content.push(value)
    } else if (content instanceof Set) {
      content.add(textOf(value))
    } else if (this.isAfterKey) {
      this.isAfterKey = false
      content.set(this.key, value)
      this.key = undefined
    } else {
      this.isAfterKey = true
      this.key = textOf(value)
    }
    if (this.left > 0) this.left--
    return this.left === 0
  }
}

/** Bytes cannot be looked up; text can. Both are written back the same. */
const textOf = (value: RESPValue): RESPValue =>
  value instanceof Data && isUtf8(value.bytes()) ? value.toString() : value
