import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'
import type { ExecutionContext } from 'ava'
import { Occurrences } from './occurrences.ts'
import { readProtobuf, type Schema } from './protobuf.ts'

type Value = string | number | boolean

/** A span as it was received. */
export interface ReceivedSpan {
  readonly traceId: string
  readonly spanId: string
  /** '' at the root. */
  readonly parentSpanId: string
  readonly traceState: string
  readonly name: string
  /** 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: number
  readonly startNs: bigint
  readonly endNs: bigint
  readonly attributes: Readonly<Record<string, Value>>
  readonly events: readonly { readonly name: string; readonly attributes: Readonly<Record<string, Value>> }[]
  readonly droppedEvents: number
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[]
  /** 0 unset, 2 error. */
  readonly status: number
  readonly resource: Readonly<Record<string, Value>>
}

export interface ReceivedLog {
  readonly severity: string
  readonly body: string
  readonly traceId: string
  readonly spanId: string
  readonly attributes: Readonly<Record<string, Value>>
  readonly resource: Readonly<Record<string, Value>>
}

const anyValue: Schema = {
  1: ['stringValue', 'text'],
  2: ['boolValue', 'bool'],
  3: ['intValue', 'number'],
  4: ['doubleValue', 'double'],
}
const keyValue: Schema = { 1: ['key', 'text'], 2: ['value', anyValue] }
const resource: Schema = { 1: ['attributes', keyValue, true] }
const span: Schema = {
  1: ['traceId', 'hex'],
  2: ['spanId', 'hex'],
  3: ['traceState', 'text'],
  4: ['parentSpanId', 'hex'],
  5: ['name', 'text'],
  6: ['kind', 'number'],
  7: ['startTimeUnixNano', 'fixed64'],
  8: ['endTimeUnixNano', 'fixed64'],
  9: ['attributes', keyValue, true],
  11: [
    'events',
    { 1: ['timeUnixNano', 'fixed64'], 2: ['name', 'text'], 3: ['attributes', keyValue, true] },
    true,
  ],
  12: ['droppedEventsCount', 'number'],
  13: ['links', { 1: ['traceId', 'hex'], 2: ['spanId', 'hex'] }, true],
  15: ['status', { 3: ['code', 'number'] }],
}
const tracesRequest: Schema = {
  1: [
    'resourceSpans',
    { 1: ['resource', resource], 2: ['scopeSpans', { 2: ['spans', span, true] }, true] },
    true,
  ],
}
const log: Schema = {
  1: ['timeUnixNano', 'fixed64'],
  2: ['severityNumber', 'number'],
  3: ['severityText', 'text'],
  5: ['body', anyValue],
  6: ['attributes', keyValue, true],
  9: ['traceId', 'hex'],
  10: ['spanId', 'hex'],
}
const logsRequest: Schema = {
  1: [
    'resourceLogs',
    { 1: ['resource', resource], 2: ['scopeLogs', { 2: ['logRecords', log, true] }, true] },
    true,
  ],
}

const numbers: Schema = {
  1: ['dataPoints', { 4: ['asDouble', 'double'], 7: ['attributes', keyValue, true] }, true],
}
const histograms: Schema = {
  1: [
    'dataPoints',
    {
      4: ['count', 'fixed64'],
      5: ['sum', 'double'],
      6: ['bucketCounts', 'hex'],
      9: ['attributes', keyValue, true],
    },
    true,
  ],
}
const metricsRequest: Schema = {
  1: [
    'resourceMetrics',
    {
      1: ['resource', resource],
      2: [
        'scopeMetrics',
        {
          2: [
            'metrics',
            {
              1: ['name', 'text'],
              3: ['unit', 'text'],
              5: ['gauge', numbers],
              7: ['sum', numbers],
              9: ['histogram', histograms],
            },
            true,
          ],
        },
        true,
      ],
    },
    true,
  ],
}

/** A metric as it was received, with all its points. */
export interface ReceivedMetric {
  readonly name: string
  readonly unit: string
  readonly points: readonly {
    readonly attributes: Readonly<Record<string, Value>>
    /** Of a histogram the sum. */
    readonly value: number
    readonly count: number
    readonly bucketCounts: readonly number[]
  }[]
  readonly resource: Readonly<Record<string, Value>>
}

/** How the collector answers: 200 when it says nothing else. */
export type Answer = {
  readonly status?: number
  readonly headers?: Record<string, string>
  readonly body?: string
}

/** A collector: takes OTLP over HTTP, as protobuf or JSON, and keeps what it was sent. */
export class OtlpReceiver {
  readonly url: string
  readonly spans = new Occurrences<ReceivedSpan>()
  readonly logs = new Occurrences<ReceivedLog>()
  readonly metrics = new Occurrences<ReceivedMetric>()
  /** Headers of each request. */
  readonly requests = new Occurrences<IncomingMessage['headers'] & { readonly url: string }>()
  /** Asked before each answer; a promise that never settles is a collector that hangs. */
  answer: (url: string) => Answer | Promise<Answer> = () => ({})

  private constructor(port: number) {
    this.url = `http://127.0.0.1:${port}`
  }

  /** Starts it; it is gone when the test is over. */
  static async start(t: Pick<ExecutionContext, 'teardown'>, port = 0): Promise<OtlpReceiver> {
    const server = createServer()
    await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
    const receiver = new OtlpReceiver((server.address() as AddressInfo).port)
    server.on('request', (request, response) => void receiver.serve(request, response))
    t.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    return receiver
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { headers, url = '' } = request
    const raw = Buffer.concat(chunks)
    const bytes = headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw
    const isJSON = headers['content-type'] === 'application/json'
    this.requests.add({ ...headers, url })
    const { status = 200, headers: more, body } = await this.answer(url)
    if (status === 200) this.keep(url, bytes, isJSON)
    response.writeHead(status, { 'content-type': headers['content-type'] ?? '', ...more }).end(body)
  }

  private keep(url: string, bytes: Buffer, isJSON: boolean): void {
    const read = (schema: Schema): Record<string, unknown> =>
      isJSON ? JSON.parse(bytes.toString('utf8')) : readProtobuf(bytes, schema)
    if (url.endsWith('/v1/traces')) {
      for (const [owner, each] of items(read(tracesRequest), 'resourceSpans', 'scopeSpans', 'spans'))
        this.spans.add(spanOf(each, owner))
    } else if (url.endsWith('/v1/logs')) {
      for (const [owner, each] of items(read(logsRequest), 'resourceLogs', 'scopeLogs', 'logRecords'))
        this.logs.add(logOf(each, owner))
    } else if (url.endsWith('/v1/metrics')) {
      for (const [owner, each] of items(read(metricsRequest), 'resourceMetrics', 'scopeMetrics', 'metrics'))
        this.metrics.add(metricOf(each, owner))
    }
  }

  /** Resolves with all spans that came, as soon as `holds` for them. */
  async spansWhen(holds: (spans: readonly ReceivedSpan[]) => boolean): Promise<readonly ReceivedSpan[]> {
    const { seen } = this.spans
    while (!holds(seen)) await this.spans.next(() => holds(seen))
    return seen
  }
}

type Fields = Record<string, unknown>

function* items(request: Fields, outer: string, inner: string, leaf: string): Generator<[Fields, Fields]> {
  for (const each of (request[outer] ?? []) as Fields[])
    for (const scope of (each[inner] ?? []) as Fields[])
      for (const item of (scope[leaf] ?? []) as Fields[]) yield [(each.resource ?? {}) as Fields, item]
}

function attributesOf(given: unknown): Record<string, Value> {
  const attributes: Record<string, Value> = {}
  for (const { key, value } of (given ?? []) as { key: string; value: Record<string, Value> }[]) {
    const [name, content] = Object.entries(value ?? {})[0] ?? ['', '']
    attributes[key] = name === 'intValue' ? Number(content) : (content as Value)
  }
  return attributes
}

function spanOf(given: Fields, owner: Fields): ReceivedSpan {
  return {
    traceId: String(given.traceId),
    spanId: String(given.spanId),
    parentSpanId: String(given.parentSpanId ?? ''),
    traceState: String(given.traceState ?? ''),
    name: String(given.name),
    kind: Number(given.kind),
    startNs: BigInt(given.startTimeUnixNano as string),
    endNs: BigInt(given.endTimeUnixNano as string),
    attributes: attributesOf(given.attributes),
    events: ((given.events ?? []) as Fields[]).map(event => ({
      name: String(event.name),
      attributes: attributesOf(event.attributes),
    })),
    droppedEvents: Number(given.droppedEventsCount ?? 0),
    links: (given.links ?? []) as { traceId: string; spanId: string }[],
    status: Number((given.status as Fields | undefined)?.code ?? 0),
    resource: attributesOf(owner.attributes),
  }
}

function metricOf(given: Fields, owner: Fields): ReceivedMetric {
  const { dataPoints } = (given.gauge ?? given.sum ?? given.histogram) as { dataPoints: Fields[] }
  return {
    name: String(given.name),
    unit: String(given.unit ?? ''),
    points: dataPoints.map(point => ({
      attributes: attributesOf(point.attributes),
      value: Number(point.asDouble ?? point.sum ?? 0),
      count: Number(point.count ?? 0),
      bucketCounts: countsOf(point.bucketCounts),
    })),
    resource: attributesOf(owner.attributes),
  }
}

/** Packed 64-bit numbers in protobuf, an array in JSON. */
function countsOf(given: unknown): number[] {
  if (Array.isArray(given)) return given.map(Number)
  const bytes = Buffer.from(String(given ?? ''), 'hex')
  return Array.from({ length: bytes.length / 8 }, (_, i) => Number(bytes.readBigUInt64LE(i * 8)))
}

const logOf = (given: Fields, owner: Fields): ReceivedLog => ({
  severity: String(given.severityText),
  body: String((given.body as Fields | undefined)?.stringValue),
  traceId: String(given.traceId ?? ''),
  spanId: String(given.spanId ?? ''),
  attributes: attributesOf(given.attributes),
  resource: attributesOf(owner.attributes),
})
