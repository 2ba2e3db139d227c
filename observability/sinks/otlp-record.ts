import type { SinkEntry } from '../../actors/sink.ts'

/** A value of OTLP, in its JSON: 64-bit numbers are text there. */
export interface AnyValue {
  readonly stringValue?: string
  readonly boolValue?: boolean
  readonly intValue?: string
  readonly doubleValue?: number
  readonly arrayValue?: { readonly values: readonly AnyValue[] }
  readonly kvlistValue?: { readonly values: readonly KeyValue[] }
}

interface KeyValue {
  readonly key: string
  readonly value: AnyValue
}

function anyValue(value: unknown): AnyValue {
  switch (typeof value) {
    case 'string':
      return { stringValue: value }
    case 'boolean':
      return { boolValue: value }
    case 'number':
      return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value }
  }
  if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValue) } }
  // Null is a value without any of the fields.
  return value === null || value === undefined ? {} : { kvlistValue: keyValues(value) }
}

export const keyValues = (object: object): { values: KeyValue[] } => ({
  values: Object.entries(object).map(([key, value]) => ({ key, value: anyValue(value) })),
})

/** Numbers of the data model of logs for what went well and what did not. */
const severities = {
  info: { severityNumber: 9, severityText: 'INFO' },
  error: { severityNumber: 17, severityText: 'ERROR' },
}

/** A document as a log record. */
export function logRecord(entry: SinkEntry, observedMs: number, isStructured: boolean): object {
  const { id, timeMs, json, traceId, spanId } = entry
  const document = isStructured
    ? (JSON.parse(json.toString()) as { event?: { outcome?: unknown } })
    : undefined
  return {
    timeUnixNano: nanoseconds(timeMs),
    observedTimeUnixNano: nanoseconds(observedMs),
    ...(document === undefined
      ? {}
      : document.event?.outcome === 'failure'
        ? severities.error
        : severities.info),
    body: document === undefined ? { stringValue: json.toString() } : anyValue(document),
    attributes: [{ key: 'log.record.uid', value: { stringValue: id } }],
    ...(traceId !== undefined && { traceId }),
    ...(spanId !== undefined && { spanId }),
  }
}

/** Milliseconds since the epoch; a fraction of one counts. */
const nanoseconds = (ms: number): string =>
  `${Math.floor(ms)}${String(Math.floor((ms % 1) * 1e6)).padStart(6, '0')}`
