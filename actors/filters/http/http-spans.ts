// What traces show of HTTP: names and attributes by the conventions of OpenTelemetry. Called for recorded exchanges only,
// except for the decision which those are.

import { monotonicMs } from '../../../runtime/clock.ts'
import type { RequestHead } from '../../../runtime/codec/http1/index.ts'
import { parseBaggage } from '../../../runtime/trace/baggage.ts'
import { requestLines, type Span, SpanKind } from '../../../runtime/trace/span.ts'
import type { TraceContext } from '../../../runtime/trace/trace-context.ts'
import type { Tracer } from '../../../runtime/trace/tracer.ts'
import { tracing } from '../../../runtime/trace/tracing.ts'
import type { Pipeline, Upstream } from '../../pipeline.ts'
import { isKnownMethod } from './known-methods.ts'

/** Characters of a head that travel to the exporter; it makes attributes of what comes first. */
const mostHead = 4096

/**
 * A request has come in: this decides whether its trace is recorded.
 *
 * @param asideMs since when its bytes have waited for the exchanges before it; 0: they have not
 */
export function enterTrace(head: RequestHead, pipeline: Pipeline, asideMs: number): TraceContext {
  const tracer = tracing.tracer as Tracer
  const trace = tracer.enter(head, SpanKind.server)
  if (head.hasTrace && tracer.policy.propagation.baggage !== false)
    trace.baggage = parseBaggage(head.header('baggage') ?? '')
  if (trace.isRecorded) describeRequest(trace as Span, head, pipeline, asideMs)
  return trace
}

function describeRequest(span: Span, head: RequestHead, pipeline: Pipeline, asideMs: number): void {
  const { session } = pipeline
  const inbound = session.context.__inbound
  span.name = nameOf(head.method)
  span.set(requestLines, head.raw.length > mostHead ? head.raw.slice(0, mostHead) : head.raw)
  if (inbound !== undefined) {
    span.set('url.scheme', inbound.tls === undefined ? 'http' : 'https')
    span.set('network.peer.address', inbound.remoteAddress)
    span.set('network.peer.port', inbound.remotePort)
    span.set('sluice.listener.port', inbound.localPort)
  }
  span.set('network.protocol.version', head.httpMinor === 0 ? '1.0' : '1.1')
  span.set('sluice.session.id', session.id)
  span.set('sluice.pipeline.name', pipeline.layout.name)
  if (asideMs > 0) span.set('sluice.queue.duration', (monotonicMs() - asideMs) / 1000)
  const own = session.ownTrace
  if (own?.isRecorded === true) span.links = [own.traceparent]
}

export function endServerSpan(span: Span, route: string, status: number, fault: string): void {
  if (route !== '') {
    span.name = `${span.name} ${route}`
    span.set('http.route', route)
  }
  if (status !== 0) span.set('http.response.status_code', status)
  span.end(fault !== '' ? fault : status >= 500 ? String(status) : '')
}

export function beginClientSpan(parent: Span, head: object, sinceMs: number, resends: number): Span {
  const { method, path } = head as Partial<RequestHead>
  const given = String(method ?? 'GET')
  const span = parent.child(nameOf(given), SpanKind.client)
  span.set('http.request.method', nameOf(given) === 'HTTP' ? '_OTHER' : given)
  span.set('~path', String(path ?? '/'))
  span.set('network.protocol.version', '1.1')
  if (resends > 0) span.set('http.request.resend_count', resends)
  if (sinceMs > 0) {
    span.set('sluice.queue.duration', (span.startMs - sinceMs) / 1000)
    span.startMs = sinceMs
  }
  return span
}

export function endClientSpan(span: Span, upstream: Upstream | null, status: number, fault: string): void {
  if (upstream !== null) {
    span.set('server.address', upstream.host)
    span.set('server.port', upstream.port)
    span.set('network.peer.address', upstream.address)
    span.set('network.peer.port', upstream.port)
  }
  if (status !== 0) span.set('http.response.status_code', status)
  span.end(fault !== '' ? fault : status >= 400 ? String(status) : '')
}

/** A span is named for its method if that is a known one: clients could make up any number of others. */
const nameOf = (method: string): string => (isKnownMethod(method) ? method : 'HTTP')
