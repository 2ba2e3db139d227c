import { type Attributes, type HrTime, type SpanContext, SpanStatusCode } from '@opentelemetry/api'
import { type InstrumentationScope, TraceState } from '@opentelemetry/core'
import type { Resource } from '@opentelemetry/resources'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { attributesOf } from './span-attributes.ts'
import type { PackedSpan } from './span-batch.ts'

/** Seconds and nanoseconds. */
export function hrTimeOf(epochMs: number): HrTime {
  const seconds = Math.floor(epochMs / 1000)
  return [seconds, Math.round((epochMs - seconds * 1000) * 1e6)]
}

const contextOf = (traceparent: string, state: string, isRemote: boolean): SpanContext => ({
  traceId: traceparent.slice(3, 35),
  spanId: traceparent.slice(36, 52),
  traceFlags: traceparent.charCodeAt(54) & 1,
  isRemote,
  ...(state === '' ? undefined : { traceState: new TraceState(state) }),
})

/** A record in the form that the serializers of the SDK take. */
export function readableSpan(
  span: PackedSpan,
  thread: number,
  resource: Resource,
  scope: InstrumentationScope,
): ReadableSpan {
  const context = contextOf(span.traceparent, span.state, false)
  const attributes: Attributes = attributesOf(span.attributes)
  attributes['thread.id'] = thread
  if (span.error !== '') attributes['error.type'] = span.error
  return {
    name: span.name,
    kind: span.kind,
    spanContext: () => context,
    ...(span.parentId === ''
      ? undefined
      : {
          parentSpanContext: {
            ...context,
            spanId: span.parentId,
            isRemote: span.kind === 1 || span.kind === 4,
          },
        }),
    startTime: hrTimeOf(span.startMs),
    endTime: hrTimeOf(span.endMs),
    duration: hrTimeOf(span.endMs - span.startMs),
    ended: true,
    status: { code: span.error === '' ? SpanStatusCode.UNSET : SpanStatusCode.ERROR },
    attributes,
    events: span.events.map(({ name, atMs, bytes }) => ({
      name,
      time: hrTimeOf(atMs),
      attributes: { 'sluice.event.bytes': bytes },
      droppedAttributesCount: 0,
    })),
    links: span.links.map(link => ({ context: contextOf(link, '', false), attributes: {} })),
    resource,
    instrumentationScope: scope,
    droppedAttributesCount: 0,
    droppedEventsCount: span.droppedEvents,
    droppedLinksCount: 0,
  }
}
