/** What a thread has recorded and not handed over is lost with it, and counted. */

import test from 'ava'
import { SpanRecorder } from '../../../observability/tracing/span-recorder.ts'
import { type Span, SpanKind } from '../../../runtime/trace/span.ts'
import { Tracer } from '../../../runtime/trace/tracer.ts'
import { eventually } from '../../support/eventually.ts'
import { readExposition } from '../../support/exposition.ts'
import { OtlpReceiver } from '../../support/otlp-receiver.ts'
import { recordAll } from '../../support/recorded-spans.ts'
import { makeScript, startSluice } from '../../support/sluice.ts'

const script = `
  import { Message, sluice } from 'sluice'
  export default sluice().listen('127.0.0.1:0').serveHTTP(({ head }) => {
    if (head.path === '/die') setImmediate(() => { throw new Error('as it was told') })
    return new Message('ok')
  })`

test('spans of a thread that dies are exported or counted, each once', async t => {
  const receiver = await OtlpReceiver.start(t)
  const sluice = startSluice(
    t,
    [makeScript(t, script), '--admin-port=0', `--otlp=${receiver.url}`, '--threads=2'],
    { env: { OTEL_BSP_SCHEDULE_DELAY: '10' } },
  )
  const admin = /http:\S+/.exec((await sluice.line(/^Admin on/)).message)?.[0]
  const port = await sluice.port()
  const request = async (path: string): Promise<void> => {
    await (await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } })).text()
  }
  // What the thread has accepted when it dies is reset, so nobody else asks until it is gone.
  const die = async (): Promise<void> => {
    const died = sluice.line(/^ThreadDied$/)
    await request('/die')
    await died
  }
  await request('/')
  await request('/')
  await die()
  await request('/')
  await die()
  const read = async (): Promise<Record<string, number>> => {
    const families = readExposition(await (await fetch(`${admin}/metrics`)).text(), false)
    const counts: Record<string, number> = {}
    for (const [name, { samples }] of families)
      for (const { labels, value } of samples)
        if (labels.signal === 'traces') counts[`${name} ${labels.reason ?? ''}`.trim()] = value
    return counts
  }
  const counts = await eventually(read, each => each.sluice_telemetry_waiting === 0)
  const { sluice_telemetry_accepted_total: accepted = 0, sluice_telemetry_exported_total: exported = 0 } =
    counts
  const lost = counts['sluice_telemetry_dropped_total thread-died'] ?? 0
  // That of each request that was answered, and those of sessions that had ended.
  t.true(accepted >= 5, `${accepted} spans`)
  t.true(lost >= 1)
  t.is(accepted, exported + lost)
  t.is(receiver.spans.seen.length, exported)
})

test('a recorder tells in shared memory what it has and has not handed over', t => {
  const gathered = new Int32Array(1)
  const seen: number[] = []
  const recorder = new SpanRecorder(
    () => seen.push(gathered[0] as number),
    { batch: 4, delayMs: 60_000, window: 6 },
    gathered,
  )
  const tracer = new Tracer(recordAll, recorder)
  for (let i = 0; i < 3; i++) (tracer.begin('span', SpanKind.internal) as Span).end()
  recorder.lose('held', 2)
  t.is(gathered[0], 5)
  recorder.flush()
  t.is(gathered[0], 0)
  t.deepEqual(seen, [5], 'while they are handed over they count as not handed over')
  for (let i = 0; i < 4; i++) (tracer.begin('span', SpanKind.internal) as Span).end()
  t.is(gathered[0], 4, 'those for which there is no room have to be told, too')
})
