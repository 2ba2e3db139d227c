import type { Source } from '../runtime/turn.ts'
import type { Edge } from './kernel/ledger.ts'
import type { WireMessage } from './kernel/wire.ts'

/** Messages and bytes that may be on their way to one thread over one edge. */
const window = { messages: 1024, bytes: 1024 * 1024 }

/** A message on its way to a shared pipeline. */
export type SendItem = readonly [
  'send',
  lane: number,
  name: string,
  key: string,
  message: WireMessage,
  bytes: number,
]

/**
 * The messages of one edge on their way to one thread, this one or another.
 *
 * A message takes room in the window until its credit comes back. Without room it is dropped and counted (policy
 * `drop`), or it waits in the queue and its source is paused (`block`).
 */
export class Lane {
  readonly id: number
  readonly edge: Edge
  readonly thread: number
  private readonly post: (item: SendItem) => boolean
  /** Taken of the window. */
  private messages = 0
  private bytes = 0
  private readonly queue: SendItem[] = []
  private queuedBytes = 0
  private readonly paused = new Set<Source>()
  private isFlushing = false

  /** @param post sends an item; false when the thread is not there */
  constructor(id: number, edge: Edge, thread: number, post: (item: SendItem) => boolean) {
    this.id = id
    this.edge = edge
    this.thread = thread
    this.post = post
  }

  private hasRoomFor(bytes: number): boolean {
    return this.messages < window.messages && (this.messages === 0 || this.bytes + bytes <= window.bytes)
  }

  send(item: SendItem, source: Source | null): void {
    const { edge } = this
    const bytes = item[5]
    const hasRoom = this.queue.length === 0 && this.hasRoomFor(bytes)
    if (hasRoom && this.dispatch(item)) return
    if (edge.policy === 'drop') {
      edge.drop(hasRoom ? 'thread-down' : 'window')
      return
    }
    // A paused source sends no more than what it had read; what has no source cannot be paused, and has a limit here.
    if (
      source === null &&
      (this.queue.length >= window.messages || this.queuedBytes + bytes > window.bytes) &&
      this.queue.length > 0
    ) {
      edge.drop('window')
      return
    }
    this.queue.push(item)
    this.queuedBytes += bytes
    edge.inFlight++
    if (source !== null && !this.paused.has(source)) {
      this.paused.add(source)
      source.pause()
    }
  }

  private dispatch(item: SendItem): boolean {
    // Taken first: on this thread the credit is back before `post` returns.
    this.messages++
    this.bytes += item[5]
    this.edge.inFlight++
    if (this.post(item)) return true
    this.messages--
    this.bytes -= item[5]
    this.edge.inFlight--
    return false
  }

  /** The receiver gives room back, and tells what became of the messages. */
  credit(delivered: number, deadLettered: number, bytes: number): void {
    const { edge } = this
    this.messages -= delivered + deadLettered
    this.bytes -= bytes
    edge.inFlight -= delivered + deadLettered
    edge.delivered += delivered
    edge.deadLettered += deadLettered
    this.flush()
  }

  /** Sends what waits, as far as there is room. */
  flush(): void {
    if (this.isFlushing) return
    this.isFlushing = true
    while (this.queue.length > 0 && this.hasRoomFor((this.queue[0] as SendItem)[5])) {
      const item = this.queue.shift() as SendItem
      this.edge.inFlight--
      if (!this.dispatch(item)) {
        this.queue.unshift(item)
        this.edge.inFlight++
        break
      }
      this.queuedBytes -= item[5]
    }
    this.isFlushing = false
    if (this.queue.length > 0) return
    for (const source of this.paused) {
      this.paused.delete(source)
      source.resume()
    }
  }

  /** The thread has died: nobody knows what it did with what was on its way, and at most once means not to send again. */
  lose(): void {
    if (this.messages === 0) return
    this.edge.inFlight -= this.messages
    this.edge.drop('thread-died', this.messages)
    this.messages = 0
    this.bytes = 0
  }
}
