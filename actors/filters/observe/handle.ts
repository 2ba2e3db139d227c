import { Data, type Event, Kind } from '../../../runtime/event.ts'
import { size } from '../../../runtime/options.ts'
import type { Context } from '../../context.ts'
import type { FilterCall, FilterDefinition } from '../definition.ts'
import { Collected, MessageCollector } from '../message-collector.ts'
import { isThenable } from '../promise.ts'
import { WaitingFilter } from '../waiting-filter.ts'
import {
  dataEvent,
  everyEvent,
  family,
  initialEvent,
  messageEndEvent,
  messageStartEvent,
  type Names,
  type Subject,
  streamEndEvent,
} from './subjects.ts'

type Callback = (subject: never, ctx: Context) => unknown

/** Calls back, and passes every event on unchanged. */
abstract class Calling extends WaitingFilter {
  private readonly callback: Callback

  constructor(callback: Callback) {
    super()
    this.callback = callback
  }

  /** Calls back with a subject; the event that gave it passes when that is done. */
  protected callFor(event: Event, subject: unknown): void {
    if (event.kind === Kind.data) event.keep()
    const result = this.callback(subject as never, this.pipeline.context)
    if (isThenable(result)) this.waitFor(result, () => this.next.process(event))
    else this.next.process(event)
  }
}

/** Calls back for the events that `selects` says. */
class Handle extends Calling {
  private readonly selects: (event: Event) => boolean

  constructor(callback: Callback, selects: (event: Event) => boolean) {
    super(callback)
    this.selects = selects
  }

  protected handle(event: Event): void {
    if (this.selects(event)) this.callFor(event, event)
    else this.next.process(event)
  }
}

/** Calls back once, for the first event of the stream. */
class HandleStart extends Calling {
  private isDone = false

  protected handle(event: Event): void {
    if (this.isDone) {
      this.next.process(event)
      return
    }
    this.isDone = true
    this.callFor(event, event)
  }
}

/** Calls back with what a whole message adds up to, before its MessageEnd passes. */
class HandleWhole extends Calling {
  private readonly collector: MessageCollector
  private readonly bodyOnly: boolean

  constructor(callback: Callback, limitBytes: number, bodyOnly: boolean) {
    super(callback)
    this.collector = new MessageCollector(limitBytes)
    this.bodyOnly = bodyOnly
  }

  protected handle(event: Event): void {
    if (this.collector.add(event) === Collected.whole || this.collector.isEndedBy(event)) {
      const message = this.collector.take()
      this.callFor(event, this.bodyOnly ? (message.body ?? new Data()) : message)
    } else {
      this.next.process(event)
    }
  }
}

const row = family(subject => ({
  signature: '(callback)',
  summary: `Handles ${subject}`,
  doc: `Calls back with ${subject} and the context, then passes the event on unchanged; what the callback returns is ignored, except that events wait in order while a promise is pending.`,
}))

const takeCallback = (call: FilterCall): Callback => {
  const callback = call.callback<Callback>('a callback (event, ctx) => …')
  call.end()
  return callback
}

const byEvent = (subject: Subject, names: Names): FilterDefinition =>
  row(subject, {
    ...names,
    create: call => {
      const callback = takeCallback(call)
      return () => new Handle(callback, subject.selects)
    },
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

const whole = (text: string, names: Names, bodyOnly: boolean): FilterDefinition =>
  row(
    { accepts: 'messages', text },
    {
      ...names,
      signature: '(callback[, options])',
      options: wholeMessageOptions,
      create: call => {
        const what = `a callback (${bodyOnly ? 'body' : 'message'}, ctx) => …`
        const { callback, limitBytes } = limitAndCallback(call, what)
        return () => new HandleWhole(callback, limitBytes, bodyOnly)
      },
    },
  )

export const handleStreamStart = row(initialEvent, {
  name: 'handleStreamStart',
  aliases: ['handleSessionStart', 'onSessionStart'],
  example:
    "listen(8000).handleStreamStart((evt, ctx) => { ctx.since = Date.now() }).connect('127.0.0.1:8080')",
  create: call => {
    const callback = takeCallback(call)
    return () => new HandleStart(callback)
  },
})
export const handleData = byEvent(dataEvent, {
  name: 'handleData',
  aliases: ['onData'],
  example: '$.handleData((data, ctx) => { ctx.bytes += data.size })',
})
export const handleMessageStart = byEvent(messageStartEvent, {
  name: 'handleMessageStart',
  aliases: ['onMessageStart'],
  example: '$.handleMessageStart((msg, ctx) => { ctx.path = msg.head.path })',
})
export const handleMessageEnd = byEvent(messageEndEvent, {
  name: 'handleMessageEnd',
  aliases: ['onMessageEnd'],
  example: '$.handleMessageEnd((end, ctx) => { ctx.endedAt = Date.now() })',
})
export const handleStreamEnd = byEvent(streamEndEvent, {
  name: 'handleStreamEnd',
  aliases: ['onSessionEnd', 'handleSessionEnd'],
  example: '$.handleStreamEnd(end => console.log(end.error))',
})
export const handleMessageBody = whole(
  'a complete message body',
  {
    name: 'handleMessageBody',
    aliases: ['onMessageBody'],
    example: '$.handleMessageBody((body, ctx) => { ctx.text = body.toString() })',
  },
  true,
)
export const handleMessage = whole(
  'a complete message including the head and the body',
  {
    name: 'handleMessage',
    aliases: ['onMessage'],
    example: '$.handleMessage((msg, ctx) => { ctx.request = msg })',
  },
  false,
)
/** Passes every event through a callback. */
export const handle = byEvent(everyEvent, {
  name: 'handle',
  aliases: [],
  example: '$.handle((evt, ctx) => { ctx.events++ })',
})
