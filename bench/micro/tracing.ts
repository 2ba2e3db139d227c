/**
 * What tracing costs the thread that carries the traffic, per proxied exchange: the benchmark `exchange` with a tracer.
 * Spans are handed to another thread, as in the real thing, which throws them away. Prints nanoseconds per exchange.
 *
 *     node bench/micro/tracing.ts [off | 0 | 0.01 | 1 | keep | filter | event]
 */

import { Worker } from 'node:worker_threads'
import { SpanRecorder } from '../../observability/tracing/span-recorder.ts'
import { type TracePolicy, Tracer } from '../../runtime/trace/tracer.ts'
import { tracing } from '../../runtime/trace/tracing.ts'

const mode = process.argv[2] ?? '1'

const policy: TracePolicy = {
  ratio: mode === 'filter' || mode === 'event' ? 1 : mode === 'keep' ? 0 : Number(mode),
  isParentBased: true,
  level: mode === 'filter' || mode === 'event' ? mode : 'message',
  keep: mode === 'keep' ? { errors: true, slowMs: 1000 } : undefined,
  propagation: { w3c: true, b3: false, b3Multi: false },
  eventLimit: 128,
  linkLimit: 128,
}

if (mode !== 'off') {
  const other = new Worker(
    "const { parentPort } = require('node:worker_threads'); parentPort.on('message', b => parentPort.postMessage(b.spans))",
    { eval: true },
  )
  other.unref()
  const recorder = new SpanRecorder(batch => other.postMessage(batch), {
    batch: 256,
    delayMs: 100,
    window: Number.MAX_SAFE_INTEGER,
  })
  other.on('message', spans => recorder.taken(spans))
  tracing.tracer = new Tracer(policy, recorder)
}
await import('./exchange.ts')
process.exit()
