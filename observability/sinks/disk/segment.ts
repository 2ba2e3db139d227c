import { Buffer } from 'node:buffer'
import {
  close,
  closeSync,
  fdatasync,
  fstatSync,
  fsync,
  open,
  openSync,
  read,
  readFileSync,
  rmSync,
  write,
} from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import type { SinkEntry } from '../../../actors/sink.ts'
import { readFrame } from './frame.ts'

const readAt = promisify(read)
const writeAt = promisify(write)
const closeFile = promisify(close)
const syncData = promisify(fdatasync)
const syncAll = promisify(fsync)
const openFile = promisify(open)

/** The thread's folder, that of the place in the script, and the one of the option. */
const folders = 3

/** Reads a segment from its beginning, or from where entries began to be on disk alone. */
export interface Cursor {
  readonly segment: Segment
  offset: number
  index: number
}

/** One file of entries, and beside it the places of those that are settled. */
export class Segment {
  readonly path: string
  /** Bytes of all that was given, and of that what is written. */
  bytes: number
  written: number
  /** Entries that were given; of a file that an earlier process wrote, those that have been read. */
  entries = 0
  unsettled = 0
  /** Nothing is added any more. */
  isSealed: boolean
  /** All of it is in memory, or was. */
  isRead: boolean
  /** Of an earlier process: the places that were settled. */
  private readonly settledBefore: ReadonlySet<number>
  private settledNow: number[] = []
  private readonly fd: number
  private settledFd: number | undefined
  private settledBytes: number
  private isClosed = false
  /** The disk has its name: without, what is in it would be lost with the machine all the same. */
  private isNamed = false

  /** @throws Error of the file system */
  private constructor(path: string, isNew: boolean) {
    this.path = path
    this.fd = openSync(path, isNew ? 'wx+' : 'r+', 0o600)
    this.bytes = this.written = fstatSync(this.fd).size
    this.isSealed = !isNew
    this.isRead = isNew
    const settled = isNew ? Buffer.alloc(0) : readIfThere(this.settledPath)
    this.settledBytes = settled.length - (settled.length % 4)
    this.settledBefore = new Set(
      Array.from({ length: this.settledBytes / 4 }, (_, i) => settled.readUInt32LE(i * 4)),
    )
  }

  static create(path: string): Segment {
    return new Segment(path, true)
  }

  static open(path: string): Segment {
    return new Segment(path, false)
  }

  private get settledPath(): string {
    return `${this.path}.settled`
  }

  /** Writes at the end of what is written; what failed half-way is written over. */
  async append(frames: Buffer, isSynced: boolean): Promise<void> {
    for (let at = 0; at < frames.length; ) {
      const { bytesWritten } = await writeAt(this.fd, frames, at, frames.length - at, this.written + at)
      at += bytesWritten
    }
    if (isSynced) {
      await syncData(this.fd)
      if (!this.isNamed) await this.syncName()
    }
    this.written += frames.length
  }

  private async syncName(): Promise<void> {
    let folder = this.path
    for (let level = 0; level < folders; level++) {
      folder = dirname(folder)
      const fd = await openFile(folder, 'r')
      try {
        await syncAll(fd)
      } finally {
        await closeFile(fd)
      }
    }
    this.isNamed = true
  }

  /** The entries that follow, about so many bytes of them. Nothing: the file is at its end, or what follows is no entry. */
  async read(
    cursor: Cursor,
    maxBytes: number,
  ): Promise<{ readonly entry: SinkEntry; readonly index: number }[]> {
    for (let wanted = maxBytes; ; ) {
      const size = Math.min(wanted, this.written - cursor.offset)
      if (size <= 0) return []
      const { bytesRead, buffer } = await readAt(this.fd, Buffer.allocUnsafe(size), 0, size, cursor.offset)
      const found: { entry: SinkEntry; index: number }[] = []
      let at = 0
      let reading = readFrame(buffer.subarray(0, bytesRead), at)
      while (reading.kind === 'frame') {
        const index = cursor.index++
        if (!this.settledBefore.has(index)) found.push({ entry: reading.entry, index })
        at = reading.end
        reading = readFrame(buffer.subarray(0, bytesRead), at)
      }
      cursor.offset += at
      if (found.length > 0) return found
      if (at > 0) wanted = maxBytes
      else if (
        reading.kind === 'partial' &&
        reading.wantedBytes > bytesRead &&
        bytesRead === size &&
        cursor.offset + size < this.written
      )
        wanted = reading.wantedBytes
      else return []
    }
  }

  settle(index: number): void {
    this.unsettled--
    this.settledNow.push(index)
  }

  /** All that was in it is settled, and nothing comes. */
  get isDone(): boolean {
    return this.isSealed && this.isRead && this.unsettled === 0
  }

  get hasNews(): boolean {
    return this.settledNow.length > 0 && !this.isClosed
  }

  /** Notes what was settled since the last time. */
  async note(): Promise<void> {
    const places = this.settledNow
    this.settledNow = []
    const bytes = Buffer.allocUnsafe(places.length * 4)
    for (const [i, place] of places.entries()) bytes.writeUInt32LE(place, i * 4)
    this.settledFd ??= openSync(this.settledPath, 'a', 0o600)
    await writeAt(this.settledFd, bytes, 0, bytes.length, null)
    this.settledBytes += bytes.length
  }

  async close(): Promise<void> {
    if (this.isClosed) return
    this.isClosed = true
    await closeFile(this.fd)
    if (this.settledFd !== undefined) await closeFile(this.settledFd)
  }

  remove(): void {
    if (!this.isClosed) {
      this.isClosed = true
      closeSync(this.fd)
      if (this.settledFd !== undefined) closeSync(this.settledFd)
    }
    rmSync(this.path, { force: true })
    rmSync(this.settledPath, { force: true })
  }
}

function readIfThere(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch {
    return Buffer.alloc(0)
  }
}
