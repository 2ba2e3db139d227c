/** A trace goes on over subjects and questions: from a program that is not Sluice, through a node, to another program. */

import { connect, headers } from '@nats-io/transport-node'
import test from 'ava'
import { startNatsServer } from '../../support/nats-server.ts'
import { Occurrences } from '../../support/occurrences.ts'
import { OtlpReceiver } from '../../support/otlp-receiver.ts'
import { makeScript, startSluice } from '../../support/sluice.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const spanId = 'b7ad6b7169203331'

const script = `
import { Message, sluice } from 'sluice'
export default sluice()
  .listen('127.0.0.1:0').dummy()
  .subscribe('orders.*').ask('price').publish('priced')
  .pipeline('price', { placement: 'node' })
  .replaceMessage(() => new Message({}, '42'))
`

test('subscribe goes on with the trace of a message, ask and publish hand it on, and each is a span of it', async t => {
  const receiver = await OtlpReceiver.start(t)
  const { url } = await startNatsServer(t)
  const other = await connect({ servers: url })
  t.teardown(() => other.close())
  const priced = new Occurrences<Record<string, string>>()
  other.subscribe('priced', {
    callback: (_error, message) => {
      const fields = message.headers?.keys().map(name => [name, message.headers?.get(name) ?? ''])
      priced.add(Object.fromEntries(fields ?? []))
    },
  })
  await other.flush()
  const node = startSluice(
    t,
    [makeScript(t, script), `--nats=${url}`, '--node=n', `--otlp=${receiver.url}`],
    {
      env: { OTEL_BSP_SCHEDULE_DELAY: '20' },
    },
  )
  await node.port()
  const fields = headers()
  fields.set('traceparent', `00-${traceId}-${spanId}-01`)
  fields.set('tracestate', 'congo=t61rcWkgMzE')
  // The first may come before the subscription is made.
  const again = setInterval(() => other.publish('orders.7', 'x', { headers: fields }), 50)
  const { traceparent, tracestate } = await priced.next()
  clearInterval(again)
  t.regex(traceparent ?? '', new RegExp(`^00-${traceId}-[\\da-f]{16}-01$`))
  t.is(tracestate, 'congo=t61rcWkgMzE')
  const names = ['process orders.*', 'ask price', 'process price', 'publish priced']
  const spans = await receiver.spansWhen(all => names.every(name => all.some(span => span.name === name)))
  for (const name of names)
    t.true(
      spans.some(span => span.name === name && span.traceId === traceId),
      name,
    )
  t.true(spans.some(span => span.name === 'process orders.*' && span.parentSpanId === spanId))
  t.true(spans.some(span => span.name === 'publish priced' && span.spanId === traceparent?.slice(36, 52)))
})
