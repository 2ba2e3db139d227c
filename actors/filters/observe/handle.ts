import { Data, type Event, Kind } from '../../../runtime/event.ts'
import { size } from '../../../runtime/options.ts'
import type { Context } from '../../context.ts'
import type { Filter } from '../../filter.ts'
import type { FilterCall, FilterDefinition, StageKind } from '../definition.ts'
import { Collected, MessageCollector } from '../message-collector.ts'
import { isThenable } from '../promise.ts'
import { WaitingFilter } from '../waiting-filter.ts'

type Callback = (subject: never, ctx: Context) => unknown

/** Calls back for the events that `selects` says, and passes every event on unchanged. */
class Handle extends WaitingFilter {
  private readonly callback: Callback
  private readonly selects: (event: Event) => boolean

  constructor(callback: Callback, selects: (event: Event) => boolean) {
    super()
    this.callback = callback
    this.selects = selects
  }

  protected handle(event: Event): void {
    if (this.selects(event)) {
      if (event.kind === Kind.data) event.keep()
      const result = this.callback(event as never, this.pipeline.context)
      if (isThenable(result)) {
        this.waitFor(result, () => this.next.process(event))
        return
      }
    }
    this.next.process(event)
  }
}

/** Calls back once, for the first event of the stream. */
class HandleStart extends WaitingFilter {
  private readonly callback: Callback
  private isDone = false

  constructor(callback: Callback) {
    super()
    this.callback = callback
  }

  protected handle(event: Event): void {
    if (!this.isDone) {
      this.isDone = true
      if (event.kind === Kind.data) event.keep()
      const result = this.callback(event as never, this.pipeline.context)
      if (isThenable(result)) {
        this.waitFor(result, () => this.next.process(event))
        return
      }
    }
    this.next.process(event)
  }
}

/** Calls back with what a whole message adds up to, before its MessageEnd passes. */
class HandleWhole extends WaitingFilter {
  private readonly callback: Callback
  private readonly collector: MessageCollector
  private readonly bodyOnly: boolean

  constructor(callback: Callback, limitBytes: number, bodyOnly: boolean) {
    super()
    this.callback = callback
    this.collector = new MessageCollector(limitBytes)
    this.bodyOnly = bodyOnly
  }

  protected handle(event: Event): void {
    if (this.collector.add(event) === Collected.whole || this.collector.isEndedBy(event)) {
      const message = this.collector.take()
      const subject = this.bodyOnly ? (message.body ?? new Data()) : message
      const result = this.callback(subject as never, this.pipeline.context)
      if (isThenable(result)) {
        this.waitFor(result, () => this.next.process(event))
        return
      }
    }
    this.next.process(event)
  }
}

const definition = (
  name: string,
  aliases: readonly string[],
  accepts: StageKind,
  subject: string,
  example: string,
  create: (call: FilterCall) => () => Filter,
  rest: Partial<FilterDefinition> = {},
): FilterDefinition => ({
  name,
  aliases,
  signature: '(callback)',
  summary: `Handles ${subject}`,
  doc: `Calls back with ${subject} and the context, then passes the event on unchanged; what the callback returns is ignored, except that events wait in order while a promise is pending.`,
  accepts,
  emits: 'same',
  options: {},
  example,
  build: call => ({ name, create: create(call) }),
  ...rest,
})

const byKind = (
  name: string,
  aliases: readonly string[],
  accepts: StageKind,
  subject: string,
  example: string,
  selects: (event: Event) => boolean,
): FilterDefinition =>
  definition(name, aliases, accepts, subject, example, call => {
    const callback = call.callback<Callback>('a callback (event, ctx) => …')
    call.end()
    return () => new Handle(callback, selects)
  })

const wholeMessageOptions = {
  bodyLimit: size(
    16 * 1024 * 1024,
    'Bytes of a body that are kept; the rest still passes, but the callback does not see it. Bounds what one message can cost.',
  ),
} as const

/** Pipy's older form has the limit first: handleMessage('1m', callback). */
const limitAndCallback = (call: FilterCall, what: string): { callback: Callback; limitBytes: number } => {
  const older =
    typeof call.peek() === 'function' ? undefined : wholeMessageOptions.bodyLimit.parse(call.take())
  const callback = call.callback<Callback>(what)
  const { bodyLimit } = call.options(wholeMessageOptions)
  return { callback, limitBytes: older ?? bodyLimit }
}

const whole = (
  name: string,
  aliases: readonly string[],
  subject: string,
  example: string,
  bodyOnly: boolean,
): FilterDefinition =>
  definition(
    name,
    aliases,
    'messages',
    subject,
    example,
    call => {
      const { callback, limitBytes } = limitAndCallback(
        call,
        `a callback (${bodyOnly ? 'body' : 'message'}, ctx) => …`,
      )
      return () => new HandleWhole(callback, limitBytes, bodyOnly)
    },
    { signature: '(callback[, options])', options: wholeMessageOptions },
  )

export const handleStreamStart = definition(
  'handleStreamStart',
  ['handleSessionStart', 'onSessionStart'],
  'any',
  'the initial event in a stream',
  "listen(8000).handleStreamStart((evt, ctx) => { ctx.since = Date.now() }).connect('127.0.0.1:8080')",
  call => {
    const callback = call.callback<Callback>('a callback (event, ctx) => …')
    call.end()
    return () => new HandleStart(callback)
  },
)
export const handleData = byKind(
  'handleData',
  ['onData'],
  'any',
  'a Data event',
  '$.handleData((data, ctx) => { ctx.bytes += data.size })',
  event => event.kind === Kind.data && event.size > 0,
)
export const handleMessageStart = byKind(
  'handleMessageStart',
  ['onMessageStart'],
  'messages',
  'a MessageStart event',
  '$.handleMessageStart((msg, ctx) => { ctx.path = msg.head.path })',
  event => event.kind === Kind.messageStart,
)
export const handleMessageEnd = byKind(
  'handleMessageEnd',
  ['onMessageEnd'],
  'messages',
  'a MessageEnd event',
  '$.handleMessageEnd((end, ctx) => { ctx.endedAt = Date.now() })',
  event => event.kind === Kind.messageEnd,
)
export const handleStreamEnd = byKind(
  'handleStreamEnd',
  ['onSessionEnd', 'handleSessionEnd'],
  'any',
  'the StreamEnd event',
  '$.handleStreamEnd(end => console.log(end.error))',
  event => event.kind === Kind.streamEnd,
)
export const handleMessageBody = whole(
  'handleMessageBody',
  ['onMessageBody'],
  'a complete message body',
  '$.handleMessageBody((body, ctx) => { ctx.text = body.toString() })',
  true,
)
export const handleMessage = whole(
  'handleMessage',
  ['onMessage'],
  'a complete message including the head and the body',
  '$.handleMessage((msg, ctx) => { ctx.request = msg })',
  false,
)
/** Passes every event through a callback. */
export const handle = byKind(
  'handle',
  [],
  'any',
  'every event',
  '$.handle((evt, ctx) => { ctx.events++ })',
  () => true,
)
