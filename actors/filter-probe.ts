import { monotonicMs } from '../runtime/clock.ts'
import { TrafficError } from '../runtime/errors.ts'
import type { Event } from '../runtime/event.ts'
import { type Span, SpanKind, type SpanPart } from '../runtime/trace/span.ts'
import { tracing } from '../runtime/trace/tracing.ts'
import { Filter, type Latin1 } from './filter.ts'

/** Whose work is measured just now in this thread, and how much of it was that of others further down the stream. */
const work: { current: FilterPass | null; othersMs: number } = { current: null, othersMs: 0 }

const eventNames = ['Data', 'MessageStart', 'MessageEnd', 'StreamEnd', 'Data'] as const

/** The passage of one trace's events through one filter: a span, from the first event to the last. */
class FilterPass implements SpanPart {
  readonly scope: Span
  readonly span: Span
  readonly probe: FilterProbe
  workMs = 0
  events = 0
  bytes = 0
  private lastMs = 0
  private depth = 0
  private isOver = false

  constructor(scope: Span, parent: Span, probe: FilterProbe) {
    this.scope = scope
    this.probe = probe
    this.span = parent.child(probe.name, SpanKind.internal)
    scope.attach(this)
  }

  note(event: Event | Latin1, atMs: number, isNoted: boolean): void {
    const bytes = event.kind === 0 ? event.size : event.kind === 4 ? event.text.length : 0
    this.events++
    this.bytes += bytes
    this.depth++
    if (!isNoted) return
    const { span } = this
    span.events ??= []
    if (span.events.length < 3 * span.eventLimit)
      span.events.push(eventNames[event.kind] as string, atMs, bytes)
    else span.droppedEvents++
  }

  done(atMs: number): void {
    this.depth--
    this.lastMs = atMs
    if (this.isOver && this.depth === 0) this.finish()
  }

  /** The work that it is part of has ended; what is on the stack just now comes to its end first. */
  spanEnded(): void {
    this.isOver = true
    if (this.depth === 0) this.finish()
  }

  private finish(): void {
    const { span, probe } = this
    span.set('sluice.pipeline.name', probe.pipeline.layout.name)
    span.set('sluice.filter.index', probe.index)
    span.set('sluice.filter.events', this.events)
    span.set('sluice.filter.bytes', this.bytes)
    span.set('sluice.work.duration', this.workMs / 1000)
    span.end('', this.lastMs)
  }
}

/**
 * Stands in front of a filter where traces show filters: measures its own work, without that of the filters behind it,
 * which it calls. One without a name stands behind the last filter, so that what others do with the output is not
 * taken for that filter's work.
 */
export class FilterProbe extends Filter {
  readonly name: string
  readonly index: number
  private readonly isNoting: boolean
  private pass: FilterPass | null = null

  constructor(name: string, index: number) {
    super()
    this.name = name
    this.index = index
    this.isNoting = tracing.tracer?.tracesEvents === true
  }

  override get takesText(): boolean {
    return this.next.takesText
  }

  process(event: Event | Latin1): void {
    const context = this.pipeline.trace
    if (context === null || !context.isRecorded || (context as Span).hasEnded) {
      this.next.process(event)
      return
    }
    const outer = work.current
    const outersMs = work.othersMs
    const startMs = monotonicMs()
    const pass = this.name === '' ? null : this.passFor(context as Span, outer)
    if (pass !== null) {
      pass.note(event, startMs, this.isNoting)
      work.current = pass
    }
    work.othersMs = 0
    try {
      this.next.process(event)
    } catch (thrown) {
      if (pass !== null) pass.span.error = TrafficError.from(thrown).code
      throw thrown
    } finally {
      const nowMs = monotonicMs()
      const tookMs = nowMs - startMs
      if (pass !== null) pass.workMs += tookMs - work.othersMs
      work.current = outer
      work.othersMs = outersMs + tookMs
      pass?.done(nowMs)
    }
  }

  /** A filter in a sub-pipeline stands below the filter that sends to it. */
  private passFor(scope: Span, outer: FilterPass | null): FilterPass {
    let { pass } = this
    if (pass === null || pass.scope !== scope) {
      const isInside =
        outer !== null && outer.scope === scope && this.pipeline.isOwnedBy(outer.probe.pipeline)
      pass = new FilterPass(scope, isInside ? outer.span : scope, this)
      this.pass = pass
    }
    return pass
  }
}
