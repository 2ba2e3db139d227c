import type { Event } from '../../../runtime/event.ts'
import type { Context } from '../../context.ts'
import type { FilterDefinition } from '../definition.ts'
import { isThenable } from '../promise.ts'
import { emitReplacement } from '../replacement.ts'
import { WaitingFilter } from '../waiting-filter.ts'

class Insert extends WaitingFilter {
  private readonly events: unknown
  private isDone = false

  constructor(events: unknown) {
    super()
    this.events = events
  }

  protected handle(event: Event): void {
    if (!this.isDone) {
      this.isDone = true
      const given =
        typeof this.events === 'function'
          ? (this.events as (ctx: Context) => unknown)(this.pipeline.context)
          : this.events
      if (isThenable(given)) {
        this.waitFor(given, value => {
          emitReplacement(value, this.next)
          this.next.process(event)
        })
        return
      }
      emitReplacement(given, this.next)
    }
    this.next.process(event)
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
    call.end()
    return { name: 'insert', create: () => new Insert(events) }
  },
}
