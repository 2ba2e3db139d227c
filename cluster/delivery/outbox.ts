import { randomUUID } from 'node:crypto'
import type { Edge } from '../../actors/kernel/ledger.ts'
import type { Sending } from '../../actors/shared/cluster-link.ts'
import { after, every, monotonicMs } from '../../runtime/clock.ts'
import { TrafficError } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/log.ts'
import { type Source, turn } from '../../runtime/turn.ts'
import type { Bus, Subscription } from '../bus/bus.ts'
import { type Place, placeId } from '../membership/member.ts'
import type { Placement } from '../placement/placement.ts'
import { EdgeRoute, type RouteRoads } from './edge-route.ts'
import { Flow, type FlowRoads } from './flow.ts'
import { decodeFrame, FrameKind } from './frame.ts'
import { answerSubject, threadSubject } from './subjects.ts'

export interface OutboxOptions {
  readonly bus: Bus
  readonly cluster: string
  readonly placement: Placement
  readonly log: Logger
  readonly whereIs: RouteRoads['whereIs']
  readonly sendWithin: (sending: Sending, edge: Edge, source: Source | null) => void
  readonly markWithin: (edge: Edge) => () => boolean
  /** Names this thread in this life, unlike all other senders. */
  readonly newSender?: (() => string) | undefined
}

/** A receiver that says nothing for so long while something is on its way is asked. */
const askAfterMs = 1000
/** A flow that was not used for so long is given up; the receiver keeps its own part for much longer. */
const idleMs = 60_000
/** When the bus takes nothing more for the moment, though it is connected. */
const retryMs = 5
const settleLookMs = 10
/**
 * How long messages are gathered while they keep coming. A frame costs its sender some 70 us of CPU more than what is in it, with
 * the client, the socket, the credit that comes back and the waking up for it, and the receiver and the server as much: a
 * thousand a second are 70 ms of a core in each second, and those of 8 ms 25 (20 MB/s over a NATS of one's own, 2026-11).
 */
const gatherMs = 8

/** What this thread sends to other nodes: routes by edge, flows by receiver, and what the receivers answer. */
export class Outbox implements RouteRoads {
  readonly placement: Placement
  readonly whereIs: RouteRoads['whereIs']
  readonly sendWithin: RouteRoads['sendWithin']
  readonly markWithin: RouteRoads['markWithin']
  private readonly options: OutboxOptions
  private readonly sender: string
  private readonly routes = new Map<Edge, EdgeRoute>()
  private readonly flows = new Map<string, Flow>()
  private readonly byNumber = new Map<number, Flow>()
  private lastFlow = 0
  private readonly answers: Subscription
  private readonly endings: (() => void)[]
  private isFlushing = false
  private cancelGather: (() => void) | undefined
  private flushedMs = Number.NEGATIVE_INFINITY
  private cancelRetry: (() => void) | undefined

  constructor(options: OutboxOptions) {
    const { bus, cluster, placement } = options
    this.options = options
    this.placement = placement
    this.whereIs = options.whereIs
    this.sendWithin = options.sendWithin
    this.markWithin = options.markWithin
    this.sender = options.newSender?.() ?? randomUUID().replaceAll('-', '')
    this.answers = bus.subscribe(answerSubject(cluster, this.sender), ({ payload }) => this.hear(payload))
    this.endings = [
      bus.onState(state => turn.run(() => this.connected(state === 'connected'))),
      every(askAfterMs, () => turn.run(() => this.look())),
    ]
  }

  send(sending: Sending, edge: Edge, source: Source | null): void {
    let route = this.routes.get(edge)
    if (route === undefined) {
      route = new EdgeRoute(edge, this)
      this.routes.set(edge, route)
    }
    route.send(sending, source)
  }

  flowTo(place: Place): Flow {
    const id = placeId(place)
    let flow = this.flows.get(id)
    if (flow === undefined) {
      const { bus, cluster } = this.options
      const subject = threadSubject(cluster, place)
      const roads: FlowRoads = {
        sender: this.sender,
        maxPayload: bus.maxPayload,
        publish: frame => bus.publish(subject, frame),
        isWritten: () => bus.hasWritten === true,
        refused: () => this.retry(),
        credited: () => this.goOn(),
        gathered: () => this.flushSoon(),
        filled: () => this.flushNow(),
      }
      flow = new Flow(place, ++this.lastFlow, roads)
      flow.connected(bus.isConnected)
      this.flows.set(id, flow)
      this.byNumber.set(flow.number, flow)
    }
    return flow
  }

  /** The nodes, or our own standing among them, have changed. */
  placed(): void {
    turn.run(() => {
      for (const flow of [...this.flows.values()]) {
        if (this.placement.isThere(flow.place)) continue
        const member = this.placement.member(flow.place.node)
        const isThreadOnly = member?.incarnation === flow.place.incarnation
        flow.lose(isThreadOnly ? 'thread-died' : 'node-died')
        this.flows.delete(placeId(flow.place))
        this.byNumber.delete(flow.number)
      }
      for (const route of this.routes.values()) route.placed()
      this.sayBye()
    })
  }

  /** The program of these edges has ended. */
  leave(edges: readonly Edge[]): void {
    for (const edge of edges) {
      const route = this.routes.get(edge)
      if (route === undefined) continue
      route.isLeaving = true
      if (route.isEmpty) this.routes.delete(edge)
    }
  }

  private hear(payload: Uint8Array): void {
    try {
      const frame = decodeFrame(payload)
      if (frame[0] === FrameKind.credit) turn.run(() => this.byNumber.get(frame[1])?.credit(frame[2]))
    } catch (thrown) {
      const fault = TrafficError.from(thrown, 'ClusterError')
      this.options.log.error(fault.message, { code: fault.code, source: fault.source })
    }
  }

  /**
   * What is gathered goes at the end of this round of the event loop when nothing went lately, else together with what
   * else comes within `gatherMs`.
   */
  private flushSoon(): void {
    if (this.isFlushing || this.cancelGather !== undefined) return
    if (monotonicMs() - this.flushedMs >= gatherMs) this.flushNow()
    else this.cancelGather = after(gatherMs, () => this.flush())
  }

  /** At the end of this round: what its sockets have brought goes as one frame. */
  private flushNow(): void {
    if (this.isFlushing) return
    this.isFlushing = true
    this.cancelGather?.()
    setImmediate(() => this.flush())
  }

  private flush(): void {
    this.isFlushing = false
    this.cancelGather = undefined
    this.flushedMs = monotonicMs()
    turn.run(() => {
      for (const flow of this.flows.values()) flow.flush()
    })
  }

  private goOn(): void {
    for (const route of this.routes.values()) route.goOn()
  }

  private connected(isConnected: boolean): void {
    for (const flow of this.flows.values()) flow.connected(isConnected)
    if (isConnected) this.goOn()
  }

  private retry(): void {
    this.cancelRetry ??= after(retryMs, () => {
      this.cancelRetry = undefined
      if (!this.options.bus.isConnected) return
      turn.run(() => {
        for (const flow of this.flows.values()) flow.resume()
      })
    })
  }

  /** Once a second: asks who is silent, gives up what is not used, and lets go on what waited long enough. */
  private look(): void {
    const nowMs = monotonicMs()
    for (const flow of [...this.flows.values()]) {
      if (flow.outstanding > 0 && nowMs - flow.heardMs >= askAfterMs) flow.ask()
      else if (flow.isIdle && nowMs - flow.usedMs > idleMs) this.retire(flow)
    }
    this.goOn()
    this.sayBye()
    for (const [edge, route] of this.routes) if (route.isLeaving && route.isEmpty) this.routes.delete(edge)
  }

  /** Who drains waits to hear that no more comes. */
  private sayBye(): void {
    for (const flow of [...this.flows.values()])
      if (flow.isIdle && this.placement.member(flow.place.node)?.state === 'draining') this.retire(flow)
  }

  private retire(flow: Flow): void {
    flow.bye()
    this.remove(flow)
  }

  private remove(flow: Flow): void {
    this.flows.delete(placeId(flow.place))
    this.byNumber.delete(flow.number)
    // Nothing waits in it, or it would not be idle.
    for (const route of this.routes.values()) route.forget(flow)
  }

  private get isEmpty(): boolean {
    return [...this.routes.values()].every(route => route.isEmpty)
  }

  /** Resolves when all that was accepted has been settled, or at the limit. */
  async settle(limitMs: number): Promise<void> {
    const endMs = monotonicMs() + limitMs
    while (!this.isEmpty && monotonicMs() < endMs)
      await new Promise<void>(resolve => after(settleLookMs, resolve))
    for (const [edge, route] of this.routes) {
      if (route.isEmpty) continue
      const { from, to, inFlight } = edge
      const what = inFlight === 1 ? 'One message' : `${inFlight} messages`
      this.options.log.warn(
        `${what} from ${from} to pipeline '${to}' had no word that ${inFlight === 1 ? 'it was' : 'they were'} taken when this node left`,
        { code: 'NotSettled', source: 'cluster', inFlight },
      )
    }
  }

  stop(): void {
    for (const end of this.endings) end()
    this.cancelRetry?.()
    this.cancelGather?.()
    this.answers.unsubscribe()
    for (const flow of this.flows.values()) flow.flush()
    for (const flow of this.flows.values()) flow.bye()
    for (const route of this.routes.values()) route.stop()
    this.flows.clear()
    this.byNumber.clear()
    this.routes.clear()
  }
}
