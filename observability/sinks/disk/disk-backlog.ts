import { Buffer } from 'node:buffer'
import type { SinkEntry } from '../../../actors/sink.ts'
import { after } from '../../../runtime/clock.ts'
import type { Logger } from '../../../runtime/log.ts'
import { turn } from '../../../runtime/turn.ts'
import { type Backlog, bytesOf, ItemQueue, type Settled } from '../backlog.ts'
import { Item } from '../destination.ts'
import type { BufferFolder, Heir } from './buffer-folder.ts'
import { encodeFrame } from './frame.ts'
import type { Cursor, Segment } from './segment.ts'

export interface DiskBacklogOptions {
  readonly folder: BufferFolder
  readonly memoryBytes: number
  readonly diskBytes: number
  readonly isSynced: boolean
  readonly log: Logger
}

/** Who writes what waits here. */
export interface BacklogOwner {
  /** So many entries of an earlier process have come to light. */
  recover(entries: number): void
  /** There is more to take. */
  refilled(): void
}

interface Place {
  readonly segment: Segment
  readonly index: number
}

/** Of the memory, for entries; the rest is for the callbacks of those on disk. */
const entryShare = 0.75
/** What a callback that waits in memory for an entry on disk takes. */
const callbackBytes = 128
/** A segment is put to its end when it has so much, or when all of it is settled and it has a little. */
const segmentBytes = 16 * 1024 * 1024
const littleBytes = 1024 * 1024
/** How long to wait when the disk does not take what it is given. */
const retryMs = 1000

/**
 * Entries wait on disk until they are settled. Those that memory has room for are in memory as well; from the first for which
 * it has not, they are on disk alone, and are read again in order.
 *
 *     add ──► segment on disk ──────────────► settled: noted, and the file goes when all of it is
 *        └──► queue in memory ──► take          ▲
 *                 ▲── read again, when memory has room, from where it had none
 */
export class DiskBacklog implements Backlog, Heir {
  memoryBytes = 0
  diskBytes = 0
  private readonly options: DiskBacklogOptions
  private readonly waiting = new ItemQueue()
  private readonly segments = new Set<Segment>()
  /** Files of earlier processes, to be read to their end. */
  private readonly left: Cursor[]
  private current: Segment | null = null
  /** From where on entries are on disk alone. */
  private spilled: Cursor[] = []
  private readonly callbacks = new Map<Segment, Map<number, Settled>>()
  private unwritten: { readonly segment: Segment; readonly frame: Buffer }[] = []
  private unwrittenBytes = 0
  private isDirty = false
  private writing: Promise<void> | null = null
  private loading: Promise<void> | null = null
  private isClosed = false
  private owner: BacklogOwner | null = null

  constructor(options: DiskBacklogOptions) {
    this.options = options
    this.left = []
    this.adopt(options.folder.enter(this))
  }

  /** Some of what a disk that failed at the end is told to have lost may be found on it all the same. */
  get leftover(): string {
    return this.unwritten.length === 0 ? 'left-on-disk' : 'disk-failed'
  }

  /** Begins to read what earlier processes left. */
  start(owner: BacklogOwner): void {
    this.owner = owner
    this.load()
  }

  adopt(segments: readonly Segment[]): void {
    for (const segment of segments) {
      this.segments.add(segment)
      this.diskBytes += segment.bytes
      this.left.push({ segment, offset: 0, index: 0 })
    }
    if (this.owner !== null) this.load()
  }

  add(entry: SinkEntry, settled: Settled): string | undefined {
    const { memoryBytes, diskBytes } = this.options
    const frame = encodeFrame(entry)
    const bytes = bytesOf(entry)
    if (this.diskBytes + frame.length > diskBytes || this.unwrittenBytes > memoryBytes) return 'overflow'
    const hasRoom = this.spilled.length === 0 && this.memoryBytes + bytes <= memoryBytes * entryShare
    if (!hasRoom && settled !== undefined && this.memoryBytes + callbackBytes > memoryBytes) return 'overflow'
    const segment = this.segment()
    if (segment === null) return 'disk-failed'
    const place: Place = { segment, index: segment.entries++ }
    if (hasRoom) {
      this.memoryBytes += bytes
      this.waiting.push(new Item(entry, settled, bytes, place))
    } else this.spill(place, settled)
    segment.unsettled++
    segment.bytes += frame.length
    this.diskBytes += frame.length
    this.unwritten.push({ segment, frame })
    this.unwrittenBytes += frame.length
    this.dirty()
    return undefined
  }

  private spill({ segment, index }: Place, settled: Settled): void {
    if (this.spilled.at(-1)?.segment !== segment) this.spilled.push({ segment, offset: segment.bytes, index })
    segment.isRead = false
    if (settled === undefined) return
    let callbacks = this.callbacks.get(segment)
    if (callbacks === undefined) {
      callbacks = new Map()
      this.callbacks.set(segment, callbacks)
    }
    callbacks.set(index, settled)
    this.memoryBytes += callbackBytes
  }

  /** The one that is written to; null when the disk does not have it. */
  private segment(): Segment | null {
    const { current } = this
    if (current !== null && current.bytes < this.segmentLimit) return current
    this.seal()
    try {
      this.current = this.options.folder.newSegment()
      this.segments.add(this.current)
    } catch (error) {
      this.tell(error)
    }
    return this.current
  }

  private get segmentLimit(): number {
    return Math.min(segmentBytes, this.options.diskBytes / 8)
  }

  private seal(): void {
    const { current } = this
    this.current = null
    if (current === null) return
    current.isSealed = true
    this.discard(current)
  }

  /** A file of which all is settled goes. */
  private discard(segment: Segment): void {
    if (!segment.isDone) return
    this.diskBytes -= segment.bytes
    this.segments.delete(segment)
    this.callbacks.delete(segment)
    // A write that is under way needs it open still.
    if (this.writing === null) segment.remove()
    else void this.writing.then(() => segment.remove())
  }

  get count(): number {
    return this.waiting.count
  }

  get bytes(): number {
    return this.waiting.bytes
  }

  get isRecovering(): boolean {
    return this.left.length > 0
  }

  take(maxBytes: number, maxCount: number): Item[] {
    return this.waiting.take(maxBytes, maxCount)
  }

  settle(item: Item): void {
    this.memoryBytes -= item.bytes
    const { segment, index } = item.place as Place
    segment.settle(index)
    if (segment === this.current && segment.unsettled === 0 && segment.bytes > littleBytes && segment.isRead)
      this.seal()
    else this.discard(segment)
    this.dirty()
    this.load()
  }

  get isCongested(): boolean {
    const { memoryBytes, diskBytes } = this.options
    return this.diskBytes > diskBytes / 2 || this.callbackShare > memoryBytes / 2
  }

  get isRelieved(): boolean {
    const { memoryBytes, diskBytes } = this.options
    return this.diskBytes <= diskBytes / 4 && this.callbackShare <= memoryBytes / 4
  }

  private get callbackShare(): number {
    let count = 0
    for (const callbacks of this.callbacks.values()) count += callbacks.size
    return count * callbackBytes
  }

  /** Notes at the end of the turn what came and what was settled in it. */
  private dirty(): void {
    if (this.isDirty) return
    this.isDirty = true
    turn.defer(this)
  }

  flush(): void {
    this.isDirty = false
    this.writing ??= this.writeAll().finally(() => {
      this.writing = null
      if (this.unwritten.length > 0 && !this.isClosed) this.flush()
    })
  }

  private async writeAll(): Promise<void> {
    for (;;) {
      try {
        while (this.unwritten.length > 0) await this.writeSome()
        for (const segment of [...this.segments]) if (segment.hasNews) await segment.note()
        if (this.unwritten.length === 0) return
      } catch (error) {
        this.tell(error)
        if (this.isClosed) return
        const { promise, resolve } = Promise.withResolvers<void>()
        after(retryMs, resolve)
        await promise
      }
    }
  }

  /** Writes what there is for one segment. */
  private async writeSome(): Promise<void> {
    const { unwritten } = this
    const { segment } = unwritten[0] as { segment: Segment }
    const end = unwritten.findIndex(each => each.segment !== segment)
    const part = unwritten.slice(0, end < 0 ? unwritten.length : end)
    const frames = Buffer.concat(part.map(({ frame }) => frame))
    await segment.append(frames, this.options.isSynced)
    this.unwritten = this.unwritten.slice(part.length)
    this.unwrittenBytes -= frames.length
  }

  /** Reads on, when there is something to read and room for it. */
  private load(): void {
    if (this.loading !== null || this.isClosed || this.owner === null) return
    if (this.memoryBytes > this.options.memoryBytes / 2) return
    const cursor = this.left[0] ?? this.spilled[0]
    if (cursor === undefined) return
    this.loading = this.loadSome(cursor).finally(() => {
      this.loading = null
      this.owner?.refilled()
      this.load()
    })
  }

  private async loadSome(cursor: Cursor): Promise<void> {
    const { segment } = cursor
    const isLeft = cursor === this.left[0]
    try {
      while (!isLeft && segment.written <= cursor.offset && !this.isClosed) {
        this.flush()
        await this.writing
      }
      const found = await segment.read(
        cursor,
        Math.max(4096, Math.min(1024 * 1024, this.options.memoryBytes / 8)),
      )
      if (this.isClosed) return
      if (isLeft) {
        segment.unsettled += found.length
        this.owner?.recover(found.length)
      }
      for (const { entry, index } of found) this.loaded(entry, { segment, index })
      if (found.length === 0) this.reachedEnd(cursor, isLeft)
      else if (!isLeft && cursor.offset === segment.bytes) this.reachedEnd(cursor, isLeft)
    } catch (error) {
      this.tell(error)
      if (isLeft) this.left.shift()
      else this.spilled.shift()
    }
  }

  private loaded(entry: SinkEntry, place: Place): void {
    const callbacks = this.callbacks.get(place.segment)
    const settled = callbacks?.get(place.index)
    if (settled !== undefined) {
      callbacks?.delete(place.index)
      this.memoryBytes -= callbackBytes
    }
    const bytes = bytesOf(entry)
    this.memoryBytes += bytes
    this.waiting.push(new Item(entry, settled, bytes, place))
  }

  private reachedEnd(cursor: Cursor, isLeft: boolean): void {
    const { segment } = cursor
    if (isLeft) {
      this.left.shift()
      const torn = segment.bytes - cursor.offset
      if (torn > 0)
        this.options.log.warn(
          `The last ${torn} bytes of ${segment.path} are no whole entry: the process ended while it wrote them`,
          { code: 'SinkBufferTorn' },
        )
    } else this.spilled.shift()
    segment.isRead = true
    this.discard(segment)
  }

  private tell(error: unknown): void {
    this.options.log.error(`The buffer of a sink cannot be used: ${(error as Error).message}`, {
      code: 'SinkBufferFailed',
    })
  }

  /** What is not settled stays for the next process. */
  async close(): Promise<void> {
    this.isClosed = true
    await this.loading
    await this.writing
    this.flush()
    await this.writing
    const callbacks = [...this.callbacks.values()].flatMap(each => [...each.values()])
    this.callbacks.clear()
    if (this.current !== null) this.current.isSealed = true
    for (const segment of this.segments) if (segment.isDone) segment.remove()
    const left = [...this.segments].filter(segment => !segment.isDone)
    await this.options.folder.leave(this, left)
    for (const settled of callbacks) settled?.({ kind: 'dropped', reason: this.leftover })
  }
}
