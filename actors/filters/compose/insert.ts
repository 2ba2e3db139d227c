import { TrafficError } from '../../../runtime/errors.ts'
import type { Event } from '../../../runtime/event.ts'
import { show } from '../../../runtime/options.ts'
import type { Context } from '../../context.ts'
import type { Pipeline } from '../../pipeline.ts'
import type { FilterDefinition } from '../definition.ts'
import { isThenable } from '../promise.ts'
import { emitReplacement, isReplacement } from '../replacement.ts'
import { WaitingFilter } from '../waiting-filter.ts'

/** Puts out what `ask` gives, once, in front of the first event. */
export class Insert extends WaitingFilter {
  private readonly ask: (pipeline: Pipeline) => unknown
  private isDone = false
  /** The end of the stream was inserted: the stream itself has nowhere to go. */
  private hasEnded = false

  constructor(ask: (pipeline: Pipeline) => unknown) {
    super()
    this.ask = ask
  }

  protected handle(event: Event): void {
    if (!this.isDone) {
      this.isDone = true
      const given = this.ask(this.pipeline)
      if (isThenable(given)) {
        this.waitFor(given, value => this.begin(value, event))
        return
      }
      this.begin(given, event)
    } else if (!this.hasEnded) this.next.process(event)
  }

  private begin(given: unknown, first: Event): void {
    if (emitReplacement(given, this.next)) this.hasEnded = true
    else this.next.process(first)
  }
}

export const insert: FilterDefinition = {
  name: 'insert',
  aliases: [],
  signature: '(events)',
  summary: 'Inserts events in front of a stream',
  doc: 'Puts events out once, before the first event of the stream: an event, a Message, an array of them, or a callback (ctx) that gives one of these or a promise of it.',
  accepts: 'any',
  emits: 'same',
  options: {},
  example: "$.insert(() => new Data('220 ready\\r\\n'))",
  build: call => {
    const events = call.take()
    if (typeof events !== 'function' && !isReplacement(events)) {
      throw new TrafficError(
        'BadOption',
        `insert wants an event, a Message, an array of them, or a callback that gives one, and got ${show(events)}`,
      )
    }
    call.end()
    const callback = events as (ctx: Context) => unknown
    return {
      name: 'insert',
      create: () =>
        new Insert(typeof events === 'function' ? pipeline => callback(pipeline.context) : () => events),
    }
  },
}
