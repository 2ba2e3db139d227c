/** A document says where in a trace its exchange stands: as our span there, which is what the upstream is told. */

import test from 'ava'
import { recordSpans } from '../../support/recorded-spans.ts'
import { answering, ask, reply, Upstream } from '../../support/upstream.ts'
import { startLogging } from './support.ts'

const spans = recordSpans()

test('trace.id is that of the trace that came in, span.id that of the span of the exchange', async t => {
  const upstream = await Upstream.start(
    t,
    answering(() => reply('fine')),
  )
  const { proxy, sinks, next } = await startLogging(t, upstream.port)
  const client = await proxy.client()
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  await client.ask(ask('/', `traceparent: 00-${traceId}-b7ad6b7169203331-01`))
  const document = await next()
  t.is(document.trace.id, traceId)
  t.not(document.span.id, 'b7ad6b7169203331')
  t.true(spans.some(span => span.spanId === document.span.id))
  t.like(sinks.entries[0], { traceId, spanId: document.span.id })
})

test('a trace that begins here is told as well', async t => {
  const upstream = await Upstream.start(
    t,
    answering(() => reply('fine')),
  )
  const { proxy, next } = await startLogging(t, upstream.port)
  const client = await proxy.client()
  await client.ask(ask('/'))
  const { trace, span } = await next()
  t.regex(trace.id, /^[\da-f]{32}$/)
  t.true(spans.some(each => each.traceId === trace.id && each.spanId === span.id))
})
