import type { Event } from '../runtime/event.ts'
import type { Pipeline } from './pipeline.ts'

/**
 * Where events go: a filter, the outlet of a pipeline, a port of an actor.
 *
 * `takesText` says that it also takes `Latin1`, the form in which encoders hand heads to sockets without making
 * bytes of them first.
 */
export interface EventPort {
  readonly takesText: boolean
  process(event: Event | Latin1): void
}

/** Text of which each character is one byte. It only ever goes to a port with `takesText`; it is no event of a stream. */
export class Latin1 {
  readonly kind = 4
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/**
 * One step of a running pipeline. Made by its layout for each pipeline, with its options checked already.
 *
 * `process` is synchronous, runs inside the pipeline's actor and gives its results to `this.next`. What comes from
 * elsewhere (a socket, a promise, another pipeline) enters through `this.pipeline.deliver`.
 */
export abstract class Filter implements EventPort {
  /** The filter behind this one, or the outlet of the pipeline. Set when the pipeline is put together. */
  next: EventPort = nowhere
  pipeline: Pipeline = undefined as unknown as Pipeline

  get takesText(): boolean {
    return false
  }

  abstract process(event: Event): void

  /** The pipeline has stopped: give back connections, timers and pipelines that this filter holds. */
  stop(): void {}
}

const nowhere: EventPort = { takesText: false, process: () => {} }

/** The template of a filter in a pipeline layout: its checked options, shared by all its instances. */
export interface FilterLayout {
  readonly name: string
  create(): Filter
  /**
   * A filter that sees what the pipeline answers: it is put where messages last pass in the pipeline that this one stands
   * in. Both are made with each pipeline, and find each other along `next`.
   */
  readonly tail?: FilterLayout
  /** A request was refused before it could be read, so that there is no pipeline of this one's for it; `by` is that of the server. */
  refused?(by: Pipeline, status: number, reason: string): void
}
