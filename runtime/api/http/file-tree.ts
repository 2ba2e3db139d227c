import { closeSync, constants, fstatSync, openSync, readSync, realpathSync } from 'node:fs'
import { join, sep } from 'node:path'
import { monotonicMs } from '../../clock.ts'

/** A file as it was when it was last looked at. */
export interface Stored {
  readonly size: number
  /** Whole seconds since the epoch, which is all that HTTP can say. */
  readonly modified: number
  /** Changes whenever the file does. */
  readonly version: string
  /** The bytes from `start` to `end`. */
  read(start: number, end: number): Buffer
}

interface Entry {
  readonly stored: StoredFile | null
  readonly checkedMs: number
}

/** What was found is believed for this long: a busy file costs one look a second, not one a request. */
const believedMs = 1000
/** Bytes of files kept; one larger than an eighth of it is read each time. */
const cacheBytes = 64 * 1024 * 1024
const cachedPaths = 10_000

class StoredFile implements Stored {
  readonly path: string
  readonly size: number
  readonly modified: number
  readonly version: string
  content: Buffer | undefined

  constructor(path: string, size: number, mtimeMs: number, content: Buffer | undefined) {
    this.path = path
    this.size = size
    this.modified = Math.floor(mtimeMs / 1000)
    this.version = `${Math.floor(mtimeMs * 1000).toString(36)}-${size.toString(36)}`
    this.content = content
  }

  read(start: number, end: number): Buffer {
    if (this.content !== undefined) return this.content.subarray(start, end)
    const file = openFile(this.path)
    if (file === undefined) throw new Error(`${this.path} is gone`)
    try {
      return readBytes(file.fd, start, end)
    } finally {
      closeSync(file.fd)
    }
  }
}

/**
 * The files below a folder, by the path that a request names. It never leaves the folder: not by `..`, in whatever
 * spelling, and not by symbolic links; and what begins with a dot is not there.
 */
export class FileTree {
  private readonly root: string
  private readonly entries = new Map<string, Entry>()
  private cached = 0

  /** @param root absolute path */
  constructor(root: string) {
    this.root = root
  }

  /** The file at a decoded path that begins with a slash; null when there is none. */
  find(path: string): Stored | null {
    if (!isServable(path)) return null
    const now = monotonicMs()
    const known = this.entries.get(path)
    if (known !== undefined && now - known.checkedMs < believedMs) return known.stored
    const stored = this.look(path, known?.stored ?? undefined)
    this.remember(path, { stored, checkedMs: now })
    return stored
  }

  private look(path: string, before: StoredFile | undefined): StoredFile | null {
    const real = this.resolve(path)
    const file = real === undefined ? undefined : openFile(real)
    if (real === undefined || file === undefined) return null
    try {
      const { size, mtimeMs } = file
      const same = before?.path === real && before.size === size
      if (same && new StoredFile(real, size, mtimeMs, undefined).version === before.version) return before
      const isSmall = size <= cacheBytes / 8
      return new StoredFile(real, size, mtimeMs, isSmall ? readBytes(file.fd, 0, size) : undefined)
    } finally {
      closeSync(file.fd)
    }
  }

  /** The path without symbolic links, when it is still below the root. */
  private resolve(path: string): string | undefined {
    try {
      const root = realpathSync(this.root)
      const real = realpathSync(join(root, path))
      const below = root.endsWith(sep) ? root : root + sep
      return real.startsWith(below) ? real : undefined
    } catch {
      return undefined
    }
  }

  private remember(path: string, entry: Entry): void {
    this.forget(path)
    this.entries.set(path, entry)
    this.cached += entry.stored?.content?.length ?? 0
    for (const oldest of this.entries.keys()) {
      if (this.cached <= cacheBytes && this.entries.size <= cachedPaths) break
      this.forget(oldest)
    }
  }

  private forget(path: string): void {
    this.cached -= this.entries.get(path)?.stored?.content?.length ?? 0
    this.entries.delete(path)
  }
}

/** Names that have no business in a URL; `.well-known` (RFC 8615) is the one name with a dot in front that has. */
function isServable(path: string): boolean {
  if (!path.startsWith('/') || path.includes('\0') || path.includes('\\')) return false
  return path.split('/').every(segment => !segment.startsWith('.') || segment === '.well-known')
}

/** An open regular file; undefined when it is not there or may not be read. The caller closes it. */
function openFile(path: string): { fd: number; size: number; mtimeMs: number } | undefined {
  let fd: number | undefined
  try {
    // The last name was resolved before: a link there now was put in its place since. A pipe must not block the thread.
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const stats = fstatSync(fd)
    if (stats.isFile()) return { fd, size: stats.size, mtimeMs: stats.mtimeMs }
  } catch {
    // As if it were not there: whether it is, is nothing to tell a client.
  }
  if (fd !== undefined) closeSync(fd)
  return undefined
}

function readBytes(fd: number, start: number, end: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(end - start)
  let length = 0
  while (length < bytes.length) {
    const count = readSync(fd, bytes, length, bytes.length - length, start + length)
    if (count === 0) break
    length += count
  }
  return bytes.subarray(0, length)
}
