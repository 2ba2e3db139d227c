import type { Headers, RequestHead } from '../../../runtime/codec/http1/index.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import {
  type Data,
  Message,
  type MessageEnd,
  MessageStart,
  messageEnd,
  StreamEnd,
  MessageEnd as TailedEnd,
} from '../../../runtime/event.ts'
import { show, size } from '../../../runtime/options.ts'
import type { TraceContext } from '../../../runtime/trace/trace-context.ts'
import { turn } from '../../../runtime/turn.ts'
import type { Context } from '../../context.ts'
import type { FilterDefinition } from '../definition.ts'
import { MessageCollector } from '../message-collector.ts'
import { isThenable } from '../promise.ts'
import { faultReply } from './fault-reply.ts'
import { HTTPServer } from './http-server.ts'
import { routedOptions, routeInContext, type ServerSettings } from './server-options.ts'

const options = {
  ...routedOptions,
  bodyLimit: size(
    16 * 1024 * 1024,
    'Bytes of a request body that are collected for the handler; more is answered with 413. Bounds what one request can cost.',
  ),
} as const

type Handler = Message | ((request: Message, ctx: Context) => unknown)

/** A server whose exchanges are answered by a function, or always by the same message. */
class ServeHTTP extends HTTPServer {
  private readonly handler: Handler
  private readonly collector: MessageCollector | null
  /** Counts exchanges, so that a promise that settles late does not answer the next request. */
  private exchange = 0
  /** Where in a trace the pipeline stood before this exchange; undefined: it stands there. */
  private outerTrace: TraceContext | null | undefined = undefined

  constructor(settings: ServerSettings, handler: Handler, bodyLimit: number) {
    super(settings)
    this.handler = handler
    this.collector = typeof handler === 'function' ? new MessageCollector(bodyLimit) : null
  }

  protected requestStarted(head: RequestHead): void {
    if (this.record.trace !== null) {
      this.outerTrace = this.pipeline.ownTrace
      this.pipeline.ownTrace = this.record.trace
    }
    this.collector?.add(new MessageStart(head))
  }

  protected requestData(data: Data): void {
    this.collector?.add(data)
  }

  protected requestEnded(trailers: Headers | undefined): void {
    const { handler, collector } = this
    if (collector === null) {
      this.respondWith(handler as Message)
      return
    }
    const end: MessageEnd = trailers === undefined ? messageEnd : new TailedEnd({ headers: trailers })
    collector.add(end)
    if (collector.overflowBytes > 0) {
      this.respondWith(faultReply(413, 'ProtocolError', 'The request body is over the limit'))
      return
    }
    const request = collector.take()
    const { exchange } = this
    try {
      const result = (handler as (request: Message, ctx: Context) => unknown)(request, this.pipeline.context)
      if (isThenable(result)) {
        result.then(
          response => this.settle(exchange, () => this.answer(response)),
          error => this.settle(exchange, () => this.fail(error)),
        )
      } else {
        this.answer(result)
      }
    } catch (thrown) {
      this.fail(thrown)
    }
  }

  private settle(exchange: number, work: () => void): void {
    turn.begin(null)
    this.pipeline.run(() => {
      if (exchange === this.exchange) work()
    })
    turn.end()
  }

  private answer(response: unknown): void {
    if (response instanceof Message) this.respondWith(response)
    else
      this.fail(
        new TrafficError(
          'RuntimeError',
          `the handler of serveHTTP must return a Message, and returned ${show(response)}`,
        ),
      )
  }

  /** A failing handler costs its client this connection, and nobody else anything. */
  private fail(thrown: unknown): void {
    const fault = TrafficError.from(thrown)
    this.pipeline.session.pipelineFailed(this.pipeline, fault)
    this.respond(new StreamEnd(fault))
  }

  protected requestStreamEnded(): void {}

  protected exchangeEnded(): void {
    this.exchange++
    if (this.outerTrace === undefined) return
    this.pipeline.ownTrace = this.outerTrace
    this.outerTrace = undefined
  }
}

export const serveHTTP: FilterDefinition = {
  name: 'serveHTTP',
  aliases: [],
  signature: '(handler[, options])',
  summary: 'Serves HTTP requests with a handler function',
  doc: 'Decodes requests, calls handler(message, ctx) with each whole request and sends the Message that it returns, or the promise of one; a Message in place of the handler answers all requests. The context is that of the connection. A handler that throws is answered with 500 and ends its connection.',
  accepts: 'bytes',
  emits: 'bytes',
  options,
  example: 'listen(8000).serveHTTP(req => new Message({ status: 200 }, `You asked for ${req.head.path}\\n`))',
  build: call => {
    const handler = call.take()
    if (typeof handler !== 'function' && !(handler instanceof Message)) {
      throw new TrafficError(
        'BadOption',
        `serveHTTP wants a handler (request, ctx) => Message, or a Message, and got ${show(handler)}`,
      )
    }
    const { bodyLimit, route, ...others } = call.options(options)
    const settings = { ...others, route: routeInContext(call, route) }
    return { name: 'serveHTTP', create: () => new ServeHTTP(settings, handler as Handler, bodyLimit) }
  },
}
