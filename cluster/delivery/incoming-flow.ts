// Hot path: `take` runs once per frame from another node.

import { type WireMessage, wireMessageBytes } from '../../actors/kernel/wire.ts'
import type { Outcome } from '../../actors/shared/work.ts'
import { monotonicMs } from '../../runtime/clock.ts'
import { type Flushable, turn } from '../../runtime/turn.ts'
import {
  encodeFrame,
  type FrameItem,
  FrameKind,
  type LaneCredit,
  type LaneHeader,
  unpackMessage,
} from './frame.ts'
import { PartAssembly, type PartBudget } from './part-assembly.ts'

/** What head, tail and packing may add to a message whose body is as large as its pipeline lets it be. */
const headAllowance = 256 * 1024

export interface IncomingRoads {
  readonly budget: PartBudget
  maxMessageBytes(pipeline: string): number
  take(pipeline: string, key: string, wire: WireMessage, outcome: Outcome): void
  answer(frame: Uint8Array): boolean
}

/**
 * What one thread of another node sends to this one. It sees by the headers what is missing, which is lost, and what it
 * has had already, which it leaves out; and tells, all counted from the beginning, what became of the messages: once per
 * turn in which something did.
 */
export class IncomingFlow implements Flushable {
  private readonly number: number
  private readonly roads: IncomingRoads
  private readonly lanes: (IncomingLane | undefined)[] = []
  private changed: IncomingLane[] = []
  usedMs = monotonicMs()
  isClosed = false

  constructor(number: number, roads: IncomingRoads) {
    this.number = number
    this.roads = roads
  }

  /** Everything that came is settled. */
  get isDone(): boolean {
    return this.lanes.every(lane => lane === undefined || lane.isDone)
  }

  /** The sender has nothing on its way any more. What comes after is what the bus repeats. */
  close(): void {
    this.isClosed = true
    for (const lane of this.lanes) lane?.close()
  }

  take(headers: readonly LaneHeader[], items: readonly FrameItem[]): void {
    if (this.isClosed) return
    this.usedMs = monotonicMs()
    for (const header of headers) {
      const lane = this.lane(header)
      lane.align(header)
      // Also without anything new: the sender may ask because an earlier credit was lost.
      this.note(lane)
    }
    for (const [index, key, wire] of items) {
      const lane = this.lanes[index]
      if (lane !== undefined) this.deliver(lane, key, wire)
    }
  }

  takePart(header: LaneHeader, part: number, parts: number, size: number, chunk: Uint8Array): void {
    if (this.isClosed) return
    this.usedMs = monotonicMs()
    const lane = this.lane(header)
    lane.align(header)
    this.note(lane)
    const maxSize = this.roads.maxMessageBytes(lane.pipeline) + headAllowance
    const whole = lane.assemble(part, parts, size, chunk, maxSize)
    if (whole === undefined) return
    const [key, wire] = unpackMessage(whole)
    this.deliver(lane, key, wire)
  }

  private deliver(lane: IncomingLane, key: string, wire: WireMessage): void {
    const bytes = wireMessageBytes(wire)
    const number = lane.enter(bytes)
    if (number === undefined) return
    this.roads.take(lane.pipeline, key, wire, isDelivered => {
      lane.settle(number, bytes, isDelivered)
      this.note(lane)
    })
  }

  private lane([index, pipeline]: LaneHeader): IncomingLane {
    let lane = this.lanes[index]
    if (lane === undefined) {
      lane = new IncomingLane(index, pipeline, this.roads.budget)
      this.lanes[index] = lane
    }
    return lane
  }

  private note(lane: IncomingLane): void {
    if (lane.isChanged) return
    lane.isChanged = true
    if (this.changed.push(lane) === 1) turn.defer(this)
  }

  flush(): void {
    const { changed } = this
    this.changed = []
    for (const lane of changed) lane.isChanged = false
    // A credit that does not get through comes again: the sender asks.
    this.roads.answer(encodeFrame([FrameKind.credit, this.number, changed.map(lane => lane.credit())]))
  }
}

/** The messages of one lane as they arrive: each is taken once, lost, or was there already. */
class IncomingLane {
  readonly index: number
  readonly pipeline: string
  isChanged = false
  /** The next message that has not been taken, and the bytes before it. */
  private next = 0
  private nextBytes = 0
  /** Messages at the front of the present frame that were taken before. */
  private known = 0
  private delivered = 0
  private deadLettered = 0
  private lost = 0
  private settledBytes = 0
  /** All before this one are settled; those behind it that are too, as stretches: the first, and the one after the last. */
  private through = 0
  private readonly ahead = new Map<number, number>()
  private readonly assembly: PartAssembly

  constructor(index: number, pipeline: string, budget: PartBudget) {
    this.assembly = new PartAssembly(budget)
    this.index = index
    this.pipeline = pipeline
  }

  get isDone(): boolean {
    return this.delivered + this.deadLettered + this.lost === this.next
  }

  /** What the sender has sent before that has not come is lost: what it sends comes in order, or not at all. */
  align([, , messages, bytes]: LaneHeader): void {
    this.known = Math.max(0, this.next - messages)
    if (messages <= this.next) return
    this.lost += messages - this.next
    this.settledBytes += bytes - this.nextBytes
    this.ahead.set(this.next, messages)
    this.next = messages
    this.nextBytes = bytes
    this.assembly.reset()
    this.advance()
  }

  /** The number of a message that comes; undefined when it was taken before. */
  enter(bytes: number): number | undefined {
    if (this.known > 0) {
      this.known--
      return undefined
    }
    this.nextBytes += bytes
    return this.next++
  }

  settle(number: number, bytes: number, isDelivered: boolean): void {
    if (isDelivered) this.delivered++
    else this.deadLettered++
    this.settledBytes += bytes
    if (number !== this.through) {
      this.ahead.set(number, number + 1)
      return
    }
    this.through++
    this.advance()
  }

  private advance(): void {
    while (this.ahead.size > 0) {
      const end = this.ahead.get(this.through)
      if (end === undefined) return
      this.ahead.delete(this.through)
      this.through = end
    }
  }

  /** The whole of a message, with its last part; one that was taken before is left out. */
  assemble(
    part: number,
    parts: number,
    size: number,
    chunk: Uint8Array,
    maxSize: number,
  ): Uint8Array | undefined {
    return this.known > 0 ? undefined : this.assembly.add(part, parts, size, chunk, maxSize)
  }

  /** It is of no use any more. */
  close(): void {
    this.assembly.reset()
  }

  credit(): LaneCredit {
    const { index, delivered, deadLettered, lost, settledBytes, through } = this
    return [index, delivered, deadLettered, lost, settledBytes, through]
  }
}
