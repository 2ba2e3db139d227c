/** One trace over two nodes: the edge that took the request, and the logger that was told, questioned, and sent to for good. */

// One after the other: each starts processes of its own.
import test, { type ExecutionContext } from 'ava'
import { startNatsServer } from '../../support/nats-server.ts'
import { OtlpReceiver, type ReceivedSpan } from '../../support/otlp-receiver.ts'
import { makeScript, type SluiceProcess, startSluice } from '../../support/sluice.ts'

const script = `
  import { Message, sluice } from 'sluice'
  export default sluice()
    .listen('127.0.0.1:0', { role: 'edge' }).demuxHTTP().to($ => $
      .fork().to('seen')
      .fork().to('kept')
      .publish('orders')
      .ask('count', { deadline: '10s' }))
    .pipeline('seen', { placement: 'cluster', role: 'log' }).dummy()
    .pipeline('kept', { placement: 'cluster', role: 'log', delivery: 'at-least-once' })
      .replaceMessage(() => new Message({ status: 201 }))
    .pipeline('count', { placement: 'cluster', role: 'log' })
      .replaceMessage(() => new Message({ status: 200 }, 'counted'))
    .subscribe('orders', { role: 'log' }).dummy()`

const env = { OTEL_BSP_SCHEDULE_DELAY: '20' }

const startNode = (
  t: ExecutionContext,
  role: string,
  nats: string,
  receiver: OtlpReceiver,
  file: string,
): SluiceProcess =>
  startSluice(
    t,
    [
      file,
      `--nats=${nats}`,
      `--node=${role}-1`,
      `--roles=${role}`,
      `--otlp=${receiver.url}`,
      '--log-level=info',
    ],
    { env: { ...env, OTEL_SERVICE_NAME: role } },
  )

test.serial('a request is one trace over edge and logger, however it got there', async t => {
  const receiver = await OtlpReceiver.start(t)
  const nats = await startNatsServer(t)
  const file = makeScript(t, script)
  startNode(t, 'log', nats.url, receiver, file)
  const edge = startNode(t, 'edge', nats.url, receiver, file)
  const port = await edge.port()
  // The logger may not have been heard of yet.
  let answer = ''
  while (answer !== 'counted') answer = await (await fetch(`http://127.0.0.1:${port}/`)).text()
  const wanted = ['process seen', 'process kept', 'process count']
  const arrivals = (spans: readonly ReceivedSpan[], traceId: string): ReceivedSpan[] =>
    spans.filter(span => span.traceId === traceId && span.resource['service.name'] === 'log')
  const wholeTrace = (spans: readonly ReceivedSpan[]): string | undefined =>
    spans
      .filter(span => span.kind === 2 && span.attributes['http.response.status_code'] === 200)
      .map(span => span.traceId)
      .find(traceId => {
        const names = arrivals(spans, traceId).map(span => span.name)
        return wanted.every(name => names.includes(name)) && names.some(name => name.includes('orders'))
      })
  const spans = await receiver.spansWhen(all => wholeTrace(all) !== undefined)
  const traceId = wholeTrace(spans) as string
  const message = spans.find(span => span.traceId === traceId && span.kind === 2) as ReceivedSpan
  t.is(message.resource['service.name'], 'edge')
  const byId = new Map(spans.map(span => [span.spanId, span]))
  for (const arrival of arrivals(spans, traceId)) {
    const sent = byId.get(arrival.parentSpanId) as ReceivedSpan
    t.is(sent.kind, 4, `${arrival.name} was sent`)
    t.is(sent.resource['service.name'], 'edge')
    t.is(sent.parentSpanId, message.spanId)
    t.is(arrival.kind, 5)
  }
})
