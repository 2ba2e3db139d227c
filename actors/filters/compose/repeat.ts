import { after } from '../../../runtime/clock.ts'
import { cloneEvent, type Event, Kind, type StreamEnd } from '../../../runtime/event.ts'
import { duration, size } from '../../../runtime/options.ts'
import { turn } from '../../../runtime/turn.ts'
import type { Context } from '../../context.ts'
import { Filter } from '../../filter.ts'
import type { Edge } from '../../kernel/ledger.ts'
import type { Pipeline, PipelineLayout } from '../../pipeline.ts'
import type { FilterDefinition } from '../definition.ts'
import { isThenable } from '../promise.ts'
import { EventStore } from './event-store.ts'
import { SubPort } from './sub-stream.ts'

type Condition = (end: StreamEnd, ctx: Context) => unknown

/** What the filters of one place in the script share. */
interface Plan {
  readonly layout: PipelineLayout
  readonly edge: Edge
  /** Whether a stream that ended so is to be tried again. */
  readonly condition: Condition
  readonly delayMs: number
  readonly limitBytes: number
}

/**
 * Gives its stream to a pipeline, and when that has ended, to a new one from the start.
 *
 *     running ──StreamEnd──► asked ──false, or too much input to keep──► ended
 *        ▲                     │ true
 *        └──────── delay ──────┘
 */
class Repeat extends Filter {
  private readonly plan: Plan
  private readonly input: EventStore
  private current: Pipeline | null = null
  private hasEnded = false
  private cancel: (() => void) | null = null

  constructor(plan: Plan) {
    super()
    this.plan = plan
    this.input = new EventStore(plan.limitBytes)
  }

  process(event: Event): void {
    if (this.hasEnded) return
    this.input.add(cloneEvent(event))
    if (this.current === null && this.cancel === null) this.start()
    this.current?.send(event, this.plan.edge)
  }

  private start(): void {
    const { pipeline } = this
    let round: Pipeline | null = null
    const port = new SubPort<Repeat>(this, (repeat, event) => {
      if (repeat.current === round) repeat.answer(event)
    })
    round = this.plan.layout.spawn(pipeline.context, pipeline.session, pipeline, port)
    this.current = round
  }

  private answer(event: Event): void {
    if (event.kind === Kind.streamEnd) this.ended(event)
    else this.next.process(event)
  }

  private ended(end: StreamEnd): void {
    const answer = this.input.isOverflown ? false : this.plan.condition(end, this.pipeline.context)
    if (!isThenable(answer)) {
      this.decide(end, answer)
      return
    }
    const settle = (work: () => void): void => {
      turn.begin(null)
      this.pipeline.run(work)
      turn.end()
    }
    answer.then(
      again => settle(() => this.decide(end, again)),
      error =>
        settle(() => {
          throw error
        }),
    )
  }

  private decide(end: StreamEnd, again: unknown): void {
    this.current?.stop()
    this.current = null
    // Input may have come meanwhile that is too much to keep.
    if (!again || this.input.isOverflown) {
      this.hasEnded = true
      this.next.process(end)
      return
    }
    // In a turn of its own: a pipeline that ends at once would otherwise take the whole thread.
    this.cancel = after(this.plan.delayMs, () => {
      this.cancel = null
      turn.begin(null)
      this.again(end)
      turn.end()
    })
  }

  /** Not inside the actor of this pipeline, which would have to queue all that the new one puts out meanwhile. */
  private again(end: StreamEnd): void {
    if (this.input.isOverflown) {
      this.hasEnded = true
      this.pipeline.deliver(this.next, end, null)
      return
    }
    this.start()
    const round = this.current
    for (const event of this.input.copies()) {
      if (this.current !== round) return
      round?.send(event, this.plan.edge)
    }
  }

  override stop(): void {
    this.hasEnded = true
    this.cancel?.()
    this.current?.stop()
  }
}

const bufferLimit = size(
  1024 * 1024,
  'Bytes of the stream that are kept to be given again. A stream of which more has come is not repeated. Bounds what one stream can cost.',
)
const repeatOptions = { bufferLimit } as const
const replayOptions = { delay: duration(0, 'Time between the end and the next try.'), bufferLimit } as const

export const repeat: FilterDefinition = {
  name: 'repeat',
  aliases: [],
  signature: '(condition[, options])',
  summary: 'Gives the stream to a pipeline again for as long as a condition holds',
  doc: 'Gives the stream to the sub-pipeline (.to), which shares the context, and passes on what comes out. When that ends, the condition (end, ctx) is asked; when it holds, a new sub-pipeline gets the whole stream so far, from the start; else the StreamEnd goes on. The condition may give a promise, for a pause between two tries. What was put out before stays put out.',
  accepts: 'any',
  emits: 'sub',
  sub: 'same',
  options: repeatOptions,
  example: "$.repeat(end => end.error === 'ConnectionRefused').to($ => $.connect('127.0.0.1:8080'))",
  build: call => {
    const layout = call.localTarget()
    const condition = call.callback<Condition>('a condition (end, ctx) => …')
    const settings = call.options(repeatOptions)
    const plan: Plan = {
      layout,
      edge: call.edge('link', layout.name, 'block'),
      condition,
      delayMs: 0,
      limitBytes: settings.bufferLimit,
    }
    return { name: 'repeat', create: () => new Repeat(plan) }
  },
}

export const replay: FilterDefinition = {
  name: 'replay',
  aliases: [],
  signature: '([options])',
  summary: 'Gives the stream to a pipeline again when that ends with Replay',
  doc: "The same as repeat for as long as the sub-pipeline (.to) ends with StreamEnd('Replay').",
  accepts: 'any',
  emits: 'sub',
  sub: 'same',
  options: replayOptions,
  example:
    "$.replay({ delay: 1 }).to($ => $.connect('127.0.0.1:8080').replaceStreamEnd(end => new StreamEnd(end.error && 'Replay')))",
  build: call => {
    const layout = call.localTarget()
    const settings = call.options(replayOptions)
    const plan: Plan = {
      layout,
      edge: call.edge('link', layout.name, 'block'),
      condition: end => end.error === 'Replay',
      delayMs: settings.delay,
      limitBytes: settings.bufferLimit,
    }
    return { name: 'replay', create: () => new Repeat(plan) }
  },
}
