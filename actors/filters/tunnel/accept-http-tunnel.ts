import type { Headers, RequestHead } from '../../../runtime/codec/http1/index.ts'
import {
  type Data,
  type Event,
  Kind,
  MessageEnd,
  MessageStart,
  messageEnd,
  type StreamEnd,
} from '../../../runtime/event.ts'
import { size } from '../../../runtime/options.ts'
import { Filter } from '../../filter.ts'
import type { FilterDefinition, StageKind } from '../definition.ts'
import { HTTPServer } from '../http/http-server.ts'
import { type ServerSettings, serverOptions } from '../http/server-options.ts'
import { innerPlanOf } from '../inner-pipeline.ts'
import { type Accept, TunnelAcceptor, type TunnelPlan } from './tunnel-acceptor.ts'

const options = {
  ...serverOptions,
  bodyLimit: size(
    64 * 1024,
    'Bytes of a request body that are collected for the callback; more is answered with 413. Requests for a tunnel rarely have one.',
  ),
} as const

/** Among messages: behind demuxHTTP, which decodes and encodes. */
class AcceptOnMessages extends Filter {
  private readonly plan: TunnelPlan
  private acceptor: TunnelAcceptor | null = null

  constructor(plan: TunnelPlan) {
    super()
    this.plan = plan
  }

  process(event: Event): void {
    this.acceptor ??= new TunnelAcceptor(this.plan, this.pipeline, out => this.next.process(out))
    this.acceptor.process(event)
  }

  override stop(): void {
    this.acceptor?.stop()
  }
}

/** On bytes: a server of its own, one exchange after the other. */
class AcceptOnBytes extends HTTPServer {
  private readonly plan: TunnelPlan
  private acceptor: TunnelAcceptor | null = null

  constructor(settings: ServerSettings, plan: TunnelPlan) {
    super(settings)
    this.plan = plan
  }

  protected requestStarted(head: RequestHead): void {
    this.acceptor = new TunnelAcceptor(this.plan, this.pipeline, event => this.respond(event))
    this.acceptor.process(new MessageStart(head))
  }

  protected requestData(data: Data): void {
    this.acceptor?.process(data)
  }

  protected requestEnded(trailers: Headers | undefined): void {
    this.acceptor?.process(trailers === undefined ? messageEnd : new MessageEnd({ headers: trailers }))
  }

  protected requestStreamEnded(end: StreamEnd): void {
    this.acceptor?.process(end)
  }

  protected exchangeEnded(): void {
    this.acceptor?.stop()
    this.acceptor = null
  }
}

/** Where it is only known when events come: the first one tells. */
class AcceptOnEither extends Filter {
  private readonly make: (stage: StageKind) => Filter
  private chosen: Filter | null = null

  constructor(make: (stage: StageKind) => Filter) {
    super()
    this.make = make
  }

  process(event: Event): void {
    if (this.chosen === null) {
      if (event.kind === Kind.data && event.size === 0) return
      this.chosen = this.make(event.kind === Kind.data ? 'bytes' : 'messages')
      this.chosen.next = this.next
      this.chosen.pipeline = this.pipeline
    }
    this.chosen.process(event)
  }

  override stop(): void {
    this.chosen?.stop()
  }
}

export const acceptHTTPTunnel: FilterDefinition = {
  name: 'acceptHTTPTunnel',
  aliases: [],
  signature: '(accept[, options])',
  summary: 'Accepts an HTTP tunnel and sends its stream to a pipeline',
  doc: "Takes a request for a tunnel, CONNECT or Upgrade, calls accept(message, ctx) with the whole of it, and answers with the Message that it returns, or the promise of one; nothing stands for 200 or 101. When that grants the tunnel (2xx to CONNECT, 101 to Upgrade), all bytes that follow go through the sub-pipeline (.to), which has a copy of the context and is opened before the response is sent, and what comes out of it goes back. Any other response is sent as it is, and the next request is taken. It stands on bytes, where it is the HTTP server (with demuxHTTP's options), or behind demuxHTTP, among messages.",
  accepts: 'any',
  emits: 'same',
  sub: 'bytes',
  options,
  example:
    'listen(3128).acceptHTTPTunnel((req, ctx) => { ctx.target = req.head.path }).to($ => $.connect(ctx => ctx.target))',
  build: call => {
    const inner = innerPlanOf(call)
    const accept = call.callback<Accept>('a callback (request, ctx) that returns a Message or nothing')
    const { bodyLimit, ...settings } = call.options(options)
    const plan: TunnelPlan = { inner, accept, bodyLimit }
    const make = (stage: StageKind): Filter =>
      stage === 'bytes'
        ? new AcceptOnBytes(settings, plan)
        : stage === 'messages'
          ? new AcceptOnMessages(plan)
          : new AcceptOnEither(make)
    const { stage } = call
    return { name: 'acceptHTTPTunnel', create: () => make(stage) }
  },
}
