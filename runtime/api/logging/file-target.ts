import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { after, wallMs } from '../../clock.ts'
import { count, duration, type Resolved, size } from '../../options.ts'
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

/** A lock that is older was left by a process that is gone. */
const staleLockMs = 10_000
/** What follows the name of a file that was put aside. */
const asideStamp = /^\.\d{8}T\d{9}Z(-\d+)?$/

/**
 * Lines to a file, that is put aside as `name.20260102T030405006Z` when it is large or old. Several threads and
 * processes may write to the same one: each appends whole lines, and whoever holds the lock puts it aside.
 */
export class FileTarget implements LogTarget {
  private readonly path: string
  private readonly options: Resolved<typeof fileOptions>
  private readonly tally: Tally
  private lines: Buffer[] = []
  private bytes = 0
  private writing: Promise<void> | undefined
  private file: { readonly handle: FileHandle; readonly ino: number; readonly bornMs: number } | undefined

  /** @param path absolute */
  constructor(path: string, options: Resolved<typeof fileOptions>) {
    this.path = path
    this.options = options
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
        const { handle } = await this.fileFor(batch.length)
        await handle.appendFile(batch)
        this.tally.wrote(lines.length / 2)
      } catch (error) {
        this.tally.drop(lines.length / 2, 'failed')
        logTargets.diagnostics.error(`Cannot write to the log ${this.path}: ${(error as Error).message}`, {
          code: 'LogFileFailed',
        })
        await this.close()
      }
      // Only now: what is being written is memory that is still held.
      this.bytes -= batch.length
    }
    this.writing = undefined
  }

  private async fileFor(added: number): Promise<{ readonly handle: FileHandle }> {
    const there = await stat(this.path).catch(() => undefined)
    const file = this.file
    if (file === undefined || there?.ino !== file.ino) return this.reopen()
    const { maxFileSize, rotateInterval } = this.options
    const isLarge = maxFileSize > 0 && there.size > 0 && there.size + added > maxFileSize
    const isOld = rotateInterval > 0 && there.size > 0 && wallMs() - file.bornMs >= rotateInterval
    if (!isLarge && !isOld) return file
    await this.putAside(file.ino)
    return this.reopen()
  }

  private async reopen(): Promise<{ readonly handle: FileHandle }> {
    await this.close()
    await mkdir(dirname(this.path), { recursive: true })
    const handle = await open(this.path, constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY, 0o644)
    const { ino, birthtimeMs } = await handle.stat()
    this.file = { handle, ino, bornMs: birthtimeMs || wallMs() }
    return this.file
  }

  private async close(): Promise<void> {
    const { file } = this
    this.file = undefined
    await file?.handle.close().catch(() => {})
  }

  private async putAside(ino: number): Promise<void> {
    const lockPath = `${this.path}.lock`
    const lock = await open(lockPath, 'wx').catch(() => undefined)
    if (lock === undefined) {
      const { mtimeMs } = await stat(lockPath).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }))
      if (wallMs() - mtimeMs > staleLockMs) await unlink(lockPath).catch(() => {})
      return
    }
    try {
      // Another may have done it while this one came here.
      if ((await stat(this.path)).ino !== ino) return
      await rename(this.path, await this.asidePath())
      await this.prune()
    } finally {
      await lock.close()
      await unlink(lockPath).catch(() => {})
    }
  }

  private async asidePath(): Promise<string> {
    const stamp = new Date(wallMs()).toISOString().replace(/[-:.]/g, '')
    for (let attempt = 0; ; attempt++) {
      const path = `${this.path}.${stamp}${attempt === 0 ? '' : `-${attempt}`}`
      if ((await stat(path).catch(() => undefined)) === undefined) return path
    }
  }

  private async prune(): Promise<void> {
    const folder = dirname(this.path)
    const name = basename(this.path)
    const aside = (await readdir(folder)).filter(
      file => file.startsWith(name) && asideStamp.test(file.slice(name.length)),
    )
    const order = new Intl.Collator('en', { numeric: true })
    const excess = aside.sort(order.compare).slice(0, Math.max(0, aside.length - this.options.maxFileCount))
    for (const file of excess) await unlink(join(folder, file)).catch(() => {})
  }
}
