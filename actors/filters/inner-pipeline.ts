import { Data, type Event } from '../../runtime/event.ts'
import type { Context } from '../context.ts'
import type { EventPort } from '../filter.ts'
import type { Edge } from '../kernel/ledger.ts'
import type { Pipeline, PipelineLayout } from '../pipeline.ts'
import type { FilterCall } from './definition.ts'

/** The sub-pipeline of a filter, as all filters of one place in the script share it. */
export interface InnerPlan {
  readonly layout: PipelineLayout
  readonly edge: Edge
}

/** Takes the sub-pipeline that a call in a script names. */
export function innerPlanOf(call: FilterCall): InnerPlan {
  const layout = call.localTarget()
  return { layout, edge: call.edge('link', layout.name, 'block') }
}

/**
 * The running sub-pipeline of a filter that unwraps a stream, or wraps one: its input is what the filter gives it, its
 * output comes back to the filter, inside the actor of the pipeline that the filter stands in.
 */
export class InnerPipeline implements EventPort {
  readonly takesText = false
  private readonly pipeline: Pipeline
  private readonly edge: Edge
  private readonly output: (event: Event) => void

  /** @param output takes what comes out */
  constructor(
    { layout, edge }: InnerPlan,
    outer: Pipeline,
    context: Context,
    output: (event: Event) => void,
  ) {
    this.edge = edge
    this.output = output
    this.pipeline = layout.spawn(context, outer.session, outer, this)
  }

  /** The flush that opens a stream, so that `handleStreamStart` and `connect` act before any byte comes. */
  open(): void {
    this.send(new Data())
  }

  send(event: Event): void {
    this.pipeline.send(event, this.edge)
  }

  process(event: Event): void {
    this.output(event)
  }

  stop(): void {
    this.pipeline.stop()
  }
}
