/** What a script says while it works on a traced exchange names the trace, however late it is said. */

import test, { type ExecutionContext } from 'ava'
import { OtlpReceiver, type ReceivedSpan } from '../../support/otlp-receiver.ts'
import { type Line, makeScript, type SluiceProcess, startSluice } from '../../support/sluice.ts'

type TracedLine = Line & { readonly trace_id?: string; readonly span_id?: string }

const start = (
  t: ExecutionContext,
  script: string,
  receiver: OtlpReceiver,
  args: readonly string[] = [],
): SluiceProcess =>
  startSluice(t, [makeScript(t, script), `--otlp=${receiver.url}`, ...args], {
    env: { OTEL_BSP_SCHEDULE_DELAY: '20', OTEL_BLRP_SCHEDULE_DELAY: '20' },
  })

const said = (sluice: SluiceProcess, pattern: RegExp): Promise<TracedLine> =>
  sluice.line(pattern) as Promise<TracedLine>

const serverSpan = async (receiver: OtlpReceiver, path: string): Promise<ReceivedSpan> => {
  const isIt = (span: ReceivedSpan): boolean => span.kind === 2 && span.attributes['url.path'] === path
  return (await receiver.spansWhen(all => all.some(isIt))).find(isIt) as ReceivedSpan
}

test.serial('a line that is written after an await names the trace of its own exchange', async t => {
  const receiver = await OtlpReceiver.start(t)
  const sluice = start(
    t,
    `
    import { Message, sluice } from 'sluice'
    // The first of two exchanges goes on when the second has come: their work is mixed.
    const both = Promise.withResolvers<void>()
    let seen = 0
    export default sluice().listen('127.0.0.1:0').demuxHTTP().to($ => $
      .handleMessageStart(async msg => {
        if (++seen === 2) both.resolve()
        await both.promise
        console.log('awaited', msg.head.path)
      })
      .replaceMessage(async msg => {
        await undefined
        console.log('answering', msg.head.path)
        return new Message('ok')
      }))`,
    receiver,
  )
  const port = await sluice.port()
  await Promise.all(['/1', '/2'].map(path => fetch(`http://127.0.0.1:${port}${path}`)))
  // Who comes first is not known: lines are looked up when all are there.
  await said(sluice, /^answering/)
  await said(sluice, /^answering/)
  const lineOf = (message: string): TracedLine =>
    sluice.lines.seen.find(line => line.message === message) as TracedLine
  for (const path of ['/1', '/2']) {
    const { traceId, spanId } = await serverSpan(receiver, path)
    t.like(lineOf(`awaited ${path}`), { trace_id: traceId, span_id: spanId })
    t.like(lineOf(`answering ${path}`), { trace_id: traceId, span_id: spanId })
  }
})

test.serial(
  'work that a callback leaves behind names its trace, and what repeats by itself names none',
  async t => {
    const receiver = await OtlpReceiver.start(t)
    const sluice = start(
      t,
      `
    import { Message, sluice } from 'sluice'
    const later = async (path: string) => {
      await new Promise(resolve => setImmediate(resolve))
      for (let i = 0; i < 12; i++) console.warn('left behind')
    }
    export default sluice().listen('127.0.0.1:0').serveHTTP(msg => {
      void later(msg.head.path)
      return new Message('ok')
    })`,
      receiver,
    )
    await fetch(`http://127.0.0.1:${await sluice.port()}/left`)
    const { traceId, spanId } = await serverSpan(receiver, '/left')
    t.like(await said(sluice, /^left behind$/), { trace_id: traceId, span_id: spanId })
    t.is((await said(sluice, /^2 more like this/)).trace_id, undefined)
  },
)

test.serial('where the trace is not recorded, an asynchronous callback still names it', async t => {
  const receiver = await OtlpReceiver.start(t)
  const sluice = start(
    t,
    `
    import { Message, sluice } from 'sluice'
    export default sluice().listen('127.0.0.1:0').serveHTTP(async msg => {
      await undefined
      console.log('awaited', msg.head.path)
      return new Message('ok')
    })`,
    receiver,
    ['--trace-sample=0'],
  )
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-00` }
  await fetch(`http://127.0.0.1:${await sluice.port()}/unsampled`, { headers })
  t.is((await said(sluice, /^awaited/)).trace_id, traceId)
})
