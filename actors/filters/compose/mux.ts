import { Deadline } from '../../../runtime/clock.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import { type Event, Kind, type Message, StreamEnd } from '../../../runtime/event.ts'
import { count, flag, isFunction, optional, type Resolved, size } from '../../../runtime/options.ts'
import { tracing } from '../../../runtime/trace/tracing.ts'
import type { Context } from '../../context.ts'
import { Filter } from '../../filter.ts'
import type { Edge } from '../../kernel/ledger.ts'
import { traceRequest } from '../../message-spans.ts'
import type { PipelineLayout } from '../../pipeline.ts'
import type { ContextCallback, FilterCall, FilterDefinition } from '../definition.ts'
import { Collected, MessageCollector } from '../message-collector.ts'
import { maxIdleMs, maxIdleOption } from './max-idle.ts'
import { PoolMap } from './session-pool.ts'
import { type Requester, SharedSession } from './shared-session.ts'
import { TracedRequester } from './traced-requester.ts'

const sharedOptions = {
  maxIdle: maxIdleOption(
    'Ends a session that was idle for so long. By default it stays until its pipeline ends it.',
  ),
  maxSessions: count(
    0,
    'Sessions per key and thread; when there are so many, messages queue on the one with the fewest waiting. 0: no limit, so that a message never waits behind another.',
  ),
  maxQueue: count(
    1000,
    'Messages that may wait for answers on one session; one more ends its stream with BufferOverflow.',
    1,
  ),
  bodyLimit: size(
    16 * 1024 * 1024,
    'Bytes of a message, which is collected before it is sent so that its events stay together; a larger one ends its stream with BufferOverflow.',
  ),
} as const

const muxOptions = {
  ...sharedOptions,
  messageKey: optional(
    'a function message => key',
    'Tells which answer belongs to which message: called with both. A message without a key is sent one way.',
    isFunction,
  ),
} as const

const queueOptions = {
  ...sharedOptions,
  blocking: flag(
    false,
    'Never queues behind a message that waits for its answer, even when maxSessions is reached: the stream ends with BufferOverflow instead.',
  ),
} as const

type Settings = Resolved<typeof sharedOptions> & {
  readonly messageKey?: unknown
  readonly blocking?: boolean
}

/** What the filters of one place in the script share: the sessions of their thread, by key. */
class Plan {
  readonly edge: Edge
  readonly settings: Settings
  private readonly layout: PipelineLayout
  private readonly key: ContextCallback<unknown> | undefined
  private readonly pools = new PoolMap<SharedSession[]>()
  private readonly maxIdleMs: number

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

  /** An idle session, else a new one, else the one with the fewest messages waiting. */
  sessionFor(filter: Filter): SharedSession {
    const key = this.key?.(filter.pipeline.context)
    let sessions = this.pools.get(key)
    if (sessions === undefined) {
      sessions = []
      this.pools.set(key, sessions)
    }
    let best: SharedSession | undefined
    for (const session of sessions) if (best === undefined || session.load < best.load) best = session
    const { maxSessions, maxQueue, blocking } = this.settings
    if (best === undefined || (best.load > 0 && (maxSessions === 0 || sessions.length < maxSessions)))
      return this.open(filter, sessions, key)
    if (best.load >= (blocking === true ? 1 : maxQueue))
      throw new TrafficError(
        'BufferOverflow',
        `${best.load} messages wait for answers on each session of this key`,
      )
    return best
  }

  private open(filter: Filter, sessions: SharedSession[], key: unknown): SharedSession {
    const { messageKey } = this.settings
    const session = new SharedSession(
      this.layout,
      filter.pipeline,
      key,
      messageKey as ((message: Message) => unknown) | undefined,
      ended => {
        sessions.splice(sessions.indexOf(ended), 1)
        if (sessions.length === 0) this.pools.delete(key)
      },
    )
    sessions.push(session)
    if (this.maxIdleMs >= 0) this.watch(session)
    return session
  }

  private watch(session: SharedSession): void {
    const deadline = new Deadline(this.maxIdleMs, () => {
      if (session.load === 0) session.dispose()
      else deadline.touch()
    })
    deadline.touch()
  }
}

class Mux extends Filter implements Requester {
  private readonly plan: Plan
  private readonly collector: MessageCollector
  private readonly sessions = new Set<SharedSession>()
  /** Those whose messages have a span, which stand in for this one. */
  private readonly traced = new Map<TracedRequester, SharedSession>()
  /** Answers that are to come. */
  private expected = 0
  private hasEnded = false
  /** The end of the stream, while answers are to come. */
  private streamEnd: StreamEnd | null = null

  constructor(plan: Plan) {
    super()
    this.plan = plan
    this.collector = new MessageCollector(plan.settings.bodyLimit)
  }

  process(event: Event): void {
    if (this.hasEnded) return
    if (this.collector.add(event) === Collected.whole || this.collector.isEndedBy(event)) this.send()
    if (event.kind === Kind.streamEnd) this.end(event)
  }

  private send(): void {
    const { overflowBytes } = this.collector
    const message = this.collector.take()
    if (overflowBytes > 0) {
      this.fail(new TrafficError('BufferOverflow', `a message is ${overflowBytes} bytes over bodyLimit`))
      return
    }
    try {
      const session = this.plan.sessionFor(this)
      this.sessions.add(session)
      if (tracing.tracer === null) session.send(this, message, this.plan.edge)
      else this.sendTraced(session, message)
    } catch (thrown) {
      const fault = TrafficError.from(thrown)
      if (fault.code !== 'BufferOverflow') throw thrown
      this.fail(fault)
    }
  }

  private sendTraced(session: SharedSession, message: Message): void {
    const { edge } = this.plan
    const span = traceRequest(this.pipeline, 'mux', edge.to)
    if (span === null) {
      session.send(this, message, edge)
      return
    }
    const requester = new TracedRequester(this, span, done => void this.traced.delete(done))
    this.traced.set(requester, session)
    session.send(requester, message, edge)
    requester.sent()
  }

  private fail(fault: TrafficError): void {
    this.hasEnded = true
    this.next.process(new StreamEnd(fault))
  }

  /** The stream has ended: its end follows the last answer, or passes at once when it is broken. */
  private end(end: StreamEnd): void {
    if (this.hasEnded) return
    this.hasEnded = true
    // Not at once: answers that came while this event was processed go first.
    if (this.expected === 0 || end.error !== '') this.pipeline.deliver(this.next, end, null)
    else this.streamEnd = end
  }

  expect(): void {
    this.expected++
  }

  expectNoMore(): void {
    if (--this.expected > 0) return
    this.sessions.clear()
    if (this.streamEnd !== null) this.pipeline.deliver(this.next, this.streamEnd, null)
  }

  respond(event: Event): void {
    this.pipeline.deliver(this.next, event, null)
    if (event.kind === Kind.messageEnd) this.expectNoMore()
  }

  override stop(): void {
    for (const session of this.sessions) session.forget(this)
    for (const [requester, session] of this.traced) {
      session.forget(requester)
      requester.end('ConnectionAborted')
    }
  }
}

const takeKey = (call: FilterCall): ContextCallback<unknown> | undefined => {
  const isOptions = (value: unknown): boolean =>
    typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
  if (call.remaining === 0 || (call.remaining === 1 && isOptions(call.peek()))) return undefined
  const given = call.take()
  return typeof given === 'function'
    ? (given as (ctx: Context) => unknown)
    : given === undefined
      ? undefined
      : () => given
}

export { takeKey }

export const mux: FilterDefinition = {
  name: 'mux',
  aliases: [],
  signature: '([key[, options]])',
  summary: 'Sends messages from different sessions to a shared pipeline session',
  doc: 'Sends whole messages over sessions of the sub-pipeline (.to) that all streams of the thread share per key, and gives each answer to the stream whose message has the same messageKey; a message without one gets no answer. The end of a stream follows its last answer. When a session ends, the streams that wait on it get its StreamEnd.',
  accepts: 'messages',
  emits: 'messages',
  sub: 'messages',
  options: muxOptions,
  example: "$.mux(ctx => ctx.target, { messageKey: msg => msg.head.headers['x-request-id'] }).to('rpc')",
  build: call => {
    const layout = call.localTarget()
    const key = takeKey(call)
    const settings = call.options(muxOptions)
    const plan = new Plan(
      layout,
      call.edge('mux', layout.name, 'block'),
      { ...settings, messageKey: settings.messageKey ?? (() => undefined) },
      key,
    )
    return { name: 'mux', create: () => new Mux(plan) }
  },
}

export const muxQueue: FilterDefinition = {
  name: 'muxQueue',
  aliases: [],
  signature: '([key[, options]])',
  summary: 'Sends messages from different sessions to a shared pipeline session, answers in order',
  doc: 'Sends whole messages over sessions of the sub-pipeline (.to) that all streams of the thread share per key; answers belong to messages in their order. An idle session is used again, else one is opened, else (maxSessions) the message queues. The end of a stream follows its last answer. When a session ends, the streams that wait on it get its StreamEnd, after an empty message when it ended in order.',
  accepts: 'messages',
  emits: 'messages',
  sub: 'messages',
  options: queueOptions,
  example: "$.muxQueue(ctx => ctx.target, { maxSessions: 1 }).to('redis')",
  build: call => {
    const layout = call.localTarget()
    const key = takeKey(call)
    const settings = call.options(queueOptions)
    const plan = new Plan(layout, call.edge('mux', layout.name, 'block'), settings, key)
    return { name: 'muxQueue', create: () => new Mux(plan) }
  },
}
