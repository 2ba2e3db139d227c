import { TrafficError } from '../../../runtime/errors.ts'
import type { MessageStart } from '../../../runtime/event.ts'
import { count, type Resolved, show, size } from '../../../runtime/options.ts'
import type { Context } from '../../context.ts'
import type { FilterDefinition } from '../definition.ts'
import { decompression } from './codings.ts'
import { fieldOf, withEncoding, withOtherLength } from './content-encoding.ts'
import { type Method, methodNames, methodOf } from './methods.ts'
import { Recode, type Recoding } from './recode.ts'

const options = {
  maxSize: size(
    64 * 1024 * 1024,
    'Bytes that a body may become; more ends the stream with ProtocolError. A few kilobytes of request can become gigabytes.',
  ),
  maxRatio: count(
    250,
    'How many times larger a body of more than 1 MiB may become; more ends the stream with ProtocolError. Text becomes 3 to 20 times larger, logs up to 100 times, bombs 1000 times. 0: no limit.',
  ),
} as const

type Settings = Resolved<typeof options>
type Choice = (start: MessageStart, ctx: Context) => unknown

/** Below this size the ratio says nothing: a kilobyte of blanks is no attack. */
const freeBytes = 1024 * 1024

abstract class Decompress extends Recode {
  protected readonly settings: Settings
  /** Whether the current message is a response: then what is wrong with it is the upstream's fault. */
  private isResponse = false

  constructor(settings: Settings) {
    super()
    this.settings = settings
  }

  protected choose(start: MessageStart): Recoding | MessageStart {
    const recoding = this.chooseMethod(start)
    this.isResponse = (start.head as { status?: unknown }).status !== undefined
    return recoding ?? start
  }

  protected abstract chooseMethod(start: MessageStart): Recoding | null

  protected check(consumed: number, produced: number): TrafficError | undefined {
    const { maxRatio, maxSize } = this.settings
    if (produced > maxSize) return this.fault(`a body becomes more than ${maxSize} bytes (maxSize)`)
    if (maxRatio > 0 && produced > freeBytes && produced > consumed * maxRatio)
      return this.fault(`a body becomes more than ${maxRatio} times larger (maxRatio)`)
    return undefined
  }

  protected limitBytes(consumed: number): number {
    const { maxRatio, maxSize } = this.settings
    const byRatio = maxRatio > 0 ? Math.max(freeBytes, consumed * maxRatio) : maxSize
    return Math.max(1, Math.min(maxSize, byRatio))
  }

  protected faultOf(error: Error, consumed: number): TrafficError {
    if ((error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE')
      return (
        this.check(consumed, this.limitBytes(consumed) + 1) ??
        this.fault(`a body becomes more than ${this.settings.maxSize} bytes (maxSize)`)
      )
    return this.fault(`a body cannot be decompressed: ${error.message}`, error)
  }

  private fault(detail: string, cause?: Error): TrafficError {
    return new TrafficError(this.isResponse ? 'UpstreamProtocolError' : 'ProtocolError', detail, cause)
  }
}

/** Goes by what the script says. */
class DecompressMessage extends Decompress {
  private readonly method: Method | Choice

  constructor(settings: Settings, method: Method | Choice) {
    super(settings)
    this.method = method
  }

  protected chooseMethod(start: MessageStart): Recoding | null {
    let method: Method | undefined
    if (typeof this.method === 'function') {
      const given = this.method(start, this.pipeline.context)
      if (given === undefined || given === null || given === '' || given === false) return null
      method = methodOf(given)
      if (method === undefined)
        throw new TrafficError(
          'RuntimeError',
          `decompressMessage wants ${methodNames} from its callback, and got ${show(given)}`,
        )
    } else method = this.method
    return { coding: decompression(method), start: () => withOtherLength(start) }
  }
}

/** Goes by content-encoding. */
class DecompressHTTP extends Decompress {
  private readonly enable: Choice | undefined

  constructor(settings: Settings, enable: Choice | undefined) {
    super(settings)
    this.enable = enable
  }

  protected chooseMethod(start: MessageStart): Recoding | null {
    const method = methodOf(fieldOf(start.head, 'content-encoding'))
    if (method === undefined) return null
    if (this.enable !== undefined && !this.enable(start, this.pipeline.context)) return null
    return { coding: decompression(method), start: () => withEncoding(start, undefined) }
  }
}

export const decompressMessage: FilterDefinition = {
  name: 'decompressMessage',
  aliases: ['decompress', 'decompressMessageBody'],
  signature: '(method[, options])',
  summary: 'Decompresses the bodies of messages',
  doc: "Decompresses each body: 'gzip' and 'deflate' (or 'inflate') read both forms, 'brotli', 'zstd'; or a callback (start, ctx) that gives one of these, or nothing to leave the message as it is. What cannot be decompressed, or becomes too large, ends the stream with ProtocolError, in a response with UpstreamProtocolError.",
  accepts: 'messages',
  emits: 'same',
  options,
  example: "$.decompressMessage('gzip', { maxSize: '1m' })",
  build: call => {
    const given = call.take()
    const method = typeof given === 'function' ? (given as unknown as Choice) : methodOf(given)
    if (method === undefined)
      throw new TrafficError(
        'BadOption',
        `decompressMessage wants ${methodNames}, or a callback that gives one, and got ${show(given)}`,
      )
    const settings = call.options(options)
    return { name: 'decompressMessage', create: () => new DecompressMessage(settings, method) }
  },
}

export const decompressHTTP: FilterDefinition = {
  name: 'decompressHTTP',
  aliases: [],
  signature: '([enable[, options]])',
  summary: 'Decompresses the bodies of HTTP messages',
  doc: 'Decompresses bodies whose content-encoding is gzip, deflate, br or zstd, and takes that field and content-length out of the head. Other messages pass, and so do those for which the callback enable (start, ctx) gives nothing true. What cannot be decompressed, or becomes too large, ends the stream: a request is answered with 400, a response with 502.',
  accepts: 'messages',
  emits: 'same',
  options,
  example: '$.decompressHTTP().handleMessageBody(body => console.log(body.toString()))',
  build: call => {
    const enable = typeof call.peek() === 'function' ? (call.take() as unknown as Choice) : undefined
    if (enable === undefined && call.remaining > 0 && call.peek() === undefined) call.take()
    const settings = call.options(options)
    return { name: 'decompressHTTP', create: () => new DecompressHTTP(settings, enable) }
  },
}
