import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { type Span, SpanKind } from '../../../runtime/trace/span.ts'
import { type TracePolicy, Tracer } from '../../../runtime/trace/tracer.ts'
import { tracing } from '../../../runtime/trace/tracing.ts'
import { stable, startProxy } from '../../support/proxy.ts'
import { recordAll } from '../../support/recorded-spans.ts'

const policy: TracePolicy = { ...recordAll, eventLimit: 2, linkLimit: 2 }

/** A tracer that shows what it would export. */
function trace(changes: Partial<TracePolicy>): {
  tracer: Tracer
  spans: Span[]
  lost: Record<string, number>
} {
  const spans: Span[] = []
  const lost: Record<string, number> = {}
  const tracer = new Tracer(
    { ...policy, ...changes },
    {
      take: span => spans.push(span),
      lose: (reason, count) => {
        lost[reason] = (lost[reason] ?? 0) + count
      },
    },
  )
  return { tracer, spans, lost }
}

const noHead = { hasTrace: false, header: () => undefined }
const headWith = (traceparent: string) => ({
  hasTrace: true,
  header: (name: string) => (name === 'traceparent' ? traceparent : undefined),
})

for (const ratio of [0, 0.01, 0.5, 1]) {
  test(`of traces that begin here a share of ${ratio} is recorded, and told to be`, t => {
    const { tracer } = trace({ ratio })
    let recorded = 0
    for (let i = 0; i < 20_000; i++) {
      const place = tracer.enter(noHead, SpanKind.server)
      t.is(place.isRecorded, place.isSampled)
      if (place.isRecorded) recorded++
      // What others would decide by the last seven bytes of the id.
      const fraction = Number.parseInt(place.traceId.slice(18, 30), 16) / 2 ** 48
      t.is(place.isSampled, fraction >= 1 - ratio)
    }
    t.true(Math.abs(recorded / 20_000 - ratio) < 0.01, `${recorded} of 20000`)
  })
}

test('ids of traces and spans do not repeat', t => {
  const { tracer } = trace({ ratio: 0 })
  const traces = new Set<string>()
  for (let i = 0; i < 50_000; i++) traces.add(tracer.enter(noHead, SpanKind.server).traceId)
  t.is(traces.size, 50_000)
  const root = trace({}).tracer.begin('root', SpanKind.internal) as Span
  const spans = new Set([root.spanId])
  for (let i = 0; i < 5000; i++) spans.add(root.child('step', SpanKind.internal).spanId)
  t.is(spans.size, 5001)
})

test('a trace that comes in is recorded when it says so, whatever the share', t => {
  const id = '12345678901234567890123456789012'
  const { tracer } = trace({ ratio: 0.5 })
  for (let i = 0; i < 100; i++) {
    t.true(tracer.enter(headWith(`00-${id}-1234567890123456-01`), SpanKind.server).isRecorded)
    t.false(tracer.enter(headWith(`00-${id}-1234567890123456-00`), SpanKind.server).isRecorded)
  }
})

test('without regard to the parent the share decides for all, and is told', t => {
  const { tracer } = trace({ ratio: 0, isParentBased: false })
  const place = tracer.enter(
    headWith('00-12345678901234567890123456789012-1234567890123456-01'),
    SpanKind.server,
  )
  t.false(place.isRecorded)
  t.true(place.traceparent.endsWith('-00'))
})

test('a trace that was not chosen is kept with all its spans when it ends with an error, and dropped when not', t => {
  const { tracer, spans } = trace({ ratio: 0, keep: { errors: true, slowMs: undefined } })
  const good = tracer.begin('good', SpanKind.server) as Span
  good.child('step', SpanKind.client).end()
  good.end()
  t.deepEqual(spans, [])
  const bad = tracer.begin('bad', SpanKind.server) as Span
  bad.child('early', SpanKind.client).end('ConnectionReset')
  const late = bad.child('late', SpanKind.client)
  t.deepEqual(spans, [])
  bad.end('500')
  late.end()
  t.deepEqual(
    spans.map(span => span.name),
    ['early', 'bad', 'late'],
  )
})

test('a trace that was not chosen is kept when it took too long', t => {
  const { tracer, spans } = trace({ ratio: 0, keep: { errors: false, slowMs: 1000 } })
  for (const [name, tookMs] of [
    ['quick', 999],
    ['slow', 1001],
  ] as const) {
    const root = tracer.begin(name, SpanKind.server) as Span
    root.end('', root.startMs + tookMs)
  }
  t.deepEqual(
    spans.map(span => span.name),
    ['slow'],
  )
})

test('spans that are held for a trace that may be kept are bounded, and counted when they are too many', t => {
  const { tracer, spans, lost } = trace({ ratio: 0, keep: { errors: true, slowMs: undefined } })
  const root = tracer.begin('root', SpanKind.server) as Span
  for (let i = 0; i < 300; i++) root.child('step', SpanKind.internal).end()
  root.end('500')
  t.is(spans.length, 257)
  t.deepEqual(lost, { held: 44 })
})

test('a batch is linked to the traces in it that are recorded, within a limit', t => {
  const { tracer } = trace({})
  const contexts = ['01', '00', '01', '01'].map(
    (flags, i) => `00-${String(i).padStart(32, '1')}-1234567890123456-${flags}`,
  )
  const batch = tracer.batch('bulk', contexts)
  t.deepEqual(batch?.links, [contexts[0], contexts[2]] as string[])
  t.deepEqual(batch?.attributes, ['messaging.batch.message_count', 4])
  t.is(tracer.batch('bulk', [contexts[1] as string]), null)
})

// Those below look at one tracer after the other in a real proxy.

async function proxied(
  t: ExecutionContext,
  answers: (path: string) => number,
): Promise<(path: string) => Promise<number>> {
  const origin = createServer((request, response) => {
    const status = answers(request.url ?? '')
    if (status === 0) request.socket.destroy()
    else response.writeHead(status).end()
  })
  await new Promise<void>(resolve => origin.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    origin.closeAllConnections()
    origin.close()
  })
  const { running } = await startProxy(t, (origin.address() as AddressInfo).port)
  return async path => {
    const response = await fetch(`http://127.0.0.1:${running.port}${path}`)
    await response.text()
    return response.status
  }
}

test.serial(
  'exchanges that fail are kept although none was chosen: answers with 5xx, and upstreams that break off',
  async t => {
    const { tracer, spans } = trace({ ratio: 0, keep: { errors: true, slowMs: undefined } })
    tracing.tracer = tracer
    const get = await proxied(t, path =>
      path === '/bad' ? 503 : path === '/gone' ? 0 : path === '/missing' ? 404 : 200,
    )
    t.is(await get('/good'), 200)
    t.is(await get('/missing'), 404)
    t.is(await get('/bad'), 503)
    t.is(await get('/gone'), 502)
    await stable(() => spans.length)
    const servers = spans.filter(span => span.kind === SpanKind.server)
    t.deepEqual(
      servers.map(span => span.error),
      ['503', 'ConnectionReset'],
    )
    for (const server of servers)
      t.true(spans.some(span => span.kind === SpanKind.client && span.parentId === server.spanId))
  },
)

test.serial(
  'an exchange that is not recorded makes no span, and its upstream is told that it is not',
  async t => {
    const { tracer, spans } = trace({ ratio: 0 })
    tracing.tracer = tracer
    const get = await proxied(t, () => 200)
    for (let i = 0; i < 5; i++) await get('/')
    t.deepEqual(spans, [])
  },
)
