import type { RequestHead, RequestLike, ResponseLike } from '../../../runtime/codec/http1/index.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import { type Event, Kind, Message, MessageStart, messageEnd } from '../../../runtime/event.ts'
import { show } from '../../../runtime/options.ts'
import { turn } from '../../../runtime/turn.ts'
import { type Context, cloneContext } from '../../context.ts'
import { Gate } from '../../gate.ts'
import type { Pipeline } from '../../pipeline.ts'
import { faultReply } from '../http/fault-reply.ts'
import { InnerPipeline, type InnerPlan } from '../inner-pipeline.ts'
import { Collected, MessageCollector } from '../message-collector.ts'
import { isThenable } from '../promise.ts'

/** What a script is asked: a Message is the response, nothing stands for the usual one. */
export type Accept = (request: Message, ctx: Context) => unknown

export interface TunnelPlan {
  readonly inner: InnerPlan
  readonly accept: Accept
  readonly bodyLimit: number
}

/** The protocol that a request asks to switch to (RFC 9110 §7.8), however its head was made. */
export const upgradeOf = (head: object): string | undefined => {
  const { upgrade, headers } = head as Partial<RequestHead>
  const named = upgrade ?? headers?.upgrade
  return typeof named === 'string' && named !== '' ? named : undefined
}

/** Whether a response with this status makes a tunnel of the connection, RFC 9110 §9.3.6 and §15.2.2. */
export const isTunnel = (request: RequestLike, status: number): boolean =>
  request.method === 'CONNECT'
    ? status >= 200 && status < 300
    : status === 101 && upgradeOf(request) !== undefined

/**
 * Takes requests until one is granted a tunnel, which is a sub-pipeline with a copy of the context:
 *
 *     collecting ──whole request──► asking ──granted──► sub-pipeline opened, response sent ──► bytes pass both ways
 *         ▲──────────── any other response ────┘
 */
export class TunnelAcceptor {
  private readonly plan: TunnelPlan
  private readonly pipeline: Pipeline
  private readonly out: (event: Event) => void
  private readonly collector: MessageCollector
  private gate: Gate | null = null
  private isAsking = false
  private isStopped = false
  private stream: InnerPipeline | null = null

  /** @param out takes the responses, and what comes out of the tunnel */
  constructor(plan: TunnelPlan, pipeline: Pipeline, out: (event: Event) => void) {
    this.plan = plan
    this.pipeline = pipeline
    this.out = out
    this.collector = new MessageCollector(plan.bodyLimit)
  }

  process(event: Event): void {
    if (this.stream !== null) this.stream.send(event)
    else if (this.isAsking) {
      this.gate ??= new Gate()
      this.gate.hold(event)
    } else if (event.kind === Kind.streamEnd) this.out(event)
    else if (this.collector.add(event) === Collected.whole) this.ask()
  }

  private ask(): void {
    const { overflowBytes } = this.collector
    const request = this.collector.take()
    if (overflowBytes > 0) {
      this.answer(faultReply(413, 'ProtocolError', 'The request body is over the limit'))
      return
    }
    const answer = this.plan.accept(request, this.pipeline.context)
    if (!isThenable(answer)) {
      this.settle(request, answer)
      return
    }
    this.isAsking = true
    answer.then(
      value => this.enter(() => this.settle(request, value)),
      error =>
        this.enter(() => {
          throw error
        }),
    )
  }

  /** Goes on inside the pipeline's actor. */
  private enter(work: () => void): void {
    turn.begin(null)
    if (!this.isStopped) this.pipeline.run(work)
    turn.end()
  }

  private settle(request: Message, answer: unknown): void {
    if (this.isStopped) return
    this.isAsking = false
    const response = responseOf(request.head, answer)
    const { status } = response.head as { status: number }
    if (isTunnel(request.head, status)) this.open(response)
    else this.answer(response)
    if (this.gate !== null) for (const event of this.gate.open()) this.process(event)
  }

  private open(response: Message): void {
    const { plan, pipeline } = this
    this.stream = new InnerPipeline(plan.inner, pipeline, cloneContext(pipeline.context), event =>
      this.out(event),
    )
    this.stream.open()
    this.out(new MessageStart(response.head))
    this.out(messageEnd)
  }

  private answer({ head, body }: Message): void {
    this.out(new MessageStart(head))
    if (body !== undefined && body.size > 0) this.out(body.clone())
    this.out(messageEnd)
  }

  stop(): void {
    this.isStopped = true
    this.gate?.close()
    this.stream?.stop()
  }
}

/** The response with all that it needs, for what the script has answered. */
function responseOf(request: RequestLike, answer: unknown): Message {
  const upgrade = upgradeOf(request)
  if (answer === undefined || answer === null) {
    if (request.method === 'CONNECT') return new Message({ status: 200 })
    if (upgrade !== undefined) return new Message({ status: 101, headers: { upgrade } })
    return faultReply(400, 'ProtocolError', 'Here are tunnels only: CONNECT or Upgrade is wanted')
  }
  if (!(answer instanceof Message))
    throw new TrafficError(
      'RuntimeError',
      `the callback of acceptHTTPTunnel must return a Message or nothing, and returned ${show(answer)}`,
    )
  const head = answer.head as ResponseLike
  const isUpgrade = request.method !== 'CONNECT' && upgrade !== undefined
  const status = head.status ?? (isUpgrade ? 101 : 200)
  const needsUpgrade = status === 101 && head.headers?.upgrade === undefined
  if (head.status !== undefined && !needsUpgrade) return answer
  const headers = needsUpgrade ? { ...head.headers, upgrade } : head.headers
  return new Message({ ...head, status, headers }, answer.body)
}
