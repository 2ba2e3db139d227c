/** What becomes of spans when the collector is slow, busy, picky or gone: the traffic never waits, and the ledger balances. */

import { resourceFromAttributes } from '@opentelemetry/resources'
import test, { type ExecutionContext } from 'ava'
import type { ExportLimits } from '../../../observability/otlp/export-queue.ts'
import type { OtlpEndpoint } from '../../../observability/otlp/otlp-sender.ts'
import type { SpanValues } from '../../../observability/tracing/span-batch.ts'
import { packSpan, unpackSpans } from '../../../observability/tracing/span-batch.ts'
import { SpanIntake } from '../../../observability/tracing/span-intake.ts'
import { type SpanBatch, SpanRecorder } from '../../../observability/tracing/span-recorder.ts'
import { type Span, SpanKind } from '../../../runtime/trace/span.ts'
import { Tracer } from '../../../runtime/trace/tracer.ts'
import { OtlpReceiver } from '../../support/otlp-receiver.ts'
import { until } from '../../support/proxy.ts'
import { recordAll } from '../../support/recorded-spans.ts'

const policy = { ...recordAll, eventLimit: 9, linkLimit: 9 }

const limits: ExportLimits = { queue: 100, batch: 10, delayMs: 10, timeoutMs: 300 }

function intakeTo(url: string, more: Partial<ExportLimits> = {}, endpoint: Partial<OtlpEndpoint> = {}) {
  const dropped: string[] = []
  const intake = new SpanIntake({
    endpoint: {
      url: `${url}/v1/traces`,
      headers: {},
      protocol: 'http/protobuf',
      isCompressed: false,
      timeoutMs: 5000,
      ...endpoint,
    },
    limits: { ...limits, ...more },
    resource: resourceFromAttributes({ 'service.name': 'test' }),
    scope: { name: 'sluice' },
    dropped: (reason, spans) => dropped.push(`${spans} ${reason}`),
  })
  return { intake, dropped }
}

/** Spans as a thread would hand them over. */
function spansOf(count: number): SpanBatch {
  const values: SpanValues = []
  const tracer = new Tracer(policy, { take: span => packSpan(span, values), lose: () => {} })
  for (let i = 0; i < count; i++) (tracer.begin(`span ${i}`, SpanKind.internal) as Span).end()
  return { spans: count, values, lost: {} }
}

const isBalanced = (t: ExecutionContext, { intake }: { intake: SpanIntake }): void => {
  const { accepted, exported, dropped, waiting } = intake.ledger
  t.is(accepted, exported + Object.values(dropped).reduce((sum, each) => sum + each, 0) + waiting)
}

for (const protocol of ['http/protobuf', 'http/json'] as const) {
  for (const isCompressed of [false, true]) {
    test(`spans arrive as ${protocol}${isCompressed ? ', compressed' : ''}, with the headers that were asked for`, async t => {
      const receiver = await OtlpReceiver.start(t)
      const made = intakeTo(receiver.url, {}, { protocol, isCompressed, headers: { 'api-key': 'secret' } })
      made.intake.take(3, spansOf(25))
      await made.intake.close(5000)
      t.is(receiver.spans.seen.length, 25)
      t.deepEqual(
        receiver.spans.seen.map(span => span.name).sort(),
        Array.from({ length: 25 }, (_, i) => `span ${i}`).sort(),
      )
      t.is(receiver.spans.seen[0]?.attributes['thread.id'], 3)
      t.is(receiver.requests.seen[0]?.['api-key'], 'secret')
      t.like(made.intake.ledger, { accepted: 25, exported: 25, waiting: 0 })
    })
  }
}

test('a collector that is not there costs spans, which are counted, and nothing else', async t => {
  const made = intakeTo('http://127.0.0.1:1')
  for (let i = 0; i < 30; i++) made.intake.take(0, spansOf(10))
  isBalanced(t, made)
  t.is(made.intake.ledger.waiting, 100)
  t.is(made.intake.ledger.dropped['queue-full'], 200)
  await until(() => made.intake.ledger.waiting === 0)
  t.is(made.intake.ledger.dropped['export-failed'], 100)
  isBalanced(t, made)
  t.true(made.dropped.length > 0)
  await made.intake.close(100)
})

test('a collector that never answers is given up on after the time-out', async t => {
  const receiver = await OtlpReceiver.start(t)
  receiver.answer = () => new Promise(() => {})
  const made = intakeTo(receiver.url, {}, { timeoutMs: 100 })
  made.intake.take(0, spansOf(20))
  await until(() => made.intake.ledger.waiting === 0)
  t.deepEqual(made.intake.ledger.dropped, { 'export-failed': 20 })
  await made.intake.close(100)
})

test('a busy collector gets the same batch again, and nothing is lost', async t => {
  const receiver = await OtlpReceiver.start(t)
  let answers = 0
  receiver.answer = () =>
    answers++ < 3 ? { status: answers === 1 ? 429 : 503, headers: { 'retry-after': '0' } } : {}
  const made = intakeTo(receiver.url, { timeoutMs: 5000 })
  made.intake.take(0, spansOf(20))
  await until(() => made.intake.ledger.waiting === 0)
  t.like(made.intake.ledger, { exported: 20, dropped: {} })
  t.is(receiver.spans.seen.length, 20)
  await made.intake.close(100)
})

test('what the collector refuses is not sent again', async t => {
  const receiver = await OtlpReceiver.start(t)
  receiver.answer = () => ({ status: 400 })
  const made = intakeTo(receiver.url)
  made.intake.take(0, spansOf(10))
  await until(() => made.intake.ledger.waiting === 0)
  t.is(receiver.requests.seen.length, 1)
  t.deepEqual(made.intake.ledger.dropped, { refused: 10 })
  await made.intake.close(100)
})

test('spans that the collector says it has rejected are counted as dropped', async t => {
  const receiver = await OtlpReceiver.start(t)
  receiver.answer = () => ({
    body: JSON.stringify({ partialSuccess: { rejectedSpans: 3, errorMessage: 'too old' } }),
  })
  const made = intakeTo(receiver.url, {}, { protocol: 'http/json' })
  made.intake.take(0, spansOf(10))
  await until(() => made.intake.ledger.waiting === 0)
  t.like(made.intake.ledger, { exported: 7, dropped: { rejected: 3 } })
  await made.intake.close(100)
})

test('closing sends what waits, and gives up the rest when its time is over', async t => {
  const receiver = await OtlpReceiver.start(t)
  receiver.answer = () => new Promise(() => {})
  const made = intakeTo(receiver.url, { delayMs: 60_000, timeoutMs: 60_000 }, { timeoutMs: 60_000 })
  made.intake.take(0, spansOf(80))
  await made.intake.close(50)
  isBalanced(t, made)
  t.is(made.intake.ledger.dropped.closed, 40)
  made.intake.take(0, spansOf(1))
  isBalanced(t, made)
})

test('a main thread that does not keep up costs the thread no memory: what is over the window is dropped and told', t => {
  const batches: SpanBatch[] = []
  const recorder = new SpanRecorder(batch => batches.push(batch), { batch: 4, delayMs: 60_000, window: 8 })
  const tracer = new Tracer(policy, recorder)
  const make = (count: number): void => {
    for (let i = 0; i < count; i++) (tracer.begin('span', SpanKind.internal) as Span).end()
  }
  make(13)
  t.deepEqual(
    batches.map(batch => batch.spans),
    [4, 4],
  )
  recorder.taken(4)
  make(4)
  t.is(batches.length, 3)
  t.deepEqual(batches[2]?.lost, { 'thread-window': 5 })
  recorder.flush()
  const names = batches.flatMap(batch => unpackSpans(batch.values)).length
  t.is(names, 12)
})

test('spans of a companion go on with those of its thread, in one window, and what it lost is told', t => {
  const own: SpanBatch[] = []
  const recorder = new SpanRecorder(batch => own.push(batch), { batch: 4, delayMs: 60_000, window: 8 })
  const companion = new SpanRecorder(batch => recorder.relay(batch))
  const named = (name: string, to: SpanRecorder): void =>
    (new Tracer(policy, to).begin(name, SpanKind.internal) as Span).end()
  named('own', recorder)
  for (let i = 0; i < 3; i++) named('relayed', companion)
  companion.lose('thread-window', 2)
  companion.flush()
  t.deepEqual(
    own.flatMap(batch => unpackSpans(batch.values)).map(({ name }) => name),
    ['own', 'relayed', 'relayed', 'relayed'],
  )
  t.deepEqual(own[0]?.lost, { 'thread-window': 2 })
  for (let i = 0; i < 5; i++) named('relayed', companion)
  companion.flush()
  recorder.flush()
  t.deepEqual(own[1]?.lost, { 'thread-window': 5 })
  t.is(own[1]?.spans, 0)
})

test('a span is read as it was packed', t => {
  const values: SpanValues = []
  const tracer = new Tracer(policy, { take: span => packSpan(span, values), lose: () => {} })
  const root = tracer.begin('root', SpanKind.server) as Span
  root.links = ['00-12345678901234567890123456789012-1234567890123456-01']
  root.set('text', 'a')
  root.set('number', 1.5)
  root.set('flag', true)
  root.events = ['Data', root.startMs, 7]
  const child = root.child('child', SpanKind.client)
  child.end('404')
  root.end()
  const [first, second] = unpackSpans(values)
  t.like(first, {
    name: 'child',
    kind: 2,
    parentId: root.spanId,
    error: '404',
    attributes: [],
    events: [],
    links: [],
  })
  t.like(second, {
    name: 'root',
    kind: 1,
    parentId: '',
    traceparent: root.traceparent,
    attributes: ['text', 'a', 'number', 1.5, 'flag', true],
    links: root.links,
  })
  t.like(second?.events[0], { name: 'Data', bytes: 7 })
  t.true(Math.abs((second?.startMs ?? 0) - Date.now()) < 10_000)
})
