import { cloneEvent, type Event, Kind } from '../../../runtime/event.ts'
import { Filter } from '../../filter.ts'
import type { Edge } from '../../kernel/ledger.ts'
import type { Pipeline, PipelineLayout } from '../../pipeline.ts'
import type { FilterDefinition } from '../definition.ts'
import { SubPort } from './sub-stream.ts'

/** Feeds what its sub-pipeline puts out back into it. */
class Loop extends Filter {
  private readonly layout: PipelineLayout
  private readonly edge: Edge
  private circle: Pipeline | null = null
  private hasEnded = false

  constructor(layout: PipelineLayout, edge: Edge) {
    super()
    this.layout = layout
    this.edge = edge
  }

  process(event: Event): void {
    if (this.hasEnded) return
    const { pipeline } = this
    this.circle ??= this.layout.spawn(
      pipeline.context,
      pipeline.session,
      pipeline,
      new SubPort<Loop>(this, (loop, each) => loop.turn(each)),
    )
    this.circle.send(event, this.edge)
  }

  private turn(event: Event): void {
    if (this.hasEnded) return
    if (event.kind === Kind.streamEnd) this.hasEnded = true
    // A flush says nothing, and most filters pass it on: it would go round for ever.
    else if (event.kind !== Kind.data || event.size > 0) this.circle?.send(cloneEvent(event), this.edge)
    this.next.process(event)
  }

  override stop(): void {
    this.circle?.stop()
  }
}

export const loop: FilterDefinition = {
  name: 'loop',
  aliases: [],
  signature: '()',
  summary: 'Sends events through a pipeline whose output is also its input',
  doc: 'Gives the stream to the sub-pipeline (.to), which shares the context. What that puts out goes on, and a copy of it goes into the sub-pipeline again, except StreamEnd, which ends the loop. The sub-pipeline has to swallow events at some time: one that always answers goes round for ever.',
  accepts: 'any',
  emits: 'sub',
  sub: 'any',
  options: {},
  example: '$.loop().to($ => $.replaceData(data => (data.size > 1 ? data.shift(data.size / 2) : undefined)))',
  build: call => {
    const layout = call.localTarget()
    call.end()
    const edge = call.edge('link', layout.name, 'block')
    return { name: 'loop', create: () => new Loop(layout, edge) }
  },
}
