import type { TrafficError } from '../runtime/errors.ts'
import { type Span, SpanKind } from '../runtime/trace/span.ts'
import type { TraceContext } from '../runtime/trace/trace-context.ts'
import { tracing } from '../runtime/trace/tracing.ts'
import type { Context } from './context.ts'
import type { PendingWaits } from './pending-waits.ts'
import { Pipeline, type PipelineLayout } from './pipeline.ts'
import type { Program } from './program.ts'
import type { Units } from './shared/units.ts'

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
  /** What waits until the script's variables have changed; null when nothing does. */
  waits: PendingWaits | null = null
  private drainable: Drainable | null = null
  /** The span of the session itself, in a trace of its own: one connection carries messages of many traces. */
  private span: Span | null = null
  private lastingTrace: TraceContext | null = null

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
    this.program.reportFault(pipeline.path, fault, pipeline.trace)
  }

  /** Begins the trace in which everything stands that the session does for no message in particular. */
  protected beginTrace(name: string): void {
    if (tracing.tracer === null) return
    this.ownTrace = tracing.tracer.beginLasting(name, SpanKind.internal)
    this.lastingTrace = this.ownTrace
    if (this.ownTrace.isRecorded) this.span = this.ownTrace as Span
  }

  /** Whether its trace is that of the session itself, and not of a message that it was given. */
  get tracesItself(): boolean {
    return this.lastingTrace !== null && this.lastingTrace === this.ownTrace
  }

  /** What the span of the session says when it ends. */
  protected describe(_span: Span): void {}

  protected override failed(fault: TrafficError, message: unknown): void {
    if (this.span !== null) this.span.error = fault.code
    super.failed(fault, message)
  }

  protected override stopped(): void {
    super.stopped()
    const { span } = this
    if (span === null) return
    this.span = null
    span.set('sluice.session.id', this.id)
    span.set('sluice.pipeline.name', this.layout.name)
    this.describe(span)
    span.end()
  }

  /**
   * Nothing more is wanted of the peer: when the output ends, the session closes soon, even when the peer does not.
   *
   * @param isIdle nothing is under way either: then the session does not wait for the peer at all
   */
  closeAfterOutput(_isIdle: boolean): void {}

  /** Where a filter says that it has joined messages, for who awaits an answer to each; null when nobody does. */
  get awaited(): Units | null {
    return null
  }

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
