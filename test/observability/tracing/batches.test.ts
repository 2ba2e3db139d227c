import test from 'ava'
import { Message, sluice } from '../../../actors/index.ts'
import { ThreadSinks } from '../../../observability/sinks/thread-sinks.ts'
import { type Span, SpanKind } from '../../../runtime/trace/span.ts'
import { startElasticsearch } from '../../support/elasticsearch.ts'
import { Occurrences } from '../../support/occurrences.ts'
import { serve, until } from '../../support/proxy.ts'
import { recordSpans } from '../../support/recorded-spans.ts'
import { type LogLine, recordingLog } from '../../support/recording-log.ts'

const spans = recordSpans()

const request = async (port: number, path: string): Promise<void> =>
  void (await (await fetch(`http://127.0.0.1:${port}${path}`)).text())

test.serial(
  'a packed batch is one span, linked to the messages in it, and what is done with it stands below',
  async t => {
    spans.length = 0
    const seen: (string | undefined)[] = []
    const script = sluice()
      .listen('127.0.0.1:0')
      .demuxHTTP()
      .to($ =>
        $.fork()
          .to('log')
          .replaceMessage(() => new Message({ status: 200 }, 'ok')),
      )
      .pipeline('log', { placement: 'node', key: () => 'one' })
      .pack(3, { interval: 0 })
      .handleMessage(() => void seen.push(spans.find(span => span.name === 'pack')?.name))
      .dummy()
    const { running } = await serve(t, script)
    for (let i = 0; i < 3; i++) await request(running.port, `/${i}`)
    await until(() => spans.some(span => span.name === 'pack'))
    const batch = spans.find(span => span.name === 'pack') as Span
    const processed = spans.filter(span => span.name === 'process log')
    const messages = spans.filter(span => span.kind === SpanKind.server)
    t.is(messages.length, 3)
    t.deepEqual(
      batch.links,
      processed.map(span => span.traceparent),
    )
    t.deepEqual(
      processed.map(span => span.traceId),
      messages.map(span => span.traceId),
    )
    t.false(messages.some(span => span.traceId === batch.traceId))
    t.is(seen.length, 1)
  },
)

test.serial('a bulk request that stores documents is linked to the exchanges that they are of', async t => {
  spans.length = 0
  const server = await startElasticsearch(t)
  const sinks = new ThreadSinks({ log: recordingLog(new Occurrences<LogLine>()), thread: 0, threads: 1 })
  const script = sluice()
    .listen('127.0.0.1:0')
    .demuxHTTP()
    .to($ =>
      $.logTraffic('elasticsearch', {
        node: server.url,
        dataStream: 'logs-test-default',
        batchInterval: '20ms',
        batchCount: 2,
      }).replaceMessage(() => new Message({ status: 200 }, 'ok')),
    )
  const { running } = await serve(t, script, undefined, { sinks })
  t.teardown(() => running.host.stop())
  for (let i = 0; i < 2; i++) await request(running.port, `/${i}`)
  const written = (): Span[] => spans.filter(span => span.name.startsWith('write '))
  await until(() => written().flatMap(span => span.links ?? []).length === 2)
  const messages = spans.filter(span => span.kind === SpanKind.server)
  t.deepEqual(
    new Set(written().flatMap(span => span.links ?? [])),
    new Set(messages.map(span => span.traceparent)),
  )
  // The documents name the span of their exchange.
  await until(() => server.documents('logs-test-default').size === 2)
  t.true(
    messages.every(span =>
      JSON.stringify([...server.documents('logs-test-default').values()]).includes(span.spanId),
    ),
  )
})
