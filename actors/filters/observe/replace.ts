import { TrafficError } from '../../../runtime/errors.ts'
import { type Event, Kind, messageEnd, StreamEnd } from '../../../runtime/event.ts'
import { show, size } from '../../../runtime/options.ts'
import type { Context } from '../../context.ts'
import type { Filter } from '../../filter.ts'
import type { FilterCall, FilterDefinition } from '../definition.ts'
import { forgetLength } from '../http/head-length.ts'
import { Collected, MessageCollector } from '../message-collector.ts'
import { isThenable } from '../promise.ts'
import { emitReplacement, isReplacement } from '../replacement.ts'
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

/** The replacement as the script gave it: a literal, or a callback that gives one. */
abstract class ReplacingFilter extends WaitingFilter {
  private readonly replacement: unknown
  /** The end of the stream was put out: what still comes has nowhere to go. */
  private hasEnded = false

  constructor(replacement: unknown) {
    super()
    this.replacement = replacement
  }

  override process(event: Event): void {
    if (!this.hasEnded) super.process(event)
  }

  /** Puts the replacement of `subject` out, then runs `then`, unless the stream has ended with it. */
  protected replace(subject: unknown, then?: () => void): void {
    const { replacement } = this
    if (typeof replacement !== 'function') {
      this.put(replacement, then)
      return
    }
    const result = (replacement as Callback)(subject as never, this.pipeline.context)
    if (isThenable(result)) {
      this.waitFor(result, value => this.put(value, then))
      return
    }
    this.put(result, then)
  }

  private put(replacement: unknown, then: (() => void) | undefined): void {
    if (emitReplacement(replacement, this.next)) this.hasEnded = true
    else then?.()
  }

  /** The message is too large to be replaced. */
  protected fail(overflowBytes: number): void {
    this.put(
      new StreamEnd(
        new TrafficError(
          'BufferOverflow',
          `a message to be replaced is ${overflowBytes} bytes over bodyLimit`,
        ),
      ),
      undefined,
    )
  }
}

/** Replaces the events that `selects` says. */
class Replace extends ReplacingFilter {
  private readonly selects: (event: Event) => boolean
  private readonly changesBody: boolean

  constructor(replacement: unknown, selects: (event: Event) => boolean, changesBody: boolean) {
    super(replacement)
    this.selects = selects
    this.changesBody = changesBody
  }

  protected handle(event: Event): void {
    if (this.changesBody && event.kind === Kind.messageStart) forgetLength(event.head)
    if (this.selects(event)) {
      if (event.kind === Kind.data) event.keep()
      this.replace(event)
    } else {
      this.next.process(event)
    }
  }
}

class ReplaceStart extends ReplacingFilter {
  private isDone = false

  protected handle(event: Event): void {
    if (this.isDone) {
      this.next.process(event)
      return
    }
    this.isDone = true
    if (event.kind === Kind.data) event.keep()
    this.replace(event)
  }
}

class ReplaceBody extends ReplacingFilter {
  private readonly collector: MessageCollector

  constructor(replacement: unknown, limitBytes: number) {
    super(replacement)
    this.collector = new MessageCollector(limitBytes)
  }

  protected handle(event: Event): void {
    switch (this.collector.add(event)) {
      case Collected.whole:
        this.replaceBody(() => this.next.process(event))
        return
      case Collected.partial:
        if (event.kind !== Kind.messageStart) return
        forgetLength(event.head)
        this.next.process(event)
        return
      default:
        if (this.collector.isEndedBy(event)) {
          this.replaceBody(() => {
            this.next.process(messageEnd)
            this.next.process(event)
          })
        } else this.next.process(event)
    }
  }

  private replaceBody(then: () => void): void {
    const { overflowBytes } = this.collector
    const body = this.collector.takeBody()
    this.collector.take()
    if (overflowBytes > 0) this.fail(overflowBytes)
    else this.replace(body, then)
  }
}

class ReplaceMessage extends ReplacingFilter {
  private readonly collector: MessageCollector

  constructor(replacement: unknown, limitBytes: number) {
    super(replacement)
    this.collector = new MessageCollector(limitBytes)
  }

  protected handle(event: Event): void {
    switch (this.collector.add(event)) {
      case Collected.whole:
        this.replaceWhole()
        return
      case Collected.outside:
        if (this.collector.isEndedBy(event)) this.replaceWhole(() => this.next.process(event))
        else this.next.process(event)
    }
  }

  private replaceWhole(then?: () => void): void {
    const { overflowBytes } = this.collector
    const message = this.collector.take()
    forgetLength(message.head)
    if (overflowBytes > 0) this.fail(overflowBytes)
    else this.replace(message, then)
  }
}

const takeReplacement = (call: FilterCall): unknown => {
  const value = call.take()
  if (typeof value !== 'function' && !isReplacement(value)) {
    throw new TrafficError(
      'BadOption',
      `${call.name} wants an event, a Message, an array of them, or a callback that gives one, and got ${show(value)}`,
    )
  }
  return value
}

const row = family(subject => ({
  signature: '([replacement])',
  summary: `Replaces ${subject}`,
  doc: `Puts the replacement in place of ${subject}. It is an event, a Message (its events), an array of them, nothing (the event is dropped), or a callback that gives one of these or a promise of it; later events wait for the promise.`,
}))

const takeAll = (call: FilterCall): unknown => {
  const replacement = takeReplacement(call)
  call.end()
  return replacement
}

const byEvent = (subject: Subject, names: Names, changesBody = false): FilterDefinition =>
  row(subject, {
    ...names,
    create: call => {
      const replacement = takeAll(call)
      return () => new Replace(replacement, subject.selects, changesBody)
    },
  })

const options = {
  bodyLimit: size(
    16 * 1024 * 1024,
    'Bytes of a body that are collected; a larger message ends the stream with BufferOverflow (HTTP: 503). Bounds what one message can cost.',
  ),
} as const

const whole = (
  text: string,
  names: Names,
  create: (replacement: unknown, limitBytes: number) => Filter,
): FilterDefinition =>
  row(
    { accepts: 'messages', text },
    {
      ...names,
      signature: '([replacement[, options]])',
      options,
      create: call => {
        // Pipy's older form has the limit first: replaceMessage('1m', callback).
        const older =
          typeof call.peek() === 'string' || typeof call.peek() === 'number'
            ? options.bodyLimit.parse(call.take())
            : undefined
        const replacement = takeReplacement(call)
        const { bodyLimit } = call.options(options)
        return () => create(replacement, older ?? bodyLimit)
      },
    },
  )

export const replaceStreamStart = row(initialEvent, {
  name: 'replaceStreamStart',
  aliases: ['replaceSessionStart'],
  example: "$.replaceStreamStart(evt => [new Data('hello\\n'), evt])",
  create: call => {
    const replacement = takeAll(call)
    return () => new ReplaceStart(replacement)
  },
})
export const replaceData = byEvent(
  dataEvent,
  {
    name: 'replaceData',
    aliases: [],
    example: '$.replaceData(data => new Data(data.toString().toUpperCase()))',
  },
  true,
)
export const replaceMessageStart = byEvent(messageStartEvent, {
  name: 'replaceMessageStart',
  aliases: [],
  example: '$.replaceMessageStart(msg => new MessageStart({ ...msg.head, path: "/" }))',
})
export const replaceMessageEnd = byEvent(
  messageEndEvent,
  {
    name: 'replaceMessageEnd',
    aliases: [],
    example: "$.replaceMessageEnd(end => [new Data('\\n'), end])",
  },
  true,
)
export const replaceStreamEnd = byEvent(streamEndEvent, {
  name: 'replaceStreamEnd',
  aliases: ['replaceSessionEnd'],
  example: '$.replaceStreamEnd(end => new StreamEnd())',
})
export const replaceMessageBody = whole(
  'an entire message body',
  {
    name: 'replaceMessageBody',
    aliases: [],
    example: '$.replaceMessageBody(body => new Data(body.toString().trim()))',
  },
  (replacement, limitBytes) => new ReplaceBody(replacement, limitBytes),
)
export const replaceMessage = whole(
  'a complete message including the head and the body',
  {
    name: 'replaceMessage',
    aliases: [],
    example: "$.replaceMessage(new Message({ status: 404 }, 'Not found\\n'))",
  },
  (replacement, limitBytes) => new ReplaceMessage(replacement, limitBytes),
)
/** Passes every event through a callback that gives what takes its place. */
export const replace = byEvent(
  everyEvent,
  {
    name: 'replace',
    aliases: [],
    example: "$.replace(evt => evt.type === 'Data' ? evt : null)",
  },
  true,
)
