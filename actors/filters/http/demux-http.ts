import type { Headers, RequestHead } from '../../../runtime/codec/http1/index.ts'
import {
  type Data,
  type Event,
  MessageEnd,
  MessageStart,
  messageEnd,
  type StreamEnd,
} from '../../../runtime/event.ts'
import { type Context, cloneContext } from '../../context.ts'
import type { EventPort } from '../../filter.ts'
import type { Edge } from '../../kernel/ledger.ts'
import type { Pipeline, PipelineLayout } from '../../pipeline.ts'
import type { FilterDefinition } from '../definition.ts'
import { HTTPServer } from './http-server.ts'
import { routedOptions, routeInContext, type ServerSettings } from './server-options.ts'

/** Where the response of the sub-pipeline comes in, inside the actor of the pipeline that demuxHTTP stands in. */
class ReplyPort implements EventPort {
  readonly takesText = false
  private readonly server: DemuxHTTP

  constructor(server: DemuxHTTP) {
    this.server = server
  }

  process(event: Event): void {
    this.server.answer(this, event)
  }
}

/** A server whose exchanges are each answered by a pipeline of its own, with a copy of the context. */
class DemuxHTTP extends HTTPServer {
  private readonly layout: PipelineLayout
  private readonly edge: Edge
  /** The port of the current exchange, and that of the one before: what still comes in there comes too late. */
  private replies: ReplyPort
  private formerReplies: ReplyPort
  private exchange: Pipeline | null = null

  constructor(settings: ServerSettings, layout: PipelineLayout, edge: Edge) {
    super(settings)
    this.layout = layout
    this.edge = edge
    this.replies = new ReplyPort(this)
    this.formerReplies = new ReplyPort(this)
  }

  protected requestStarted(head: RequestHead): void {
    const { pipeline, replies } = this
    this.replies = this.formerReplies
    this.formerReplies = replies
    this.exchange = this.layout.spawn(
      cloneContext(pipeline.context),
      pipeline.session,
      pipeline,
      this.replies,
    )
    this.exchange.ownTrace = this.record.trace
    this.exchange.send(new MessageStart(head), this.edge)
  }

  protected override requestRefused(status: number, reason: string): void {
    for (const filter of this.layout.filters) filter.refused?.(this.pipeline, status, reason)
  }

  protected requestData(data: Data): void {
    this.exchange?.send(data, this.edge)
  }

  protected requestEnded(trailers: Headers | undefined): void {
    this.exchange?.send(
      trailers === undefined ? messageEnd : new MessageEnd({ headers: trailers }),
      this.edge,
    )
  }

  protected requestStreamEnded(end: StreamEnd): void {
    this.exchange?.send(end, this.edge)
  }

  protected override get contextOfExchange(): Context {
    return (this.exchange ?? this.pipeline).context
  }

  protected exchangeEnded(): void {
    const { exchange } = this
    this.exchange = null
    exchange?.stop()
  }

  answer(port: ReplyPort, event: Event): void {
    if (port === this.replies) this.respond(event)
  }
}

export const demuxHTTP: FilterDefinition = {
  name: 'demuxHTTP',
  aliases: [],
  signature: '([options])',
  summary: 'Serves each HTTP request of a connection by a pipeline of its own',
  doc: 'Decodes requests and gives each to a new sub-pipeline (.to) with a copy of the context; what that answers is encoded and sent, in the order of the requests. Keep-alive, pipelining, HEAD, 1xx, trailers, CONNECT and Upgrade tunnels are seen to. Bytes that break RFC 9112 are answered with 400 (or 414, 431, 413, 505), and the connection is closed; a sub-pipeline that ends without an answer, with 502, 504 or 500, by its error.',
  accepts: 'bytes',
  emits: 'bytes',
  sub: 'messages',
  options: routedOptions,
  example: "listen(8000).demuxHTTP().to($ => $.muxHTTP().to($ => $.connect('127.0.0.1:8080')))",
  build: call => {
    const layout = call.localTarget()
    const { route, ...others } = call.options(routedOptions)
    const settings = { ...others, route: routeInContext(call, route) }
    const edge = call.edge('demux', layout.name, 'block')
    return { name: 'demuxHTTP', create: () => new DemuxHTTP(settings, layout, edge) }
  },
}
