import { type HrTime, ValueType } from '@opentelemetry/api'
import type { InstrumentationScope } from '@opentelemetry/core'
import type { Resource } from '@opentelemetry/resources'
import {
  AggregationTemporality,
  type DataPoint,
  DataPointType,
  type Histogram,
  type MetricData,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics'
import { hrTimeOf } from '../tracing/readable-span.ts'
import type { MetricFamily } from './families.ts'

/** When what is counted began, and when it was read. */
interface Span {
  readonly startTime: HrTime
  readonly endTime: HrTime
}

/** Metrics as OTLP has them: sums and histograms are cumulative, from the start of the process. */
export function resourceMetrics(
  families: readonly MetricFamily[],
  resource: Resource,
  scope: InstrumentationScope,
  startMs: number,
  nowMs: number,
): ResourceMetrics {
  const span = { startTime: hrTimeOf(startMs), endTime: hrTimeOf(nowMs) }
  return { resource, scopeMetrics: [{ scope, metrics: families.map(family => metricOf(family, span)) }] }
}

function metricOf(family: MetricFamily, span: Span): MetricData {
  const shared = {
    descriptor: {
      name: family.otelName,
      description: family.help,
      unit: family.unit,
      valueType: ValueType.DOUBLE,
    },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  }
  switch (family.type) {
    case 'gauge':
      return { ...shared, dataPointType: DataPointType.GAUGE, dataPoints: numbers(family, span) }
    case 'counter':
      return {
        ...shared,
        dataPointType: DataPointType.SUM,
        isMonotonic: true,
        dataPoints: numbers(family, span),
      }
    case 'histogram':
      return { ...shared, dataPointType: DataPointType.HISTOGRAM, dataPoints: histograms(family, span) }
    default:
      return family.type satisfies never
  }
}

const numbers = (family: MetricFamily, span: Span): DataPoint<number>[] =>
  family.series.map(({ labels, value }) => ({ ...span, attributes: attributesOf(family, labels), value }))

const histograms = (family: MetricFamily, span: Span): DataPoint<Histogram>[] =>
  family.series.map(({ labels, value, counts }) => ({
    ...span,
    attributes: attributesOf(family, labels),
    value: {
      buckets: { boundaries: [...family.buckets], counts: [...counts] },
      sum: value,
      count: counts.reduce((sum, count) => sum + count, 0),
    },
  }))

/** Attributes have dots where Prometheus' labels have underscores; those of the conventions are mapped back. */
function attributesOf(
  { labelNames }: MetricFamily,
  labels: readonly string[],
): Record<string, string | number> {
  const attributes: Record<string, string | number> = {}
  for (const [i, label] of labelNames.entries()) {
    const value = labels[i] ?? ''
    if (value !== '')
      attributes[attributeNames[label] ?? label] = isNumeric.has(label) ? Number(value) : value
  }
  return attributes
}

const attributeNames: Readonly<Record<string, string>> = {
  http_request_method: 'http.request.method',
  http_response_status_code: 'http.response.status_code',
  error_type: 'error.type',
  server_address: 'server.address',
  server_port: 'server.port',
  network_io_direction: 'network.io.direction',
}

const isNumeric: ReadonlySet<string> = new Set(['http_response_status_code', 'server_port', 'port', 'thread'])
