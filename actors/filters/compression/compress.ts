import { TrafficError } from '../../../runtime/errors.ts'
import type { MessageStart } from '../../../runtime/event.ts'
import { optional, parseOptions, show } from '../../../runtime/options.ts'
import type { Context } from '../../context.ts'
import type { Callback, FilterCall, FilterDefinition } from '../definition.ts'
import { compression } from './codings.ts'
import { mayCompress, withEncoding, withOtherLength } from './content-encoding.ts'
import { isLevel, type Level, type Method, methodNames, methodOf } from './methods.ts'
import { Recode, type Recoding } from './recode.ts'

type Choice = (start: MessageStart, ctx: Context) => unknown

const isMethod = (value: unknown): value is string | Choice =>
  typeof value === 'function' || methodOf(value) !== undefined

const options = {
  method: optional(
    `${methodNames}, or a callback (start, ctx) that gives one`,
    "How to compress: 'gzip' by default, which every client reads. A callback that gives nothing leaves the message as it is.",
    isMethod,
  ),
  level: optional(
    "0 to 9 (brotli: to 11, zstd: from 1 to 19), or 'default', 'none', 'speed', 'best'",
    "How hard to try: 'default' is 6 for gzip and deflate, 5 for brotli (11 is 50 times slower and for files that are compressed once), 3 for zstd.",
    isLevel,
  ),
} as const

interface Plan {
  readonly method: Method | Choice
  readonly level: Level
  readonly isHTTP: boolean
  readonly name: string
}

class Compress extends Recode {
  private readonly plan: Plan

  constructor(plan: Plan) {
    super()
    this.plan = plan
  }

  protected choose(start: MessageStart): Recoding | null {
    const { isHTTP, level, method } = this.plan
    if (isHTTP && !mayCompress(start.head)) return null
    const chosen = typeof method === 'function' ? this.ask(method, start) : { method, level }
    if (chosen === null) return null
    return {
      coding: compression(chosen.method, chosen.level),
      start: () => (isHTTP ? withEncoding(start, chosen.method) : withOtherLength(start)),
    }
  }

  private ask(choice: Choice, start: MessageStart): { method: Method; level: Level } | null {
    const { level, name } = this.plan
    const given = choice(start, this.pipeline.context)
    if (given === undefined || given === null || given === '' || given === false) return null
    if (typeof given === 'object') {
      const chosen = parseOptions(options, given, name)
      const method = methodOf(chosen.method ?? 'gzip')
      if (method !== undefined) return { method, level: chosen.level ?? level }
    }
    const method = methodOf(given)
    if (method === undefined)
      throw new TrafficError(
        'RuntimeError',
        `${name} wants ${methodNames} from its callback, and got ${show(given)}`,
      )
    return { method, level }
  }

  protected check(): undefined {
    return undefined
  }

  protected limitBytes(): number {
    return Number.MAX_SAFE_INTEGER
  }

  protected faultOf(error: Error): TrafficError {
    return new TrafficError('UnknownError', `compression failed: ${error.message}`, error)
  }
}

/** Pipy has both: the method alone, or an object of options. */
function planOf(call: FilterCall, isHTTP: boolean): Plan {
  const given = call.peek()
  if (typeof given === 'string' || typeof given === 'function') {
    const first = call.take()
    call.end()
    const method = typeof first === 'function' ? (first as unknown as Choice) : methodOf(first)
    if (method === undefined)
      throw new TrafficError('BadOption', `${call.name} wants ${methodNames}, and got ${show(first)}`)
    return { method, level: 'default', isHTTP, name: call.name }
  }
  const { method = 'gzip', level = 'default' } = call.options(options)
  return {
    method:
      typeof method === 'function'
        ? (call.inContext(method as unknown as Callback) as unknown as Choice)
        : (methodOf(method) as Method),
    level,
    isHTTP,
    name: call.name,
  }
}

export const compressMessage: FilterDefinition = {
  name: 'compressMessage',
  aliases: ['compress'],
  signature: '([method | options])',
  summary: 'Compresses the bodies of messages',
  doc: "Compresses each body with gzip, deflate, brotli or zstd, and leaves the head alone. The method may be a callback (start, ctx). A body up to 64 KiB is compressed in one go; a larger or slow one piece by piece, on zlib's threads, with backpressure both ways. Data outside of messages passes.",
  accepts: 'messages',
  emits: 'same',
  options,
  example: "$.compressMessage({ method: 'zstd', level: 'speed' })",
  build: call => {
    const plan = planOf(call, false)
    return { name: 'compressMessage', create: () => new Compress(plan) }
  },
}

export const compressHTTP: FilterDefinition = {
  name: 'compressHTTP',
  aliases: [],
  signature: '([method | options])',
  summary: 'Compresses the bodies of HTTP messages',
  doc: 'The same as compressMessage, and says so in the head: sets content-encoding, in responses adds accept-encoding to vary, drops content-length and makes a strong etag a weak one. Messages that have no body, have a content-encoding already, are partial (206) or are marked no-transform pass as they are. What the client accepts is for the callback to look at.',
  accepts: 'messages',
  emits: 'same',
  options,
  example: "$.compressHTTP((start, ctx) => (ctx.accepts.includes('gzip') ? 'gzip' : null))",
  build: call => {
    const plan = planOf(call, true)
    return { name: 'compressHTTP', create: () => new Compress(plan) }
  },
}
