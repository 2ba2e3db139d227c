// Hot path: `add` runs once per message to another node.

import type { Sending } from '../../actors/shared/cluster-link.ts'
import type { Lane, Queued } from '../../actors/shared/lane.ts'
import { monotonicMs } from '../../runtime/clock.ts'
import type { Place } from '../membership/member.ts'
import {
  encodeFrame,
  encodeMessages,
  FrameKind,
  type LaneCredit,
  type LaneHeader,
  packMessage,
  reuseMessages,
} from './frame.ts'

/** A message for a flow. */
export interface Cargo {
  readonly to: FlowLane
  readonly sending: Sending
  readonly shard: number
}

/** A lane within a flow, and what the receiver has said of it. */
export interface FlowLane {
  readonly index: number
  readonly pipeline: string
  /** What counts its messages. */
  readonly lane: Lane<Cargo>
  sent: number
  sentBytes: number
  delivered: number
  deadLettered: number
  lost: number
  settledBytes: number
  /** All messages before this one are settled. */
  through: number
  /** The last frame that names it. */
  frame: number
}

/** The way to the bus, and what a flow has to tell. */
export interface FlowRoads {
  readonly sender: string
  readonly maxPayload: number
  publish(frame: Uint8Array): boolean
  /** Whether nobody reads what was last published any more. */
  isWritten(): boolean
  /** Something waits for `flush`. */
  gathered(): void
  /** So much waits that it makes a frame by itself. */
  filled(): void
  /** The bus did not take a frame: it is to be told to `resume` when it may do so again. */
  refused(): void
  /** The receiver has given credit. */
  credited(): void
}

/** Room for the subject and what the protocol adds. */
const envelopeBytes = 1024
/** Frames need not be larger: what costs per frame is small by then, and many small ones are under way sooner. */
const usualFrameBytes = 256 * 1024

/**
 * What this thread sends to one thread of another node, in one of its lives. Messages that were gathered together go as one
 * frame, and each says how many went before it. So the receiver sees what is missing, its credit, which counts from the
 * beginning, tells the sender; and when no credit comes, the sender asks with a frame that holds no messages.
 */
export class Flow {
  readonly place: Place
  readonly number: number
  private readonly roads: FlowRoads
  private readonly lanes: FlowLane[] = []
  private gathered: Cargo[] = []
  private gatheredBytes = 0
  private frames = 0
  private isDown = false
  /** Messages that are sent and not settled. */
  outstanding = 0
  /** When something was last sent, and when the receiver last said something new or was asked. */
  usedMs = monotonicMs()
  heardMs = monotonicMs()

  constructor(place: Place, number: number, roads: FlowRoads) {
    this.place = place
    this.number = number
    this.roads = roads
  }

  open(pipeline: string, makeLane: (post: (cargo: Cargo) => boolean) => Lane<Cargo>): FlowLane {
    const lane: FlowLane = {
      index: this.lanes.length,
      pipeline,
      lane: makeLane(cargo => this.add(cargo)),
      sent: 0,
      sentBytes: 0,
      delivered: 0,
      deadLettered: 0,
      lost: 0,
      settledBytes: 0,
      through: 0,
      frame: 0,
    }
    this.lanes.push(lane)
    return lane
  }

  get isIdle(): boolean {
    return this.outstanding === 0 && this.lanes.every(({ lane }) => lane.isEmpty)
  }

  add(cargo: Cargo): boolean {
    if (this.isDown) return false
    const before = this.gatheredBytes
    this.gatheredBytes += cargo.sending.bytes
    if (this.gathered.push(cargo) === 1) this.roads.gathered()
    if (before < usualFrameBytes && this.gatheredBytes >= usualFrameBytes) this.roads.filled()
    return true
  }

  /** There is no connection, or there is one again. */
  connected(isConnected: boolean): void {
    this.isDown = !isConnected
    if (!isConnected) return
    this.resume()
    // What was on its way when the connection broke may be lost.
    if (this.outstanding > 0) this.ask()
  }

  /** The bus takes frames again. */
  resume(): void {
    this.isDown = false
    for (const { lane } of this.lanes) lane.flush()
  }

  flush(): void {
    const { gathered } = this
    if (gathered.length === 0) return
    this.gathered = []
    this.gatheredBytes = 0
    if (this.outstanding === 0) this.heardMs = monotonicMs()
    this.usedMs = monotonicMs()
    const limit = Math.min(usualFrameBytes, this.roads.maxPayload - envelopeBytes)
    let from = 0
    let bytes = 0
    for (let at = 0; at < gathered.length; at++) {
      const next = (gathered[at] as Cargo).sending.bytes
      if (at > from && bytes + next > limit) {
        if (!this.sendAll(gathered, from, at)) return
        from = at
        bytes = 0
      }
      bytes += next
    }
    this.sendAll(gathered, from, gathered.length)
  }

  /** Sends a stretch of what was gathered; when that cannot be, gives it back with all that follows. */
  private sendAll(gathered: readonly Cargo[], from: number, to: number): boolean {
    const sent = this.sendFrame(gathered, from, to)
    if (sent === to) return true
    this.isDown = true
    this.giveBack(gathered.slice(sent))
    this.roads.refused()
    return false
  }

  /** Gives the index of the first that was not sent. */
  private sendFrame(gathered: readonly Cargo[], from: number, to: number): number {
    const headers: LaneHeader[] = []
    const frameNumber = ++this.frames
    for (let i = from; i < to; i++) {
      const { to: lane } = gathered[i] as Cargo
      if (lane.frame === frameNumber) continue
      lane.frame = frameNumber
      headers.push([lane.index, lane.pipeline, lane.sent, lane.sentBytes])
    }
    const frame = encodeMessages(this.roads.sender, this.number, headers, gathered, from, to)
    if (frame.length > this.roads.maxPayload - envelopeBytes) {
      reuseMessages()
      if (to - from === 1) return this.sendParts(gathered[from] as Cargo) ? to : from
      // Heads are larger than was thought.
      const middle = from + ((to - from) >> 1)
      const sent = this.sendFrame(gathered, from, middle)
      return sent === middle ? this.sendFrame(gathered, middle, to) : sent
    }
    const isTaken = this.roads.publish(frame)
    if (!isTaken || this.roads.isWritten()) reuseMessages()
    if (!isTaken) return from
    for (let i = from; i < to; i++) this.count(gathered[i] as Cargo)
    return to
  }

  private count({ to, sending }: Cargo): void {
    to.sent++
    to.sentBytes += sending.bytes
    this.outstanding++
  }

  /** False when nothing of it was sent. A message of which some parts were is lost, and found missing by the receiver. */
  private sendParts(cargo: Cargo): boolean {
    const { to: lane, sending } = cargo
    const packed = packMessage(sending.key, sending.wire)
    const size = this.roads.maxPayload - 2 * envelopeBytes
    const parts = Math.ceil(packed.length / size)
    const header: LaneHeader = [lane.index, lane.pipeline, lane.sent, lane.sentBytes]
    for (let part = 0; part < parts; part++) {
      const chunk = packed.subarray(part * size, (part + 1) * size)
      const frame = encodeFrame([
        FrameKind.part,
        this.roads.sender,
        this.number,
        header,
        part,
        parts,
        packed.length,
        chunk,
      ])
      if (this.roads.publish(frame)) continue
      if (part === 0) return false
      break
    }
    this.count(cargo)
    return true
  }

  private giveBack(cargos: readonly Cargo[]): void {
    const byLane = new Map<FlowLane, Queued<Cargo>[]>()
    for (const cargo of cargos) {
      const items = byLane.get(cargo.to) ?? []
      byLane.set(cargo.to, items)
      items.push({ item: cargo, bytes: cargo.sending.bytes, source: null })
    }
    for (const [{ lane }, items] of byLane) lane.giveBack(items)
  }

  /** Asks what became of what was sent. */
  ask(): void {
    const headers = this.lanes
      .filter(({ sent, through }) => sent > through)
      .map(({ index, pipeline, sent, sentBytes }): LaneHeader => [index, pipeline, sent, sentBytes])
    if (headers.length === 0) return
    this.heardMs = monotonicMs()
    this.roads.publish(encodeFrame([FrameKind.messages, this.roads.sender, this.number, headers, []]))
  }

  credit(rows: readonly LaneCredit[]): void {
    for (const [index, delivered, deadLettered, lost, bytes, through] of rows) {
      const lane = this.lanes[index]
      if (lane === undefined) continue
      const settled = delivered + deadLettered + lost - (lane.delivered + lane.deadLettered + lane.lost)
      // Counts only ever grow: an older credit has come late, or twice.
      if (settled <= 0) continue
      // Nothing is settled that was not sent, and nothing comes back: that was not the receiver who said so.
      if (delivered + deadLettered + lost > lane.sent || through > lane.sent) continue
      if (delivered < lane.delivered || deadLettered < lane.deadLettered || lost < lane.lost) continue
      this.heardMs = monotonicMs()
      this.outstanding -= settled
      this.settle(lane, delivered, deadLettered, lost, bytes)
      lane.through = Math.max(lane.through, through)
    }
    this.roads.credited()
  }

  private settle(at: FlowLane, delivered: number, deadLettered: number, lost: number, bytes: number): void {
    const newlyDelivered = delivered - at.delivered
    const newlyDead = deadLettered - at.deadLettered
    const newlyLost = lost - at.lost
    const newBytes = Math.max(0, Math.min(bytes, at.sentBytes) - at.settledBytes)
    at.delivered = delivered
    at.deadLettered = deadLettered
    at.lost = lost
    at.settledBytes += newBytes
    // Bytes come in one sum, whatever became of the messages.
    at.lane.lose('lost', newlyLost, 0)
    at.lane.credit(newlyDelivered, newlyDead, newBytes)
  }

  /** The place is gone: nobody knows what it did with what was on its way, and at most once means not to send again. */
  lose(reason: string): void {
    this.isDown = true
    const { gathered } = this
    this.gathered = []
    this.gatheredBytes = 0
    // What was not sent yet can go elsewhere.
    this.giveBack(gathered)
    this.outstanding = 0
    for (const { lane } of this.lanes) lane.lose(reason)
  }

  bye(): void {
    this.isDown = true
    this.roads.publish(encodeFrame([FrameKind.bye, this.roads.sender, this.number]))
  }
}
