// Hot path: every event of every logged exchange passes through both filters.

import { TrafficError } from '../../../runtime/errors.ts'
import type { Event } from '../../../runtime/event.ts'
import { parseOptions, show } from '../../../runtime/options.ts'
import { type EventPort, Filter, type FilterLayout } from '../../filter.ts'
import type { Callback, FilterCall, FilterDefinition } from '../definition.ts'
import { Exchange } from './exchange.ts'
import { logOptions, partOptions } from './log-options.ts'
import { type Outlet, pipelineOutlet, SinkOutlet } from './outlet.ts'
import { TrafficLog } from './traffic-log.ts'

/**
 * Sees the requests; its tail, at the end of the pipeline, sees what is answered.
 *
 * Under demuxHTTP a pipeline has one exchange. Behind decodeHTTPRequest it has one after the other, and answers come in the
 * order of the requests.
 */
class LogTraffic extends Filter {
  private readonly log: TrafficLog
  private tail: LogTrafficTail | null = null
  /** The request being received. */
  private exchange: Exchange | null = null

  constructor(log: TrafficLog) {
    super()
    this.log = log
  }

  process(event: Event): void {
    switch (event.kind) {
      case 0:
        this.exchange?.requestData(event)
        break
      case 1:
        this.begin(event.head)
        break
      case 2:
        this.next.process(event)
        this.exchange?.requestEnded()
        return
      case 3:
        this.tail?.clientEnded(event)
        break
      default:
        event satisfies never
    }
    this.next.process(event)
  }

  private begin(head: object): void {
    const { log } = this
    const { sample, bodies } = log.settings
    const isChosen = sample === 1 || Math.random() < sample
    this.tail ??= this.findTail()
    this.exchange = new Exchange(log, this.pipeline, head, isChosen || log.mayKeep ? bodies : null, isChosen)
    this.tail.await(this.exchange)
  }

  private findTail(): LogTrafficTail {
    let port: EventPort = this.next
    while (!(port instanceof LogTrafficTail && port.log === this.log)) port = (port as Filter).next
    return port
  }

  override stop(): void {
    this.tail?.abandon()
  }
}

class LogTrafficTail extends Filter {
  readonly log: TrafficLog
  /** The oldest exchange that is not over, and those behind it. */
  private exchange: Exchange | null = null
  private readonly waiting: Exchange[] = []

  constructor(log: TrafficLog) {
    super()
    this.log = log
  }

  await(exchange: Exchange): void {
    if (this.exchange === null || this.exchange.isOver) this.exchange = exchange
    else this.waiting.push(exchange)
  }

  /** The client's stream has ended: that is the end of exchanges whose requests are not whole. */
  clientEnded(event: Event & { kind: 3 }): void {
    this.exchange?.requestStreamEnded(event)
    for (const exchange of this.waiting) exchange.requestStreamEnded(event)
  }

  process(event: Event): void {
    const { exchange } = this
    switch (event.kind) {
      case 0:
        exchange?.responseData(event)
        break
      case 1:
        exchange?.responseStarted(event.head)
        break
      case 2:
        // Passed on first: what is answered does not wait for what is written about it.
        this.next.process(event)
        if (exchange !== null) this.endMessage(exchange)
        return
      case 3:
        this.end(event)
        break
      default:
        event satisfies never
    }
    this.next.process(event)
  }

  private endMessage(exchange: Exchange): void {
    exchange.responseEnded()
    if (!exchange.response?.isDone || exchange.isTunnel) return
    const next = this.waiting.shift()
    if (next !== undefined) this.exchange = next
  }

  private end(event: Event & { kind: 3 }): void {
    this.exchange?.responseStreamEnded(event)
    for (const exchange of this.waiting.splice(0)) exchange.responseStreamEnded(event)
  }

  /** The pipeline has stopped. */
  abandon(): void {
    this.exchange?.abandon()
    for (const exchange of this.waiting.splice(0)) exchange.abandon()
  }
}

/** To a sink, named by the first argument, or to the pipeline of `.to(…)`. */
function outletOf(call: FilterCall, kind: unknown, sinkOptions: object): Outlet {
  if (kind === undefined) return pipelineOutlet(call, call.target())
  if (typeof kind !== 'string')
    throw new TrafficError(
      'BadOption',
      `logTraffic wants the kind of a sink, like 'elasticsearch', and got ${show(kind)}`,
    )
  if (call.hasTarget)
    throw new TrafficError(
      'BadOption',
      `logTraffic('${kind}') writes to that sink; leave out .to(…), or the kind`,
    )
  const place = call.program.sinkPlace(kind, sinkOptions, `${call.within}.logTraffic`)
  return new SinkOutlet(call.edge('fork', kind, 'drop'), place)
}

/** A data stream takes only documents that say they belong to it. */
function streamOf({ dataStream }: { dataStream?: unknown }): object {
  const parts = typeof dataStream === 'string' ? /^logs-([^-]+)-(.+)$/.exec(dataStream) : null
  return parts === null ? {} : { dataset: parts[1], namespace: parts[2] }
}

/** Callbacks among the options are called with the context, which the dialect keeps elsewhere. */
function inContext(call: FilterCall, options: object): object {
  return Object.fromEntries(
    Object.entries(options).map(([key, value]) => [
      key,
      typeof value === 'function' ? call.inContext(value as Callback) : value,
    ]),
  )
}

export const logTraffic: FilterDefinition = {
  name: 'logTraffic',
  aliases: [],
  signature: '([kind, ][options])',
  summary: 'Logs each exchange as one document',
  doc: "Writes one document of the Elastic Common Schema for each request and what became of it: answered, failed, given up by the client, or a tunnel at its end. It stands in front of what answers, like muxHTTP, and sees responses as they leave the pipeline that it is in. kind names a sink ('elasticsearch', 'otlp', 'http', 'file', 'stdout'), whose own options stand among these; without kind, documents go as messages to the pipeline of .to(…): their heads are { id, timeMs, traceId, spanId }, their bodies JSON. The traffic never waits for its log: documents for which there is no room are dropped and counted.",
  accepts: 'messages',
  emits: 'same',
  sub: 'messages',
  options: logOptions,
  example:
    "$.logTraffic('elasticsearch', { node: 'http://es:9200', dataStream: 'logs-traffic-default', bodies: { limit: '16k' }, redact: ['password'] }).muxHTTP().to($ => $.connect('127.0.0.1:8080'))",
  build: call => {
    const kind = typeof call.peek() === 'string' || call.remaining > 1 ? call.take() : undefined
    const given = call.take()
    if (given !== undefined && (typeof given !== 'object' || given === null))
      throw new TrafficError('BadOption', `logTraffic wants an object of options, and got ${show(given)}`)
    const { own, sink } = kind === undefined ? { own: given ?? {}, sink: {} } : partOptions(given)
    const settings = parseOptions(logOptions, { ...streamOf(sink), ...inContext(call, own) }, 'logTraffic')
    call.end()
    const { id } = call.program.surroundings.thread
    const log = new TrafficLog(settings, outletOf(call, kind, sink), `${call.within}.logTraffic`, id)
    const tail: FilterLayout = { name: 'logTraffic', create: () => new LogTrafficTail(log) }
    return {
      name: 'logTraffic',
      create: () => new LogTraffic(log),
      tail,
      refused: (by, status, reason) => Exchange.refused(log, by, status, reason),
    }
  },
}
