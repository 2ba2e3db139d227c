/** The module of the companion of a thread that carries traffic: it hosts the sinks of that thread. */

import { parentPort, workerData } from 'node:worker_threads'
import { toFault } from '../../../runtime/pool/transfer.ts'
import { Tracer } from '../../../runtime/trace/tracer.ts'
import { tracing } from '../../../runtime/trace/tracing.ts'
import { createLogger } from '../../log.ts'
import { LogRelay } from '../../log-relay.ts'
import { SpanRecorder } from '../../tracing/span-recorder.ts'
import { ThreadSinks } from '../thread-sinks.ts'
import type { CompanionSetup, FromCompanion, ToCompanion } from './protocol.ts'
import { SinkHost } from './sink-host.ts'

const { thread, threads, logLevel, tracing: policy } = workerData as CompanionSetup
const port = parentPort
if (port === null) throw new Error('this module is run by the thread that it is the companion of')

const relay = new LogRelay(records => port.postMessage({ kind: 'log', records } satisfies FromCompanion))
const log = createLogger({ level: logLevel, thread, sink: relay.sink })
const spans = new SpanRecorder(batch => {
  port.postMessage({ kind: 'spans', batch } satisfies FromCompanion)
  // The thread that relays them has a window for its own and these.
  spans.taken(batch.spans)
})
if (policy !== undefined) tracing.tracer = new Tracer(policy, spans)

process.on('unhandledRejection', thrown => {
  const { code, message, stack } = toFault(thrown, 'UnknownError')
  log.error(`A promise was rejected and nobody handled it: ${message}`, { code, source: 'internal', stack })
})

const host = new SinkHost(new ThreadSinks({ log, thread, threads }), log, (message, transfer) => {
  // What was said and traced before is not to be overtaken: the thread may be ended next.
  if (message.kind === 'done') {
    relay.flush()
    spans.flush()
  }
  port.postMessage(message, transfer)
})
port.on('message', (message: ToCompanion) => host.hear(message))
