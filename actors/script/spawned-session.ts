import { Data, type Event, Kind, Message, type MessageStart } from '../../runtime/event.ts'
import type { Context } from '../context.ts'
import type { Latin1 } from '../filter.ts'
import type { PipelineLayout } from '../pipeline.ts'
import type { Program } from '../program.ts'
import { awaitResult } from '../start-arguments.ts'
import { CalledSession } from './called-session.ts'

interface Awaiting {
  /** What it puts out is wanted. */
  readonly collects: boolean
  readonly resolve: (result: unknown) => void
}

/** The session of `pipeline($ => …).spawn()` and `.process()`: who runs it awaits its end. */
export class SpawnedSession extends CalledSession {
  private readonly awaiting: Awaiting
  private readonly output: (Message | Data)[] = []
  private start: MessageStart | undefined
  private body: Data | undefined
  private result: { readonly value: unknown } | undefined

  constructor(program: Program, layout: PipelineLayout, context: Context, awaiting: Awaiting) {
    super(program, layout, context)
    this.awaiting = awaiting
    awaitResult(this, value => {
      this.result = { value }
    })
  }

  override process(event: Event | Latin1): void {
    if (this.awaiting.collects && event.kind !== 4) this.collect(event)
    super.process(event)
  }

  private collect(event: Event): void {
    switch (event.kind) {
      case Kind.messageStart:
        this.start = event
        this.body = undefined
        return
      case Kind.messageEnd:
        this.output.push(new Message(this.start?.head, this.body, event.tail, event.payload))
        this.start = undefined
        return
      case Kind.data:
        if (event.size === 0) return
        if (this.start !== undefined) this.body = joined(this.body, event)
        else {
          const last = this.output.at(-1)
          if (last instanceof Data) last.push(event)
          else this.output.push(joined(undefined, event))
        }
    }
  }

  protected override stopped(): void {
    super.stopped()
    const { output } = this
    this.awaiting.resolve(
      this.result === undefined ? (output.length > 1 ? output : output[0]) : this.result.value,
    )
  }
}

const joined = (data: Data | undefined, more: Data): Data => (data ?? new Data()).push(more)
