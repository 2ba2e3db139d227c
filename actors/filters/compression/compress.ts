import { TrafficError } from '../../../runtime/errors.ts'
import type { MessageStart } from '../../../runtime/event.ts'
import { flag, optional, parseOptions, type Resolved, show } from '../../../runtime/options.ts'
import type { Context } from '../../context.ts'
import type { Callback, FilterCall, FilterDefinition } from '../definition.ts'
import { acceptedEncodings, negotiate } from './accepted-encodings.ts'
import { compression } from './codings.ts'
import { mayCompress, varyingStart, withEncoding, withOtherLength } from './content-encoding.ts'
import { isLevel, type Level, type Method, methodNames, methodOf } from './methods.ts'
import { Recode, type Recoding } from './recode.ts'

type Choice = (start: MessageStart, ctx: Context) => unknown

const isMethod = (value: unknown): value is string | readonly string[] | Choice =>
  typeof value === 'function' || methodsOf(value) !== undefined

/** One method, or several of which the first is the best. */
function methodsOf(value: unknown): readonly [Method, ...Method[]] | undefined {
  const methods = (Array.isArray(value) ? value : [value]).map(methodOf)
  const [first, ...rest] = methods
  return first === undefined || rest.includes(undefined) ? undefined : [first, ...(rest as Method[])]
}

const options = {
  method: optional(
    `${methodNames}, an array of these, or a callback (start, ctx) that gives one`,
    "How to compress: 'gzip' by default, which every client reads. Of an array compressHTTP takes what the client likes best, and of equals the first; compressMessage the first. A callback that gives nothing leaves the message as it is.",
    isMethod,
  ),
  level: optional(
    "0 to 9 (brotli: to 11, zstd: from 1 to 19), or 'default', 'none', 'speed', 'best'",
    "How hard to try: 'default' is 6 for gzip and deflate, 5 for brotli (11 is 50 times slower and for files that are compressed once), 3 for zstd.",
    isLevel,
  ),
} as const

const httpOptions = {
  ...options,
  negotiate: flag(
    true,
    'Compresses a response only in a way that the Accept-Encoding field of its request takes, as it was when the request entered the pipeline in which compressHTTP stands. A request without the field takes any. Of a pipeline that no request enters, nothing is known: there, and without negotiate, responses are always compressed.',
  ),
} as const

interface Plan {
  readonly method: readonly [Method, ...Method[]] | Choice
  readonly level: Level
  readonly isHTTP: boolean
  readonly negotiates: boolean
  readonly name: string
}

class Compress extends Recode {
  private readonly plan: Plan

  constructor(plan: Plan) {
    super()
    this.plan = plan
  }

  protected choose(start: MessageStart): Recoding | MessageStart {
    const { isHTTP, level, method, negotiates } = this.plan
    const isAnswer = negotiates && isFinal(start.head)
    const mayChange = !isHTTP || mayCompress(start.head)
    const chosen = !mayChange
      ? null
      : typeof method === 'function'
        ? this.ask(method, start)
        : { methods: method, level }
    const methods = chosen?.methods ?? noMethods
    // Each answer takes its request's wish away, used or not.
    const agreed = isAnswer ? negotiate(this.pipeline, methods) : methods[0]
    if (chosen === null) return start
    if (agreed === undefined) return varyingStart(start)
    return {
      coding: compression(agreed, chosen.level),
      start: () => (isHTTP ? withEncoding(start, agreed) : withOtherLength(start)),
    }
  }

  private ask(choice: Choice, start: MessageStart): { methods: readonly Method[]; level: Level } | null {
    const { level, name } = this.plan
    const given = choice(start, this.pipeline.context)
    if (given === undefined || given === null || given === '' || given === false) return null
    if (typeof given === 'object') {
      const chosen = parseOptions(options, Array.isArray(given) ? { method: given } : given, name)
      const methods = methodsOf(chosen.method ?? 'gzip')
      if (methods !== undefined) return { methods, level: chosen.level ?? level }
    }
    const methods = methodsOf(given)
    if (methods === undefined)
      throw new TrafficError(
        'RuntimeError',
        `${name} wants ${methodNames} from its callback, and got ${show(given)}`,
      )
    return { methods, level }
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

const noMethods: readonly Method[] = []

/** A response, and not one on the way to it like 103 (Early Hints). */
const isFinal = (head: object): boolean => {
  const { status } = head as { status?: unknown }
  return status !== undefined && Number(status) >= 200
}

/** Pipy has both: the method alone, or an object of options. */
function planOf(call: FilterCall, isHTTP: boolean): Plan {
  const given = call.peek()
  if (typeof given === 'string' || typeof given === 'function' || Array.isArray(given)) {
    const first = call.take()
    call.end()
    const method = typeof first === 'function' ? (first as unknown as Choice) : methodsOf(first)
    if (method === undefined)
      throw new TrafficError('BadOption', `${call.name} wants ${methodNames}, and got ${show(first)}`)
    return { method, level: 'default', isHTTP, negotiates: isHTTP, name: call.name }
  }
  const {
    method = 'gzip',
    level = 'default',
    negotiate = false,
  } = call.options(isHTTP ? httpOptions : options) as Partial<Resolved<typeof httpOptions>>
  return {
    method:
      typeof method === 'function'
        ? (call.inContext(method as unknown as Callback) as unknown as Choice)
        : (methodsOf(method) as readonly [Method]),
    level,
    isHTTP,
    negotiates: negotiate,
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
  scout: acceptedEncodings,
  doc: 'The same as compressMessage, and says so in the head: sets content-encoding, in responses adds accept-encoding to vary, drops content-length and makes a strong etag a weak one. Messages that have no body, have a content-encoding already, are partial (206) or are marked no-transform pass as they are, and so do responses to clients that do not accept the method (option negotiate).',
  accepts: 'messages',
  emits: 'same',
  options: httpOptions,
  example:
    "$.muxHTTP().to($ => $.connect('127.0.0.1:8080')).compressHTTP({ method: ['zstd', 'br', 'gzip'] })",
  build: call => {
    const plan = planOf(call, true)
    return { name: 'compressHTTP', create: () => new Compress(plan) }
  },
}
