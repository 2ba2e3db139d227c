/**
 * RESP (versions 2 and 3) as JavaScript values, https://redis.io/docs/latest/develop/reference/protocol-spec/
 *
 * | RESP                           | JavaScript                                               |
 * |--------------------------------|----------------------------------------------------------|
 * | `+` simple string              | string                                                   |
 * | `$` bulk string                | Data                                                     |
 * | `-` error, `!` bulk error      | Error, with the text as its message                      |
 * | `:` integer, `,` double        | number; a bigint where an integer is beyond 2^53         |
 * | `(` big number                 | bigint                                                   |
 * | `#` boolean                    | boolean                                                  |
 * | `_` null, `$-1`, `*-1`         | null                                                     |
 * | `*` array, `>` push            | array                                                    |
 * | `~` set                        | Set                                                      |
 * | `%` map, `|` attribute         | Map, whose keys that are text are strings                |
 * | `=` verbatim string            | VerbatimString                                           |
 */

import { Data } from '../../data.ts'

/** Type of a value by its first byte. */
export const typeNames = {
  '+': 'string',
  '-': 'error',
  ':': 'integer',
  $: 'bulk',
  '*': 'array',
  _: 'null',
  '#': 'boolean',
  ',': 'double',
  '(': 'bigNumber',
  '!': 'bulkError',
  '=': 'verbatim',
  '%': 'map',
  '~': 'set',
  '>': 'push',
  '|': 'attribute',
} as const

export type RESPType = (typeof typeNames)[keyof typeof typeNames]

/** Head of a message. */
export interface RESPHead {
  /**
   * The type of the value, or `attribute` when there is one before it. An encoder keeps to it where the payload can be
   * written so: that tells `$-1` from `*-1`, a push from an array, a double from an integer.
   */
  type?: RESPType | undefined
}

export type RESPValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | Data
  | Error
  | VerbatimString
  | readonly RESPValue[]
  | ReadonlySet<RESPValue>
  | ReadonlyMap<RESPValue, RESPValue>
  | { readonly [key: string]: RESPValue }

/** Text that says how it is to be shown. */
export class VerbatimString {
  /** Three characters: 'txt' is plain text, 'mkd' Markdown. */
  readonly format: string
  readonly content: Data

  constructor(format: string, content: string | Data) {
    this.format = format
    this.content = typeof content === 'string' ? new Data(content) : content
  }

  toString(): string {
    return this.content.toString()
  }
}

/** An Error without a stack, which would be that of the decoder and costs more than all the rest of a value. */
export function errorOf(message: string): Error {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  const error = new Error(message)
  Error.stackTraceLimit = stackTraceLimit
  return error
}
