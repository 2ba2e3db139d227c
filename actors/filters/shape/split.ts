import { TrafficError } from '../../../runtime/errors.ts'
import { Data, type Event, MessageStart, messageEnd } from '../../../runtime/event.ts'
import { show } from '../../../runtime/options.ts'
import type { Context } from '../../context.ts'
import { Filter } from '../../filter.ts'
import type { FilterDefinition } from '../definition.ts'
import { emitReplacement } from '../replacement.ts'
import { type Pieces, Splitter } from './splitter.ts'

type AtByte = (byte: number, ctx: Context) => unknown

const maxSeparatorBytes = 1024

/** The bytes of a separator; undefined when it is none that can be used. */
function separatorBytes(separator: unknown): Uint8Array | undefined {
  if (typeof separator !== 'string' && !(separator instanceof Data)) return undefined
  const { size } = new Data(separator)
  return size > 0 && size <= maxSeparatorBytes ? new Data(separator).bytes() : undefined
}

/** Makes a message of what lies between two separators. */
class Split extends Filter implements Pieces {
  private readonly splitter: Splitter
  private isInside = false

  constructor(separator: Uint8Array) {
    super()
    this.splitter = new Splitter(separator)
  }

  process(event: Event): void {
    switch (event.kind) {
      case 0:
        this.splitter.feed(event, this)
        return
      case 1:
        return
      case 2:
        this.finish()
        return
      case 3:
        this.finish()
        this.next.process(event)
        return
      default:
        event satisfies never
    }
  }

  bytes(data: Data): void {
    this.open()
    this.next.process(data)
  }

  separator(): void {
    this.open()
    this.isInside = false
    this.next.process(messageEnd)
  }

  private open(): void {
    if (this.isInside) return
    this.isInside = true
    this.next.process(new MessageStart())
  }

  private finish(): void {
    this.splitter.finish(this)
    if (!this.isInside) return
    this.isInside = false
    this.next.process(messageEnd)
  }
}

/** Asks a callback with every byte. One that gives text at first has told the separator, and is not asked again. */
class SplitBy extends Filter {
  private readonly atByte: AtByte
  private split: Split | null = null

  constructor(atByte: AtByte) {
    super()
    this.atByte = atByte
  }

  process(event: Event): void {
    if (this.split !== null) this.split.process(event)
    else if (event.kind === 0) this.scan(event)
    else if (event.kind === 3) this.next.process(event)
  }

  private scan(data: Data): void {
    const { context } = this.pipeline
    const rest = data.clone()
    let at = rest.start
    while (at < rest.end) {
      const result = this.atByte(rest.buffer[at++] as number, context)
      if (typeof result === 'string') {
        this.delegate(result, rest)
        return
      }
      if (result === undefined || result === null) continue
      this.next.process(rest.shift(at - rest.start))
      emitReplacement(result, this.next)
    }
    if (rest.size > 0) this.next.process(rest)
  }

  private delegate(separator: string, rest: Data): void {
    const bytes = separatorBytes(separator)
    if (bytes === undefined)
      throw new TrafficError('RuntimeError', `split wants a separator of 1 to ${maxSeparatorBytes} bytes`)
    this.split = new Split(bytes)
    this.split.next = this.next
    this.split.pipeline = this.pipeline
    this.split.process(rest)
  }
}

export const split: FilterDefinition = {
  name: 'split',
  aliases: [],
  signature: '(separator)',
  summary: 'Splits a stream of bytes into messages',
  doc: 'Makes a message of the bytes between two separators, which are left out; bytes behind the last are a message when the stream, or the message that they came in, ends. Messages that come in are taken for their bytes. The separator is text or Data of 1 to 1024 bytes, or a callback that gives text. A callback (byte, ctx) that gives an event, a Message or an array of them puts these out behind the bytes up to and including that one.',
  accepts: 'any',
  emits: 'messages',
  options: {},
  example: "$.split('\\n').handleMessage(line => console.log(line.body))",
  build: call => {
    const separator = call.take()
    call.end()
    if (typeof separator === 'function')
      return { name: 'split', create: () => new SplitBy(separator as unknown as AtByte) }
    const bytes = separatorBytes(separator)
    if (bytes === undefined)
      throw new TrafficError(
        'BadOption',
        `split wants a separator of 1 to ${maxSeparatorBytes} bytes as text or Data, or a callback, and got ${show(separator)}`,
      )
    return { name: 'split', create: () => new Split(bytes) }
  },
}
