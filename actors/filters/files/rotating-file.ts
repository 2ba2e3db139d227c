import { createWriteStream, existsSync, renameSync, rmSync, statSync, type WriteStream } from 'node:fs'
import { monotonicMs } from '../../../runtime/clock.ts'
import type { Data } from '../../../runtime/data.ts'
import { WritePump } from './stream-pump.ts'

export interface Rotation {
  /** Bytes of a file; 0: no limit. */
  readonly maxFileSize: number
  /** Files that are kept, the current one counted; 0: all. */
  readonly maxFileCount: number
  /** Milliseconds that a file is written for; 0: no limit. */
  readonly rotateMs: number
}

/** A file that is written at its end, and put aside when it is large or old: `log` becomes `log.1`, that `log.2`. */
export class RotatingFile {
  private readonly path: string
  private readonly rotation: Rotation
  private readonly onError: (error: Error) => void
  private stream: WriteStream
  private pump: WritePump
  private bytes: number
  private sinceMs = monotonicMs()

  /** @throws Error when the state of the file cannot be told. */
  constructor(path: string, append: boolean, rotation: Rotation, onError: (error: Error) => void) {
    this.path = path
    this.rotation = rotation
    this.onError = onError
    this.bytes = append ? (statSync(path, { throwIfNoEntry: false })?.size ?? 0) : 0
    ;[this.stream, this.pump] = this.open(append)
  }

  private open(append: boolean): [WriteStream, WritePump] {
    const stream = createWriteStream(this.path, { flags: append ? 'a' : 'w' })
    stream.on('error', this.onError)
    return [stream, new WritePump(stream)]
  }

  write(data: Data): void {
    const { maxFileSize, rotateMs } = this.rotation
    const isFull = maxFileSize > 0 && this.bytes > 0 && this.bytes + data.size > maxFileSize
    if (isFull || (rotateMs > 0 && monotonicMs() - this.sinceMs >= rotateMs)) this.rotate()
    this.bytes += data.size
    this.pump.write(data)
  }

  /** What is still to be written to the old file goes there whatever it is called. */
  private rotate(): void {
    this.stream.end()
    if (existsSync(this.path)) this.shift(1)
    this.bytes = 0
    this.sinceMs = monotonicMs()
    ;[this.stream, this.pump] = this.open(true)
  }

  private shift(number: number): void {
    const from = number === 1 ? this.path : `${this.path}.${number - 1}`
    const { maxFileCount } = this.rotation
    if (maxFileCount > 0 && number >= maxFileCount) {
      rmSync(from)
      return
    }
    const to = `${this.path}.${number}`
    if (existsSync(to)) this.shift(number + 1)
    renameSync(from, to)
  }

  /** Nobody waits for it any more; what was given is written. */
  end(): void {
    this.pump.release()
    this.stream.end()
  }
}
