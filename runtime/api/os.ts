import { readFileSync, type Stats, statSync, writeFileSync } from 'node:fs'
import { Data } from '../data.ts'

/** What is known of a file. Times are whole seconds since the epoch. */
export class FileStats {
  readonly dev: number
  readonly ino: number
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly rdev: number
  /** Bytes. */
  readonly size: number
  readonly blksize: number
  readonly blocks: number
  readonly atime: number
  readonly mtime: number
  readonly ctime: number
  private readonly stats: Stats

  constructor(stats: Stats) {
    this.dev = stats.dev
    this.ino = stats.ino
    this.mode = stats.mode
    this.nlink = stats.nlink
    this.uid = stats.uid
    this.gid = stats.gid
    this.rdev = stats.rdev
    this.size = stats.size
    this.blksize = stats.blksize
    this.blocks = stats.blocks
    this.atime = Math.floor(stats.atimeMs / 1000)
    this.mtime = Math.floor(stats.mtimeMs / 1000)
    this.ctime = Math.floor(stats.ctimeMs / 1000)
    this.stats = stats
  }

  isFile(): boolean {
    return this.stats.isFile()
  }

  isDirectory(): boolean {
    return this.stats.isDirectory()
  }

  isCharacterDevice(): boolean {
    return this.stats.isCharacterDevice()
  }

  isBlockDevice(): boolean {
    return this.stats.isBlockDevice()
  }

  isFIFO(): boolean {
    return this.stats.isFIFO()
  }

  isSymbolicLink(): boolean {
    return this.stats.isSymbolicLink()
  }

  isSocket(): boolean {
    return this.stats.isSocket()
  }
}

const isMissing = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR'].includes((error as { code?: string }).code ?? '')

let environment: Readonly<Record<string, string | undefined>> | undefined

/** Files and environment of this machine. Its methods block the thread: for use while a script loads. */
export const os = {
  /** The environment variables at the time of the first use. */
  get env(): Readonly<Record<string, string | undefined>> {
    environment ??= Object.freeze({ ...process.env })
    return environment
  },

  /**
   * The bytes of a file, null when there is none.
   *
   * @throws Error when it is there and cannot be read.
   */
  readFile(path: string): Data | null {
    try {
      return Data.over(readFileSync(path))
    } catch (error) {
      if (isMissing(error)) return null
      throw error
    }
  },

  /**
   * Writes a file, over what was in it.
   *
   * @throws Error when it cannot be written.
   */
  writeFile(path: string, content: string | Data): void {
    writeFileSync(path, typeof content === 'string' ? content : content.bytes())
  },

  /** What is known of a file, its links followed; null when there is none. */
  stat(path: string): FileStats | null {
    try {
      return new FileStats(statSync(path))
    } catch (error) {
      if (isMissing(error)) return null
      throw error
    }
  },
}
