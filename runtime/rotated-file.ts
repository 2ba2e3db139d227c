import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { wallMs } from './clock.ts'

export interface RotationLimits {
  /** Size at which a file is put aside; 0: never. */
  readonly maxFileSize: number
  /** Files kept that were put aside. */
  readonly maxFileCount: number
  /** Age at which a file is put aside, in milliseconds; 0: never. */
  readonly rotateInterval: number
}

/** A lock that is older was left by a process that is gone. */
const staleLockMs = 10_000
/** What follows the name of a file that was put aside. */
const asideStamp = /^\.\d{8}T\d{9}Z(-\d+)?$/

/**
 * A file that lines are added to, and that is put aside as `name.20260102T030405006Z` when it is large or old. Several threads
 * and processes may write to the same one: each appends whole lines, and whoever holds the lock puts it aside.
 */
export class RotatedFile {
  private readonly path: string
  private readonly limits: RotationLimits
  private file: { readonly handle: FileHandle; readonly ino: number; readonly bornMs: number } | undefined
  /** The last write failed, and may have left half a line. */
  private isTorn = false
  private isClosed = false

  /** @param path absolute */
  constructor(path: string, limits: RotationLimits) {
    this.path = path
    this.limits = limits
  }

  /** Adds whole lines. One call at a time. Rejects when the disk does. */
  async append(lines: Buffer): Promise<void> {
    try {
      const { handle } = await this.fileFor(lines.length)
      if (this.isTorn) await handle.appendFile('\n')
      this.isTorn = true
      await handle.appendFile(lines)
      this.isTorn = false
    } catch (error) {
      await this.release()
      throw error
    } finally {
      if (this.isClosed) await this.release()
    }
  }

  /** What is still added, or comes later, is written, and nothing is kept open for it. */
  async close(): Promise<void> {
    this.isClosed = true
    await this.release()
  }

  private async release(): Promise<void> {
    const { file } = this
    this.file = undefined
    await file?.handle.close().catch(() => {})
  }

  private async fileFor(added: number): Promise<{ readonly handle: FileHandle }> {
    const there = await stat(this.path).catch(() => undefined)
    const file = this.file
    if (file === undefined || there?.ino !== file.ino) return this.reopen()
    const { maxFileSize, rotateInterval } = this.limits
    const isLarge = maxFileSize > 0 && there.size > 0 && there.size + added > maxFileSize
    const isOld = rotateInterval > 0 && there.size > 0 && wallMs() - file.bornMs >= rotateInterval
    if (!isLarge && !isOld) return file
    await this.putAside(file.ino)
    return this.reopen()
  }

  private async reopen(): Promise<{ readonly handle: FileHandle }> {
    await this.release()
    await mkdir(dirname(this.path), { recursive: true })
    const handle = await open(this.path, constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY, 0o644)
    const { ino, birthtimeMs } = await handle.stat()
    this.file = { handle, ino, bornMs: birthtimeMs || wallMs() }
    return this.file
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
    const excess = aside.sort(order.compare).slice(0, Math.max(0, aside.length - this.limits.maxFileCount))
    for (const file of excess) await unlink(join(folder, file)).catch(() => {})
  }
}
