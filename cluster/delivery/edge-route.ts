// Hot path: `send` runs once per message to a cluster pipeline.

import type { Edge } from '../../actors/kernel/ledger.ts'
import type { Sending } from '../../actors/shared/cluster-link.ts'
import { Lane, type Queued, windowBetween } from '../../actors/shared/lane.ts'
import { monotonicMs } from '../../runtime/clock.ts'
import type { Source } from '../../runtime/turn.ts'
import { type Member, type Place, placeId } from '../membership/member.ts'
import type { Placement } from '../placement/placement.ts'
import type { Cargo, Flow, FlowLane } from './flow.ts'
import { type Waiting, WaitingRoom } from './waiting-room.ts'

export interface RouteRoads {
  readonly placement: Placement
  /**
   * Whether this node is the one that we are; 'unsure' when it is, and it is not known whether the others take it for alive,
   * yet or any more. What it would send to itself then, it would not take.
   */
  whereIs(host: Member): 'here' | 'elsewhere' | 'unsure'
  sendWithin(sending: Sending, edge: Edge, source: Source | null): void
  /** What tells later whether all that an edge has sent within the node until now is settled. */
  markWithin(edge: Edge): () => boolean
  flowTo(place: Place): Flow
}

/** Where a shard's messages go: to a lane, or to this node itself. */
type Way = Exit | 'within'

interface Exit {
  readonly id: string
  readonly place: Place
  readonly flow: Flow
  readonly lane: Lane<Cargo>
  readonly at: FlowLane
  /** What it had sent when keys last moved. */
  mark: number
}

/**
 * How long messages for a key that has moved may wait for what the old host has still to do. Longer than a healthy host
 * needs; one whose actor is stuck must not hold up the traffic for its successor.
 */
const handOverMs = 5000

/**
 * The messages of one edge to a cluster pipeline: each goes to the place of its key, within the window of its lane.
 *
 * Order per key holds while keys move: what comes for a key that has a new host waits until the old one is done with all
 * that it was sent, or is gone. What has no host, or cannot be sent, waits too, as much as the window has.
 */
export class EdgeRoute {
  readonly edge: Edge
  private readonly roads: RouteRoads
  private readonly exits = new Map<string, Exit>()
  /** By shard: where its messages went last. */
  private readonly lastWays: (Way | undefined)[] = []
  /** By shard: after which of the changes that way was found. */
  private readonly foundIn: number[] = []
  private changes = 1
  private readonly waiting: WaitingRoom
  private isWithinDone: () => boolean = () => true
  private movedMs = Number.NEGATIVE_INFINITY
  /** Its program has ended: it goes when it is empty. */
  isLeaving = false

  constructor(edge: Edge, roads: RouteRoads) {
    this.edge = edge
    this.roads = roads
    this.waiting = new WaitingRoom(edge)
  }

  get isEmpty(): boolean {
    return this.waiting.isEmpty && [...this.exits.values()].every(({ lane }) => lane.isEmpty)
  }

  send(sending: Sending, source: Source | null): void {
    const { pipeline, key } = sending
    if (sending.bytes > pipeline.maxMessageBytes) {
      this.edge.drop('too-large')
      return
    }
    const { placement } = this.roads
    const shard = placement.shardOf(pipeline, key)
    if (this.waiting.isEmpty || !this.waiting.has(shard)) {
      if (pipeline.fanout === 'one') {
        const way = this.wayTo(sending, shard)
        if (way !== undefined) {
          this.go(way, sending, shard, source)
          return
        }
      } else if (this.passToAll({ sending, shard, source })) return
    }
    const reason = placement.hostsOf(pipeline.name).length === 0 ? 'no-host' : 'window'
    this.waiting.add({ sending, shard, source }, reason)
  }

  private go(way: Way, sending: Sending, shard: number, source: Source | null): void {
    if (way === 'within') this.roads.sendWithin(sending, this.edge, source)
    else way.lane.send({ to: way.at, sending, shard }, sending.bytes, source)
  }

  /** Where messages for a shard go now; undefined when they must wait. Looked for once after each change of the nodes. */
  private wayTo({ pipeline }: Sending, shard: number): Way | undefined {
    if (this.foundIn[shard] === this.changes) return this.lastWays[shard]
    const owner = this.roads.placement.ownerOf(pipeline, shard)
    if (owner === undefined) return undefined
    const where = this.roads.whereIs(owner)
    if (where === 'unsure') return undefined
    const way = where === 'here' ? 'within' : this.exitTo(owner, pipeline.name, shard)
    if (way === undefined || !this.mayTake(shard, way)) return undefined
    this.lastWays[shard] = way
    this.foundIn[shard] = this.changes
    return way
  }

  /** Whether nobody else is still at work on what came before for this shard. */
  private mayTake(shard: number, way: Way): boolean {
    const last = this.lastWays[shard]
    if (last === undefined || last === way) return true
    if (monotonicMs() - this.movedMs > handOverMs) return true
    if (last === 'within') return this.isWithinDone()
    return !this.exits.has(last.id) || last.at.through >= last.mark
  }

  /** Every node that hosts the pipeline takes a copy, and each copy is accounted for. False when it must wait. */
  private passToAll({ sending, shard, source }: Waiting): boolean {
    const { roads } = this
    const { name } = sending.pipeline
    const hosts = roads.placement.hostsOf(name)
    if (hosts.length === 0 || hosts.some(host => roads.whereIs(host) === 'unsure')) return false
    this.edge.accepted += hosts.length - 1
    for (const host of hosts) {
      if (roads.whereIs(host) === 'here') {
        roads.sendWithin(sending, this.edge, source)
        continue
      }
      const exit = this.exitTo(host, name, shard)
      if (exit === undefined) this.edge.drop('thread-down')
      else exit.lane.send({ to: exit.at, sending, shard }, sending.bytes, source)
    }
    return true
  }

  /** Undefined while the thread is not there. */
  private exitTo(host: Member, pipeline: string, shard: number): Exit | undefined {
    const place = this.roads.placement.placeOn(host, shard)
    if (place.life === 0) return undefined
    const id = placeId(place)
    let exit = this.exits.get(id)
    if (exit === undefined) {
      const flow = this.roads.flowTo(place)
      const at = flow.open(
        pipeline,
        post => new Lane<Cargo>(this.edge, post, { reason: 'disconnected', isKept: true }, windowBetween),
      )
      exit = { id, place, flow, lane: at.lane as Lane<Cargo>, at, mark: 0 }
      this.exits.set(id, exit)
    }
    return exit
  }

  /** Keys may have moved, and nodes may have gone: what has not been sent finds its place anew. */
  placed(): void {
    this.changes++
    this.movedMs = monotonicMs()
    this.isWithinDone = this.roads.markWithin(this.edge)
    const exits = [...this.exits.values()]
    const unsent: Queued<Cargo>[] = []
    for (const exit of exits) {
      exit.mark = exit.lane.sent
      const isThere = this.roads.placement.isThere(exit.place)
      if (!isThere) this.exits.delete(exit.id)
      for (const queued of exit.lane.takeQueue()) {
        if (queued.item.sending.pipeline.fanout === 'one') unsent.push(queued)
        else if (isThere) exit.lane.send(queued.item, queued.bytes, queued.source)
        else this.edge.drop('node-died')
      }
    }
    this.waiting.putFirst(unsent.map(({ item, source }) => ({ ...item, source })))
    this.goOn()
    for (const { lane } of exits) lane.flush()
  }

  /** Sends what waits and need not any more. */
  goOn(): void {
    if (this.waiting.isEmpty) return
    this.waiting.leave(entry => {
      const { sending, shard, source } = entry
      if (sending.pipeline.fanout === 'all') return this.passToAll(entry)
      const way = this.wayTo(sending, shard)
      if (way === undefined) return false
      this.go(way, sending, shard, source)
      return true
    })
  }

  /** The receiver at the end of this flow does not know it any more, and neither do we. */
  forget(flow: Flow): void {
    this.changes++
    for (const exit of this.exits.values()) if (exit.flow === flow) this.exits.delete(exit.id)
  }

  /** Nothing is sent any more. */
  stop(): void {
    this.waiting.giveUp('stopped')
    for (const { lane } of this.exits.values()) {
      const left = lane.takeQueue().length
      if (left > 0) this.edge.drop('stopped', left)
      lane.lose('stopped')
      lane.resumeSources()
    }
  }
}
