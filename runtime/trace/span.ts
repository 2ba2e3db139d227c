// Hot path at full sampling: a span is one object until it has ended; what it says is formatted elsewhere.

import { monotonicMs } from '../clock.ts'
import { TraceContext } from './trace-context.ts'
import type { Tracer } from './tracer.ts'

/** As OpenTelemetry numbers them. */
export const SpanKind = { internal: 0, server: 1, client: 2, producer: 3, consumer: 4 } as const
export type SpanKind = (typeof SpanKind)[keyof typeof SpanKind]

export type AttributeValue = string | number | boolean

/**
 * The attribute under which a request head goes as its lines were received: the exporter makes attributes of it, which
 * costs the thread that carries the traffic nothing but their bytes.
 */
export const requestLines = '~request'

/** Something that is measured as a part of a span, and ends with it at the latest. */
export interface SpanPart {
  spanEnded(span: Span): void
}

/** What has become of the spans of one trace in this thread: known at once when it is sampled, else when its root ends. */
const Verdict = { open: 0, keep: 1, drop: 2 } as const

/** Ended spans that wait for the verdict on their root: enough for any honest exchange. */
const mostHeld = 256

/** Work that is recorded: one step in a trace. */
export class Span extends TraceContext {
  readonly parentId: string
  readonly kind: SpanKind
  name: string
  startMs: number = monotonicMs()
  endMs = 0
  /** The code of what went wrong, or a status; '' when nothing did. */
  error = ''
  /** Name, value, name, value. */
  readonly attributes: AttributeValue[] = []
  /** Name, milliseconds of the monotonic clock, bytes. */
  events: (string | number)[] | null = null
  droppedEvents = 0
  /** `traceparent` of each. */
  links: readonly string[] | null = null
  private readonly tracer: Tracer
  private readonly root: Span
  private verdict: number
  private held: Span[] | null = null
  private parts: SpanPart[] | null = null

  constructor(
    tracer: Tracer,
    name: string,
    kind: SpanKind,
    context: TraceContext,
    parentId: string,
    parent: Span | null,
  ) {
    super(context.line, context.state, context.formats, true)
    this.tracer = tracer
    this.name = name
    this.kind = kind
    this.parentId = parentId
    this.root = parent === null ? this : parent.root
    if (parent !== null && parent.baggage !== '') this.baggage = parent.baggage
    this.verdict = this.isSampled ? Verdict.keep : Verdict.open
  }

  set(name: string, value: AttributeValue): void {
    this.attributes.push(name, value)
  }

  /** A step below this one. */
  child(name: string, kind: SpanKind): Span {
    return this.tracer.childOf(this, name, kind)
  }

  get hasEnded(): boolean {
    return this.endMs !== 0
  }

  /** Adds a part that has begun. */
  attach(part: SpanPart): void {
    this.parts ??= []
    this.parts.push(part)
  }

  /** Events that it may have; what is beyond is counted. */
  get eventLimit(): number {
    return this.tracer.policy.eventLimit
  }

  /**
   * @param error the code of what went wrong
   * @param atMs when it ended, if that was before
   */
  end(error = '', atMs = 0): void {
    if (this.endMs !== 0) return
    this.endMs = atMs === 0 ? monotonicMs() : atMs
    if (error !== '') this.error = error
    if (this.root === this && this.verdict === Verdict.open)
      this.verdict = this.tracer.keeps(this) ? Verdict.keep : Verdict.drop
    const { parts, held } = this
    this.parts = null
    this.held = null
    if (parts !== null) for (const part of parts) part.spanEnded(this)
    if (held !== null && this.verdict === Verdict.keep) for (const span of held) this.tracer.ended(span)
    this.root.settle(this)
  }

  /** A span of this trace has ended: it is recorded, held until more is known, or forgotten. */
  private settle(span: Span): void {
    if (this.verdict === Verdict.keep) this.tracer.ended(span)
    else if (this.verdict === Verdict.open) {
      this.held ??= []
      if (this.held.length < mostHeld) this.held.push(span)
      else this.tracer.lost('held', 1)
    }
  }
}
