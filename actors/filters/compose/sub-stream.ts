import type { Event } from '../../../runtime/event.ts'
import { type EventPort, Filter } from '../../filter.ts'
import { Gate } from '../../gate.ts'
import type { Edge } from '../../kernel/ledger.ts'
import type { Chain, Pipeline, PipelineLayout } from '../../pipeline.ts'
import { giveArguments } from '../../start-arguments.ts'

/** Hands what a sub-pipeline puts out to the filter that runs it, inside the actor of the filter's pipeline. */
export class SubPort<F> implements EventPort {
  readonly takesText = false
  private readonly filter: F
  private readonly take: (filter: F, event: Event) => void

  constructor(filter: F, take: (filter: F, event: Event) => void) {
    this.filter = filter
    this.take = take
  }

  process(event: Event): void {
    this.take(this.filter, event)
  }
}

/** A way that a stream can take: through another pipeline, or straight on when there is none. */
export interface Way {
  readonly layout: PipelineLayout | undefined
  readonly edge: Edge | undefined
  /** Where `pipeNext` leads to in that pipeline. */
  readonly chain: Chain | null
}

export const straightOn: Way = { layout: undefined, edge: undefined, chain: null }

const passOn = (filter: Filter, event: Event): void => filter.next.process(event)

/**
 * A filter that sends its stream one way, for good, once it knows which; events wait until then. The pipeline on the
 * way shares the context, and what comes out of it goes on.
 */
export abstract class DivertingFilter extends Filter {
  private way: Way | null = null
  private linked: Pipeline | null = null
  private gate: Gate | null = null

  protected get isDecided(): boolean {
    return this.way !== null
  }

  /** Keeps an event until the way is known. */
  protected hold(event: Event): void {
    this.gate ??= new Gate()
    this.gate.hold(event)
  }

  /** Nothing can decide any more: what was held has nowhere to go. */
  protected giveUp(event: Event): void {
    this.gate?.close()
    this.next.process(event)
  }

  /** @param given what the pipeline on the way is started with */
  protected take(way: Way, given?: readonly unknown[]): void {
    this.way = way
    const { pipeline } = this
    if (way.layout !== undefined) {
      this.linked = way.layout.spawn(
        pipeline.context,
        pipeline.session,
        pipeline,
        new SubPort<Filter>(this, passOn),
      )
      if (way.chain !== null) this.linked.chain = given === undefined ? way.chain : { ...way.chain, given }
      if (given !== undefined) giveArguments(this.linked, given)
    }
    if (this.gate !== null) for (const event of this.gate.open()) this.pass(event)
  }

  protected pass(event: Event): void {
    if (this.linked === null) this.next.process(event)
    else this.linked.send(event, (this.way as Way).edge as Edge)
  }

  override stop(): void {
    this.gate?.close()
    this.linked?.stop()
  }
}
