import { TrafficError } from '../../../runtime/errors.ts'
import { type Event, Kind } from '../../../runtime/event.ts'
import { show } from '../../../runtime/options.ts'
import type { Context } from '../../context.ts'
import { Filter } from '../../filter.ts'
import { argumentsOf, giveResult } from '../../start-arguments.ts'
import type { FilterDefinition } from '../definition.ts'
import { isReplacement } from '../replacement.ts'
import { Insert } from './insert.ts'

export const onStart: FilterDefinition = {
  name: 'onStart',
  aliases: [],
  signature: '(events)',
  summary: 'Inserts events when a pipeline starts',
  doc: 'Puts events out once, before the first event of the pipeline: an event, a Message, an array of them, or a callback that gives one of these, nothing, or a promise of it. The callback gets what the pipeline was started with, then the context: the arguments of pipe or pipeNext, (element, index) of the array in fork, forkJoin and forkRace, the key in mux, muxQueue and muxHTTP, and the inbound in the pipeline of a listener. Wherever it is written, it stands first in its pipeline.',
  accepts: 'any',
  emits: 'same',
  stands: 'first',
  options: {},
  example: '$.onStart(inbound => new Data(`220 hello ${inbound.remoteAddress}\\r\\n`))',
  build: call => {
    const events = call.take()
    if (typeof events !== 'function' && !isReplacement(events))
      throw new TrafficError(
        'BadOption',
        `onStart wants an event, a Message, an array of them, or a callback that gives one, and got ${show(events)}`,
      )
    call.end()
    const callback = events as (...given: unknown[]) => unknown
    return {
      name: 'onStart',
      create: () =>
        typeof events === 'function'
          ? new Insert(pipeline => callback(...argumentsOf(pipeline), pipeline.context))
          : new Insert(() => events),
    }
  },
}

/** Calls back once: at the end of the stream, or when the pipeline stops without one. */
class OnEnd extends Filter {
  private readonly callback: (ctx: Context) => unknown
  private isDone = false

  constructor(callback: (ctx: Context) => unknown) {
    super()
    this.callback = callback
  }

  process(event: Event): void {
    if (event.kind === Kind.streamEnd) this.end()
    this.next.process(event)
  }

  private end(): void {
    if (this.isDone) return
    this.isDone = true
    giveResult(this.pipeline, this.callback(this.pipeline.context))
  }

  override stop(): void {
    this.end()
  }
}

export const onEnd: FilterDefinition = {
  name: 'onEnd',
  aliases: [],
  signature: '(callback)',
  summary: 'Calls back when a pipeline ends',
  doc: 'Calls back with the context once, when the end of the stream comes out of the pipeline, or when the pipeline is stopped without one because nobody needs it any more: the place to give back what onStart took. In the dialect of Pipy, what it returns is what the promise of spawn() resolves to; elsewhere it is ignored. Wherever it is written, it stands last in its pipeline.',
  accepts: 'any',
  emits: 'same',
  stands: 'last',
  options: {},
  example: "$.onStart(() => console.log('begins')).onEnd(() => console.log('is over'))",
  build: call => {
    const callback = call.callback<(ctx: Context) => unknown>('a callback ctx => …')
    call.end()
    return { name: 'onEnd', create: () => new OnEnd(callback) }
  },
}
