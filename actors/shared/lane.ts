import type { Source } from '../../runtime/turn.ts'
import type { Edge } from '../kernel/ledger.ts'
import type { WireMessage } from '../kernel/wire.ts'

/** Messages and bytes that may be on their way to one thread over one edge. */
export interface Window {
  readonly messages: number
  readonly bytes: number
}

const windowWithin: Window = { messages: 1024, bytes: 1024 * 1024 }

/** To another node the way is longer, and its processor is another's as well: 80 ms of 100,000 messages a second. */
export const windowBetween: Window = { messages: 8192, bytes: 4 * 1024 * 1024 }

/** Sends an item; false when nobody is there. */
export type Post<Item> = (item: Item, bytes: number) => boolean

/** What becomes of messages while the other side is not there. */
export interface WhenDown {
  /** Why messages are dropped then. */
  readonly reason: string
  /** Whether as much as the window has is kept for when it is there again, also over an edge that drops. */
  readonly isKept: boolean
}

/** An item that waits for room. */
export interface Queued<Item> {
  readonly item: Item
  readonly bytes: number
  readonly source: Source | null
}

/**
 * The messages of one edge on their way to one thread, this one or another, of this node or another.
 *
 * A message takes room in the window until it is settled: its credit comes back, or it is known to be lost. Without
 * room it is dropped and counted (policy `drop`), or it waits in the queue and its source is paused (`block`).
 */
export class Lane<Item> {
  readonly edge: Edge
  private readonly post: Post<Item>
  private readonly whenDown: WhenDown
  private readonly window: Window
  /** Taken of the window. */
  private messages = 0
  private bytes = 0
  private queue: Queued<Item>[] = []
  private queuedBytes = 0
  private readonly paused = new Set<Source>()
  private isFlushing = false
  private isDown = false
  /** How many were ever sent, and how many of them are settled. */
  sent = 0
  settled = 0

  constructor(edge: Edge, post: Post<Item>, whenDown: WhenDown, window: Window) {
    this.edge = edge
    this.post = post
    this.whenDown = whenDown
    this.window = window
  }

  /** Nothing is on its way and nothing waits. */
  get isEmpty(): boolean {
    return this.messages === 0 && this.queue.length === 0
  }

  private hasRoomFor(bytes: number): boolean {
    return (
      this.messages < this.window.messages && (this.messages === 0 || this.bytes + bytes <= this.window.bytes)
    )
  }

  private canQueue(bytes: number): boolean {
    return (
      this.queue.length === 0 ||
      (this.queue.length < this.window.messages && this.queuedBytes + bytes <= this.window.bytes)
    )
  }

  send(item: Item, bytes: number, source: Source | null): void {
    const { edge, whenDown } = this
    const hasRoom = this.queue.length === 0 && this.hasRoomFor(bytes)
    if (hasRoom && this.dispatch(item, bytes)) return
    const isBlocking = edge.policy === 'block'
    const mayQueue = isBlocking || (whenDown.isKept && (hasRoom || this.queue.length > 0))
    // A paused source sends no more than what it had read; what has no source cannot be paused, and has a limit here.
    if (!mayQueue || ((source === null || !isBlocking) && !this.canQueue(bytes))) {
      edge.drop(this.isDown ? whenDown.reason : 'window')
      return
    }
    this.queue.push({ item, bytes, source })
    this.queuedBytes += bytes
    edge.inFlight++
    if (isBlocking && source !== null && !this.paused.has(source)) {
      this.paused.add(source)
      source.pause()
    }
  }

  private dispatch(item: Item, bytes: number): boolean {
    // Taken first: on this thread the credit is back before `post` returns.
    this.messages++
    this.bytes += bytes
    this.sent++
    this.edge.inFlight++
    this.isDown = !this.post(item, bytes)
    if (!this.isDown) return true
    this.messages--
    this.bytes -= bytes
    this.sent--
    this.edge.inFlight--
    return false
  }

  /** The receiver gives room back, and tells what became of the messages. */
  credit(delivered: number, deadLettered: number, bytes: number): void {
    const { edge } = this
    edge.delivered += delivered
    edge.deadLettered += deadLettered
    this.release(delivered + deadLettered, bytes)
    this.flush()
  }

  /** So many will never be settled by the receiver: they are lost, and counted. */
  lose(reason: string, messages = this.messages, bytes = this.bytes): void {
    if (messages === 0) return
    this.edge.drop(reason, messages)
    this.release(messages, bytes)
  }

  private release(messages: number, bytes: number): void {
    this.messages -= messages
    this.bytes -= bytes
    this.settled += messages
    this.edge.inFlight -= messages
  }

  /** These could not be sent after all: they wait in front of all others. Oldest first. */
  giveBack(items: readonly Queued<Item>[]): void {
    this.isDown = true
    for (const { bytes } of items) {
      this.messages--
      this.bytes -= bytes
      this.sent--
      this.queuedBytes += bytes
    }
    this.queue = [...items, ...this.queue]
  }

  /** Sends what waits, as far as there is room. */
  flush(): void {
    if (this.isFlushing) return
    this.isFlushing = true
    while (this.queue.length > 0) {
      const next = this.queue[0] as Queued<Item>
      if (!this.hasRoomFor(next.bytes)) break
      this.queue.shift()
      this.edge.inFlight--
      if (!this.dispatch(next.item, next.bytes)) {
        this.queue.unshift(next)
        this.edge.inFlight++
        break
      }
      this.queuedBytes -= next.bytes
    }
    this.isFlushing = false
    if (this.queue.length === 0) this.resumeSources()
  }

  /** Gives up what waits, for whoever sends it elsewhere. Its sources stay paused until `resumeSources`. */
  takeQueue(): readonly Queued<Item>[] {
    const { queue } = this
    this.queue = []
    this.queuedBytes = 0
    this.edge.inFlight -= queue.length
    return queue
  }

  resumeSources(): void {
    for (const source of [...this.paused]) {
      this.paused.delete(source)
      source.resume()
    }
  }
}

/** A message on its way to a shared pipeline on a thread of this node. */
export type SendItem = readonly [
  'send',
  lane: number,
  name: string,
  key: string,
  message: WireMessage,
  bytes: number,
]

/** A lane to a thread of this node, with the number by which that thread gives credit. */
export class ThreadLane extends Lane<SendItem> {
  readonly id: number
  readonly thread: number

  constructor(id: number, edge: Edge, thread: number, post: Post<SendItem>) {
    super(edge, post, { reason: 'thread-down', isKept: false }, windowWithin)
    this.id = id
    this.thread = thread
  }
}
