import type { SinkEntry, SinkOutcome } from '../../actors/sink.ts'
import { Item } from './destination.ts'

/** What an entry takes besides its bytes: objects, its id, its place in a queue. */
const overheadBytes = 256

/** Told what became of an entry. `entry` is it as the sink had it last, which may be a copy; nothing in the sink reads it any more once it is stored. */
export type Settled = ((outcome: SinkOutcome, entry?: SinkEntry) => void) | undefined

/** Where entries wait until they are sent. It is bounded, and knows of each until it is settled. */
export interface Backlog {
  /** Undefined: taken. Else why there is no room. */
  add(entry: SinkEntry, settled: Settled): string | undefined
  /** Entries that can be taken now. */
  readonly count: number
  readonly bytes: number
  /** Takes the oldest, at least one and no more than so much. */
  take(maxBytes: number, maxCount: number): Item[]
  settle(item: Item): void
  /** Entries of an earlier process have not all come to light. */
  readonly isRecovering: boolean
  /** Over half of the room is taken. */
  readonly isCongested: boolean
  /** A quarter of the room or less is. */
  readonly isRelieved: boolean
  readonly memoryBytes: number
  readonly diskBytes: number
  /** What becomes of entries that are not settled when it closes, as a reason of dropping. */
  readonly leftover: string
  /** Tells those that it has on disk alone, which nobody could take. */
  close(): Promise<void>
}

export const bytesOf = (entry: SinkEntry): number => entry.json.length + overheadBytes

/** Items in a row, taken from its front without moving the rest each time. */
export class ItemQueue {
  count = 0
  bytes = 0
  private items: (Item | undefined)[] = []
  private head = 0

  push(item: Item): void {
    this.items.push(item)
    this.count++
    this.bytes += item.bytes
  }

  take(maxBytes: number, maxCount: number): Item[] {
    const taken: Item[] = []
    let bytes = 0
    while (this.count > 0 && taken.length < maxCount) {
      const item = this.items[this.head] as Item
      if (taken.length > 0 && bytes + item.bytes > maxBytes) break
      bytes += item.bytes
      this.items[this.head++] = undefined
      this.count--
      taken.push(item)
    }
    this.bytes -= bytes
    if (this.head > 1024 && this.head * 2 > this.items.length) {
      this.items = this.items.slice(this.head)
      this.head = 0
    }
    return taken
  }
}

/** Entries wait in memory; with the process they are gone. */
export class MemoryBacklog implements Backlog {
  readonly diskBytes = 0
  readonly leftover = 'closed'
  readonly isRecovering = false
  memoryBytes = 0
  private readonly limitBytes: number
  private readonly waiting = new ItemQueue()

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes
  }

  add(entry: SinkEntry, settled: Settled): string | undefined {
    const bytes = bytesOf(entry)
    if (this.memoryBytes + bytes > this.limitBytes) return 'overflow'
    this.memoryBytes += bytes
    this.waiting.push(new Item(entry, settled, bytes))
    return undefined
  }

  get count(): number {
    return this.waiting.count
  }

  get bytes(): number {
    return this.waiting.bytes
  }

  take(maxBytes: number, maxCount: number): Item[] {
    return this.waiting.take(maxBytes, maxCount)
  }

  settle(item: Item): void {
    this.memoryBytes -= item.bytes
  }

  get isCongested(): boolean {
    return this.memoryBytes > this.limitBytes / 2
  }

  get isRelieved(): boolean {
    return this.memoryBytes <= this.limitBytes / 4
  }

  async close(): Promise<void> {}
}
