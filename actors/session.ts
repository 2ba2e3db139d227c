import type { TrafficError } from '../runtime/errors.ts'
import type { Context } from './context.ts'
import { Pipeline, type PipelineLayout } from './pipeline.ts'
import type { Program } from './program.ts'

/** Something in a session that knows how to come to an end by itself, like an HTTP connection between two requests. */
export interface Drainable {
  /**
   * Finish what is under way, take nothing new.
   *
   * @param closesIdle false leaves a peer that is about to say something the time to say it
   */
  drain(closesIdle: boolean): void
}

/** Something that waits until the peer has taken what was sent to it. */
export interface Relievable {
  relieved(): void
}

/**
 * The actor that owns one inbound (a connection, a task's tick) and supervises the pipelines that serve it. It is
 * itself the pipeline at the root: its events come from the inbound and its output goes back there.
 */
export abstract class Session extends Pipeline {
  readonly program: Program
  readonly id: number
  private drainable: Drainable | null = null

  constructor(program: Program, layout: PipelineLayout, context: Context) {
    super(layout, context, null, null, null)
    this.program = program
    this.id = program.nextSessionId()
  }

  /** Names the session in paths of actors. */
  get name(): string {
    return `session-${this.id}`
  }

  /**
   * A pipeline of this session has thrown. It ends alone, with `StreamEnd(RuntimeError)` to its owner; what that
   * means for the rest (an error response, the end of the connection) is the owner's to say.
   */
  pipelineFailed(pipeline: Pipeline, fault: TrafficError): void {
    this.program.reportFault(pipeline.path, fault)
  }

  /**
   * Nothing more is wanted of the peer: when the output ends, the session closes soon, even when the peer does not.
   *
   * @param isIdle nothing is under way either: then the session does not wait for the peer at all
   */
  closeAfterOutput(_isIdle: boolean): void {}

  /** So much waits for the peer to take it that whoever can wait should add nothing. */
  get isCongested(): boolean {
    return false
  }

  /** Tells `waiting`, once, as soon as the peer has taken it. */
  awaitRelief(waiting: Relievable): void {
    waiting.relieved()
  }

  /** Names who is asked when this session has to finish; without one it runs until its stream ends. */
  set onDrain(drainable: Drainable) {
    // One inside of another (HTTP in a tunnel of HTTP) ends with it.
    if (this.drainable !== null) return
    this.drainable = drainable
    if (this.program.isDraining) drainable.drain(false)
  }

  /** Finish what is under way, take nothing new. */
  drain(closesIdle: boolean): void {
    this.drainable?.drain(closesIdle)
  }
}
