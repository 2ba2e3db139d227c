// Hot path: `enter` is called once per exchange when tracing is on, and nothing here for one that is not recorded.

import { epochOf, monotonicMs } from '../clock.ts'
import { extract, type TracedHead, traceLines } from './propagation.ts'
import { Span, SpanKind } from './span.ts'
import {
  isSampled,
  lineOf,
  makeTraceparent,
  type TraceCarrier,
  TraceContext,
  TraceFormat,
} from './trace-context.ts'
import { ownText, TraceIds } from './trace-ids.ts'

/** How fine the tree of a trace is; each level has what those before it have. */
export const traceLevels = ['message', 'filter', 'event'] as const
export type TraceLevel = (typeof traceLevels)[number]

/** What is recorded, and how others are told: plain data, the same in all threads. */
export interface TracePolicy {
  /** Share of the traces that begin here which is recorded, 0 to 1. */
  readonly ratio: number
  /** Whether a trace that comes in is recorded if, and only if, it says so; else `ratio` is asked for it too. */
  readonly isParentBased: boolean
  readonly level: TraceLevel
  /** Traces that are recorded although they were not chosen, when they end so. */
  readonly keep: { readonly errors: boolean; readonly slowMs: number | undefined } | undefined
  readonly propagation: {
    readonly w3c: boolean
    readonly b3: boolean
    readonly b3Multi: boolean
    /** Whether baggage goes on with messages; in the head that it came in it does in any case. Default: true. */
    readonly baggage?: boolean
  }
  /** Events that a span may have; what is beyond is counted. */
  readonly eventLimit: number
  /** Contexts that the span of a batch may be linked to. */
  readonly linkLimit: number
}

/** Takes spans that have ended and are to be exported. It neither throws nor waits. */
export interface SpanOutlet {
  take(span: Span): void
  /** Spans that were given up before they came here. */
  lose(reason: string, spans: number): void
}

/** Decides, once per trace and where it comes in, whether it is recorded; makes its spans. One per thread. */
export class Tracer {
  readonly policy: TracePolicy
  /** Whether each filter has a span, and whether each event is noted in it. */
  readonly tracesFilters: boolean
  readonly tracesEvents: boolean
  private readonly outlet: SpanOutlet
  private readonly ids: TraceIds
  /** Formats in which upstreams are always told. */
  private readonly formats: number

  constructor(policy: TracePolicy, outlet: SpanOutlet) {
    this.policy = policy
    this.outlet = outlet
    this.ids = new TraceIds(policy.ratio)
    this.tracesFilters = policy.level !== 'message'
    this.tracesEvents = policy.level === 'event'
    this.formats =
      (policy.propagation.b3 ? TraceFormat.b3 : 0) | (policy.propagation.b3Multi ? TraceFormat.b3Multi : 0)
  }

  /** A request comes in: it goes on with the trace that its head tells of, or begins one. */
  enter(head: TracedHead, kind: SpanKind): TraceContext {
    if (!head.hasTrace) {
      if (!this.ids.advance() && this.policy.keep === undefined)
        return new TraceContext(this.ids.line, '', this.formats, false)
      return this.opened(this.ids.line, '', this.formats, '', '', kind)
    }
    const { traceparent, state, formats, isSampled } = extract(head)
    if (traceparent === undefined) return this.begin('', kind, formats, isSampled)
    return this.goOn(traceparent, state, formats | this.formats, isSampled, '', kind)
  }

  /** A trace that begins here. */
  begin(name: string, kind: SpanKind, formats = 0, decided?: boolean): TraceContext {
    this.ids.advance()
    const { line } = this.ids
    return this.opened(
      decided === undefined ? line : withFlags(line, decided),
      '',
      formats | this.formats,
      '',
      name,
      kind,
    )
  }

  /** The same for what may live long: its ids are texts of their own. */
  beginLasting(name: string, kind: SpanKind): TraceContext {
    this.ids.advance()
    return this.opened(ownText(this.ids.line), '', this.formats, '', name, kind)
  }

  private goOn(
    received: string,
    state: string,
    formats: number,
    decided: boolean | undefined,
    name: string,
    kind: SpanKind,
  ): TraceContext {
    const isSampled = decided === undefined || !this.policy.isParentBased ? this.ids.advance() : decided
    const own = makeTraceparent(received.slice(3, 35), this.ids.nextSpan(), isSampled)
    return this.opened(lineOf(own), state, formats, received.slice(36, 52), name, kind)
  }

  /** A span, if it is to be recorded or may turn out to be; else only its place. */
  private opened(
    line: string,
    state: string,
    formats: number,
    parentId: string,
    name: string,
    kind: SpanKind,
  ): TraceContext {
    const context = new TraceContext(line, state, formats, false)
    if (!context.isSampled && this.policy.keep === undefined) return context
    return new Span(this, name, kind, context, parentId, null)
  }

  childOf(parent: Span, name: string, kind: SpanKind): Span {
    const { line, state, formats } = parent
    const own = line.slice(0, 49) + this.ids.nextSpan() + line.slice(65)
    return new Span(this, name, kind, new TraceContext(own, state, formats, true), parent.spanId, parent)
  }

  /** What a request head says to its receiver, as lines. */
  linesOf(context: TraceContext): string {
    if (context.state === '' && context.formats === 0 && this.policy.propagation.w3c) return context.line
    return traceLines(context, this.policy.propagation.w3c)
  }

  /**
   * A message leaves for a pipeline that others share, or for a subject: its span, and what the message carries.
   * Undefined when there is nothing to carry.
   *
   * @param system as in the conventions for messaging: `sluice` inside of it, `nats` for subjects
   */
  send(
    from: TraceContext | null,
    operation: string,
    destination: string,
    system = 'sluice',
  ): TraceCarrier | undefined {
    if (from === null) return undefined
    if (!from.isRecorded) return carrierOf(from, 0)
    const span = (from as Span).child(`${operation} ${destination}`, SpanKind.producer)
    describeMessaging(span, system, operation, 'send', destination)
    span.end()
    return carrierOf(span, epochOf(span.startMs))
  }

  /**
   * A message has come that carries its place in a trace. What is not told to be recorded is not, here: the one who
   * might keep it for how it ends is elsewhere.
   */
  receive(
    [received, state, sentMs, baggage = '']: TraceCarrier,
    operation: string,
    destination: string,
    system = 'sluice',
  ): TraceContext {
    const traceparent = makeTraceparent(received.slice(3, 35), this.ids.nextSpan(), isSampled(received))
    const context = new TraceContext(lineOf(traceparent), state, this.formats, false)
    context.baggage = baggage
    if (!context.isSampled) return context
    const name = `${operation} ${destination}`
    const span = new Span(this, name, SpanKind.consumer, context, received.slice(36, 52), null)
    span.baggage = baggage
    describeMessaging(span, system, operation, 'process', destination)
    if (sentMs > 0) span.set('sluice.queue.duration', Math.max(0, epochOf(monotonicMs()) - sentMs) / 1000)
    return span
  }

  /**
   * One piece of work for many messages: a span in a trace of its own, linked to those of the messages. Null when none
   * of them is recorded.
   *
   * @param contexts `traceparent` of each
   * @param size how many messages there are, with those that stand in no trace
   */
  batch(
    name: string,
    contexts: readonly string[],
    size: number = contexts.length,
    kind: SpanKind = SpanKind.internal,
  ): Span | null {
    const links = contexts.filter(isSampled).slice(0, this.policy.linkLimit)
    if (links.length === 0) return null
    this.ids.advance()
    const context = new TraceContext(withFlags(this.ids.line, true), '', this.formats, true)
    const span = new Span(this, name, kind, context, '', null)
    span.links = links
    span.set('messaging.batch.message_count', size)
    return span
  }

  /** Whether a trace that was not chosen is recorded for how it ended. */
  keeps(root: Span): boolean {
    const { keep } = this.policy
    if (keep === undefined) return false
    if (keep.errors && root.error !== '') return true
    return keep.slowMs !== undefined && root.endMs - root.startMs >= keep.slowMs
  }

  ended(span: Span): void {
    this.outlet.take(span)
  }

  lost(reason: string, spans: number): void {
    this.outlet.lose(reason, spans)
  }
}

const carrierOf = ({ traceparent, state, baggage }: TraceContext, sentMs: number): TraceCarrier =>
  baggage === '' ? [traceparent, state, sentMs] : [traceparent, state, sentMs, baggage]

const withFlags = (line: string, isSampled: boolean): string =>
  `${line.slice(0, 66)}${isSampled ? '01' : '00'}\r\n`

function describeMessaging(
  span: Span,
  system: string,
  operation: string,
  type: 'send' | 'process',
  destination: string,
): void {
  span.set('messaging.system', system)
  span.set('messaging.operation.name', operation)
  span.set('messaging.operation.type', type)
  span.set('messaging.destination.name', destination)
}
