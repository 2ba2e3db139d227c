// Hot path: a request is one exchange on a pooled session; nothing is copied, and nothing waits when one is idle.

import { monotonicMs } from '../../../runtime/clock.ts'
import type { RequestHead } from '../../../runtime/codec/http1/index.ts'
import {
  type Data,
  type Event,
  Kind,
  type MessageEnd,
  type MessageStart,
  type StreamEnd,
} from '../../../runtime/event.ts'
import { count, type Resolved, size } from '../../../runtime/options.ts'
import { tracing } from '../../../runtime/trace/tracing.ts'
import { turn } from '../../../runtime/turn.ts'
import type { Context } from '../../context.ts'
import { Filter } from '../../filter.ts'
import { Gate } from '../../gate.ts'
import type { Edge } from '../../kernel/ledger.ts'
import type { PipelineLayout } from '../../pipeline.ts'
import { maxIdleMs, maxIdleOption } from '../compose/max-idle.ts'
import { PoolMap, SessionPool, type Waiting } from '../compose/session-pool.ts'
import type { ContextCallback, FilterDefinition } from '../definition.ts'
import { HTTPClientSession } from './http-client-session.ts'
import { defaultBufferBytes } from './message-writer.ts'

const options = {
  maxIdle: maxIdleOption(
    'Ends a session that was idle for so long. By default sessions stay until the other side closes them: the server knows its own limit.',
  ),
  maxSessions: count(0, 'Sessions per key and thread; further requests wait for one. 0: no limit.'),
  maxMessages: count(0, 'Requests on one session before it is closed; 0: no limit.'),
  bufferSize: size(
    defaultBufferBytes,
    'Bytes of a request of unknown length that are held to see whether it ends in the same turn: then it is sent with Content-Length, else in chunks.',
  ),
  replaySize: size(
    16 * 1024,
    'Bytes of a request body that are kept while it goes over a session that was idle, so that it can be sent again when the other side was just closing that session.',
  ),
} as const

type Settings = Resolved<typeof options>
type ClientPool = SessionPool<HTTPClientSession>

/** What all muxHTTP filters of one place in the script share: the pools of their thread. */
class Plan {
  readonly layout: PipelineLayout
  readonly edge: Edge
  readonly settings: Settings
  readonly key: ContextCallback<unknown> | undefined
  private readonly maxIdleMs: number
  private readonly pools = new PoolMap<ClientPool>()

  constructor(
    layout: PipelineLayout,
    edge: Edge,
    settings: Settings,
    key: ContextCallback<unknown> | undefined,
  ) {
    this.layout = layout
    this.edge = edge
    this.settings = settings
    this.key = key
    this.maxIdleMs = maxIdleMs(settings.maxIdle)
  }

  poolOf(context: Context): ClientPool {
    const key = this.key?.(context)
    let pool = this.pools.get(key)
    if (pool === undefined) {
      const { pools } = this
      const made: ClientPool = new SessionPool(key, this.maxIdleMs, this.settings.maxSessions, isEmpty => {
        if (!isEmpty) pools.set(key, made)
        else if (pools.get(key) === made) pools.delete(key)
      })
      pool = made
    }
    return pool
  }
}

/** Methods that may be sent twice without doing more than once, RFC 9110 §9.2.2. */
const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/**
 * Sends each request over a shared session and puts the response out.
 *
 *     MessageStart ──► idle session, or a new one ──► request ──► response ──► the session is idle again
 *                         └── it closes before a byte of the response: once more, on a fresh one
 */
class MuxHTTP extends Filter implements Waiting<HTTPClientSession> {
  private readonly plan: Plan
  private pool: ClientPool | null = null
  private session: HTTPClientSession | null = null
  private gate: Gate | null = null
  private isWaiting = false
  private start: MessageStart | null = null
  private end: MessageEnd | null = null
  /** The stream ended behind a request that is still to be answered. */
  private streamEnd: StreamEnd | null = null
  /** The body, as long as it may have to be sent again; null when it is too large for that, or none came. */
  private replay: Data | null = null
  private isReplayable = false
  /** Since when it waits for a session, for the trace. */
  private waitsMs = 0

  constructor(plan: Plan) {
    super()
    this.plan = plan
  }

  process(event: Event): void {
    if (this.isWaiting) {
      this.hold(event)
      return
    }
    switch (event.kind) {
      case 0:
        if (this.session === null) return
        if (this.isReplayable) this.remember(event)
        this.session.send(event, this.plan.edge)
        return
      case 1:
        this.begin(event)
        return
      case 2:
        this.end = event
        this.session?.send(event, this.plan.edge)
        return
      case 3:
        this.endStream(event)
        return
      default:
        event satisfies never
    }
  }

  private hold(event: Event): void {
    if (event.kind === Kind.streamEnd && event.error !== '') {
      this.stop()
      return
    }
    this.gate ??= new Gate()
    this.gate.hold(event)
  }

  private begin(start: MessageStart): void {
    // A message behind one that is under way (no demux in front) waits for its turn.
    if (this.session !== null) {
      this.isWaiting = true
      this.hold(start)
      return
    }
    this.start = start
    this.end = null
    this.replay = null
    this.pool ??= this.plan.poolOf(this.pipeline.context)
    const idle = this.pool.takeIdle()
    if (idle !== undefined) this.take(idle)
    else if (this.pool.hasRoom) this.open()
    else {
      this.isWaiting = true
      if (tracing.tracer !== null) this.waitsMs = monotonicMs()
      this.pool.wait(this)
    }
  }

  open(): void {
    const { plan, pipeline } = this
    this.take(new HTTPClientSession(plan.layout, pipeline, this.pool as ClientPool, plan.settings))
  }

  take(session: HTTPClientSession): void {
    this.session = session
    this.pipeline.sendsOver(session.pipeline)
    const start = this.start as MessageStart
    this.isReplayable =
      session.isReused &&
      idempotent.has((start.head as Partial<RequestHead>).method ?? 'GET') &&
      !startsTunnel(start.head)
    const trace = tracing.tracer === null ? null : this.pipeline.trace
    session.begin(this, start, this.plan.edge, trace, this.waitsMs)
    this.waitsMs = 0
    if (this.isWaiting) {
      this.isWaiting = false
      this.goOn()
    }
  }

  private goOn(): void {
    if (this.gate === null) return
    // What was held has come in other turns: this one's source is not to be paused for it.
    const { source } = turn
    turn.source = null
    for (const event of this.gate.open()) this.process(event)
    turn.source = source
  }

  private remember(data: Data): void {
    if ((this.replay?.size ?? 0) + data.size > this.plan.settings.replaySize) {
      this.isReplayable = false
      this.replay = null
    } else if (this.replay === null) this.replay = data.clone().keep()
    else this.replay.push(data)
  }

  private endStream(end: StreamEnd): void {
    const { session } = this
    if (session === null) {
      this.next.process(end)
      return
    }
    // Behind a whole request an orderly end says only that no other follows; the response is still wanted.
    if (session.isTunnel) session.send(end, this.plan.edge)
    else if (end.error === '' && this.end !== null) this.streamEnd = end
    else {
      // The client has gone: filters behind are told, since they may have something to give back.
      this.stop()
      this.next.process(end)
    }
  }

  /** An event of the response: for the session, inside our pipeline's actor. */
  respond(event: Event): void {
    this.isReplayable = false
    this.pipeline.deliver(this.next, event, null)
  }

  detached(): void {
    this.session = null
    this.replay = null
  }

  finished(): void {
    if (this.streamEnd !== null) {
      this.pipeline.deliver(this.next, this.streamEnd, null)
    } else if (this.isWaiting) {
      this.isWaiting = false
      this.pipeline.run(() => this.goOn())
    }
  }

  /** The session has ended before the response was complete. */
  failed(end: StreamEnd, wasLost: boolean): void {
    this.session = null
    if (this.isReplayable && wasLost) {
      this.isReplayable = false
      this.pipeline.run(() => this.sendAgain())
      return
    }
    this.pipeline.deliver(this.next, end, null)
  }

  /** RFC 9112 §9.3.1: a connection may close while a request is on its way to it; an idempotent one is sent again. */
  private sendAgain(): void {
    const { replay, end, plan, pipeline } = this
    this.session = new HTTPClientSession(plan.layout, pipeline, this.pool as ClientPool, plan.settings)
    this.session.begin(this, this.start as MessageStart, plan.edge, pipeline.trace, 0, 1)
    if (replay !== null) this.session.send(replay, plan.edge)
    if (end !== null) this.session.send(end, plan.edge)
  }

  override stop(): void {
    const { session, pool } = this
    this.session = null
    this.gate?.close()
    if (this.isWaiting && pool !== null) pool.cancel(this)
    this.isWaiting = false
    session?.abandon()
  }
}

const startsTunnel = (head: Partial<RequestHead>): boolean =>
  head.upgrade !== undefined || head.method === 'CONNECT'

export const muxHTTP: FilterDefinition = {
  name: 'muxHTTP',
  aliases: [],
  signature: '([key[, options]])',
  summary: 'Sends HTTP requests from many pipelines over shared sessions',
  doc: "Encodes each request, sends it over a session of the sub-pipeline (.to) and puts its response out. Sessions are pooled per key and thread: key(ctx) gives it, or a literal; without one there is one pool. An object as key is held weakly. An idle session is used again, else one is opened, its context a copy of the opener's; a session carries one exchange at a time. A request that gets no byte of a response because a reused session closes is sent once more on a fresh one, if its method is idempotent and its body is known.",
  accepts: 'messages',
  emits: 'messages',
  sub: 'bytes',
  options,
  example: '$.muxHTTP(ctx => ctx.target).to($ => $.connect(ctx => ctx.target))',
  build: call => {
    const layout = call.localTarget()
    let key: ContextCallback<unknown> | undefined
    const isOptions = (value: unknown): boolean =>
      typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
    if (call.remaining > 0 && !(call.remaining === 1 && isOptions(call.peek()))) {
      const given = call.take()
      key =
        typeof given === 'function'
          ? (given as ContextCallback<unknown>)
          : given === undefined
            ? undefined
            : () => given
    }
    const settings = call.options(options)
    const plan = new Plan(layout, call.edge('mux', layout.name, 'block'), settings, key)
    return { name: 'muxHTTP', create: () => new MuxHTTP(plan) }
  },
}
