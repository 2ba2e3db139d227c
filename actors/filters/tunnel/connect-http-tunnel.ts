import type { RequestLike, ResponseLike } from '../../../runtime/codec/http1/index.ts'
import { type FaultCode, TrafficError } from '../../../runtime/errors.ts'
import {
  type Event,
  Kind,
  Message,
  MessageStart,
  messageEnd,
  type StreamEnd,
} from '../../../runtime/event.ts'
import { isFunction, optional, show } from '../../../runtime/options.ts'
import { type Context, cloneContext } from '../../context.ts'
import type { FilterDefinition } from '../definition.ts'
import { type InnerPlan, innerPlanOf } from '../inner-pipeline.ts'
import { ConnectingFilter, connectingOptions, type Given } from './connecting-filter.ts'
import { isTunnel, upgradeOf } from './tunnel-acceptor.ts'

/** What the script sees of a tunnel when its state changes. */
export interface TunnelState {
  readonly state: 'connecting' | 'connected' | 'closed'
  readonly request: Message
  /** Head of the response, once it is there. */
  readonly response: ResponseLike | undefined
}

type OnState = (tunnel: TunnelState, ctx: Context) => unknown

const options = {
  onState: optional(
    'a callback (tunnel, ctx)',
    "Called when the tunnel's state changes, with { state, request, response }: 'connecting', 'connected', 'closed'.",
    isFunction,
  ),
  ...connectingOptions,
} as const

/** Responses that say more than that there is no tunnel. */
const faultOf: Readonly<Record<number, FaultCode>> = {
  401: 'Unauthorized',
  403: 'Unauthorized',
  407: 'Unauthorized',
  408: 'ConnectionTimeout',
  504: 'ConnectionTimeout',
}

class ConnectHTTPTunnel extends ConnectingFilter<Message> {
  private readonly onState: OnState | undefined
  private request: Message = new Message()
  private response: ResponseLike | undefined
  private state: TunnelState['state'] = 'closed'

  constructor(inner: InnerPlan, given: Given<Message>, timeoutMs: number, onState: OnState | undefined) {
    super(inner, given, timeoutMs)
    this.onState = onState
  }

  protected override innerContext(): Context {
    return cloneContext(this.pipeline.context)
  }

  protected begin(request: Message): void {
    if (!(request instanceof Message))
      throw new TrafficError(
        'RuntimeError',
        `connectHTTPTunnel wants a request as a Message, and its callback gave ${show(request)}`,
      )
    this.request = request
    this.tell('connecting')
    this.give(new MessageStart(requestHead(request.head)))
    if (request.body !== undefined && request.body.size > 0) this.give(request.body.clone())
    this.give(messageEnd)
  }

  protected override readAnswer(event: Event): void {
    if (event.kind === Kind.messageStart) this.response = event.head as ResponseLike
    else if (event.kind === Kind.messageEnd) this.judge()
  }

  /** The head of a response is judged when the response is over: what follows then is the tunnel's. */
  private judge(): void {
    const status = this.response?.status ?? 200
    if (status < 200 && status !== 101) return
    if (isTunnel(this.request.head, status)) {
      this.tell('connected')
      this.established()
      return
    }
    this.fail(
      new TrafficError(
        faultOf[status] ?? 'ConnectionRefused',
        `the tunnel is answered with status ${status}`,
      ),
    )
  }

  protected brokenOff(): TrafficError {
    return new TrafficError('ConnectionReset', 'the connection ended before the tunnel was granted')
  }

  protected override end(end: StreamEnd): void {
    super.end(end)
    if (this.state !== 'closed') this.tell('closed')
  }

  private tell(state: TunnelState['state']): void {
    this.state = state
    this.onState?.({ state, request: this.request, response: this.response }, this.pipeline.context)
  }
}

/** With the fields that a request for a tunnel must have: Host (RFC 9112 §3.2), and the protocol to switch to. */
function requestHead(head: RequestLike): object {
  const { headers = {}, method = 'GET', path = '/' } = head
  const isConnect = method === 'CONNECT'
  const host = headers.host ?? headers.Host ?? (isConnect ? path : undefined)
  const upgrade = isConnect ? undefined : upgradeOf(head)
  return {
    ...head,
    method,
    path,
    headers: host === undefined ? headers : { ...headers, host },
    ...(upgrade === undefined ? {} : { upgrade }),
  }
}

export const connectHTTPTunnel: FilterDefinition = {
  name: 'connectHTTPTunnel',
  aliases: [],
  signature: '(request[, options])',
  summary: 'Sends a stream through an HTTP tunnel, over a pipeline',
  doc: 'Sends a request for a tunnel, CONNECT or Upgrade, into the sub-pipeline (.to), which is given messages and has a copy of the context: usually it is muxHTTP().to($ => $.connect(…)), to a proxy. When the tunnel is granted (2xx to CONNECT, 101 to Upgrade), the bytes of the stream go through it; they wait until then. The request is a Message, or a callback (ctx) that gives one, or a promise of it. Another response ends the stream with ConnectionRefused, Unauthorized (401, 403, 407) or ConnectionTimeout (408, 504).',
  accepts: 'bytes',
  emits: 'bytes',
  sub: 'messages',
  options,
  example:
    "listen(8000).connectHTTPTunnel(new Message({ method: 'CONNECT', path: 'example.com:443' })).to($ => $.muxHTTP().to($ => $.connect('127.0.0.1:3128')))",
  build: call => {
    const inner = innerPlanOf(call)
    const request = call.take()
    if (typeof request !== 'function' && !(request instanceof Message))
      throw new TrafficError(
        'BadOption',
        `connectHTTPTunnel wants a request as a Message, or a callback that gives one, and got ${show(request)}`,
      )
    const { handshakeTimeout, onState } = call.options(options)
    const told = onState === undefined ? undefined : (call.inContext(onState) as unknown as OnState)
    return {
      name: 'connectHTTPTunnel',
      create: () => new ConnectHTTPTunnel(inner, request as Given<Message>, handshakeTimeout, told),
    }
  },
}
