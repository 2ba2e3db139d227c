import { after } from '../../clock.ts'
import { count, duration, type Resolved, size } from '../../options.ts'
import { RotatedFile } from '../../rotated-file.ts'
import { newline } from './stream-target.ts'
import { defaultBufferLimit, type LogTarget, logTargets, Tally } from './target.ts'

export interface FileOptions {
  /** Size at which a file is put aside and a new one begun. Default: none. */
  maxFileSize?: number | string | undefined
  /** Files kept that were put aside. Default: 10. */
  maxFileCount?: number | undefined
  /** Age at which a file is put aside. Default: none. */
  rotateInterval?: number | string | undefined
  /** Bytes that may wait to be written. Default: '16m'. */
  bufferLimit?: number | string | undefined
}

export const fileOptions = {
  maxFileSize: size(0, 'size at which a file is put aside and a new one begun; 0: never'),
  maxFileCount: count(10, 'files kept that were put aside, so that a disk does not fill up'),
  rotateInterval: duration(0, 'age at which a file is put aside; 0: never'),
  bufferLimit: size(defaultBufferLimit, 'bytes that may wait to be written; more is dropped and counted'),
}

/** Lines to a file that is put aside when it is large or old. */
export class FileTarget implements LogTarget {
  private readonly path: string
  private readonly options: Resolved<typeof fileOptions>
  private readonly tally: Tally
  private lines: Buffer[] = []
  private bytes = 0
  private writing: Promise<void> | undefined
  private readonly file: RotatedFile

  /** @param path absolute */
  constructor(path: string, options: Resolved<typeof fileOptions>) {
    this.path = path
    this.options = options
    this.file = new RotatedFile(path, options)
    this.tally = new Tally(`file ${path}`)
  }

  write(record: Buffer): void {
    if (this.bytes + record.length > this.options.bufferLimit) {
      this.tally.drop(1, 'overflow')
      return
    }
    this.lines.push(record, newline)
    this.bytes += record.length + 1
    this.writing ??= this.writeAll()
  }

  async flush(limitMs: number): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const cancel = after(limitMs, resolve)
    await Promise.race([this.writing, late])
    cancel()
  }

  /** What comes while a write is under way goes with the next one. */
  private async writeAll(): Promise<void> {
    while (this.lines.length > 0) {
      const { lines } = this
      const batch = Buffer.concat(lines)
      this.lines = []
      try {
        await this.file.append(batch)
        this.tally.wrote(lines.length / 2)
      } catch (error) {
        this.tally.drop(lines.length / 2, 'failed')
        logTargets.diagnostics.error(`Cannot write to the log ${this.path}: ${(error as Error).message}`, {
          code: 'LogFileFailed',
        })
      }
      // Only now: what is being written is memory that is still held.
      this.bytes -= batch.length
    }
    this.writing = undefined
  }
}
