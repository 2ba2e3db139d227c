// Hot path: one object for a connection, whose fields are those of the exchange that goes on.

import { monotonicMs } from '../../../runtime/clock.ts'
import type { RequestHead } from '../../../runtime/codec/http1/index.ts'
import type { Span } from '../../../runtime/trace/span.ts'
import type { TraceContext } from '../../../runtime/trace/trace-context.ts'
import { tracing } from '../../../runtime/trace/tracing.ts'
import { turn } from '../../../runtime/turn.ts'
import type { Pipeline } from '../../pipeline.ts'
import { type ServerMetrics, serverMetrics } from './http-metrics.ts'
import { endServerSpan, enterTrace } from './http-spans.ts'

/** What metrics and the trace are told of the exchanges of a connection, which come one after the other. */
export class ServerRecord {
  /** Where in a trace the exchange stands; null when tracing is off. */
  trace: TraceContext | null = null
  /** The status sent, and what went wrong. */
  status = 0
  fault = ''
  /** What the script calls its route; '' when it does not, and whether it has been asked. */
  route = ''
  isRouteKnown = false
  private metrics: ServerMetrics | null = null
  /** When the request came; 0 when there is none. */
  private startMs = 0
  /** Since when pipelined bytes have waited. */
  private asideMs = 0

  setAside(): void {
    if (tracing.tracer !== null) this.asideMs = monotonicMs()
  }

  begin(head: RequestHead, pipeline: Pipeline): void {
    this.metricsOf(pipeline).active.value++
    this.startMs = turn.nowMs()
    this.status = 0
    this.fault = ''
    this.route = ''
    this.isRouteKnown = false
    if (tracing.tracer === null) return
    this.trace = enterTrace(head, pipeline, this.asideMs)
    this.asideMs = 0
  }

  /** The exchange is over, or will never be. */
  end(request: RequestHead | null, isAnswered: boolean): void {
    const { metrics, trace, status, startMs, route } = this
    if (startMs === 0 || metrics === null) return
    this.startMs = 0
    const fault = !isAnswered && this.fault === '' ? 'ConnectionAborted' : this.fault
    metrics.active.value--
    const durations = route === '' ? metrics.durations : metrics.ofRoute(route)
    durations.ended(request?.method ?? '', status, fault, turn.elapsedMs(startMs), trace)
    if (trace === null) return
    this.trace = null
    if (trace.isRecorded) endServerSpan(trace as Span, route, status, fault)
  }

  /** Bytes came that are no request. */
  refused(pipeline: Pipeline, status: number): void {
    this.metricsOf(pipeline).durations.ended('', status, 'ProtocolError', 0, null)
  }

  private metricsOf(pipeline: Pipeline): ServerMetrics {
    this.metrics ??= serverMetrics(pipeline.session.context.__inbound?.localPort ?? 0)
    return this.metrics
  }
}
