import { readdirSync, renameSync, rmdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { TrafficError } from '../../../runtime/errors.ts'
import { FolderLock } from './folder-lock.ts'
import { Segment } from './segment.ts'

const segmentName = /^\d{10}\.segment$/

/** Takes over what another backlog of the same folder leaves. */
export interface Heir {
  adopt(segments: readonly Segment[]): void
}

export interface FolderSite {
  /** The folder of the option, the place in the script, and which thread of how many. */
  readonly path: string
  readonly place: string
  readonly thread: number
  readonly threads: number
}

/** Those of this thread that are in use: after a reload the sinks of both programs are, for a while. */
const folders = new Map<string, BufferFolder>()

/** The segments of one place in a script, in one thread; nobody else touches them. */
export class BufferFolder {
  private readonly path: string
  private readonly lock: FolderLock
  private readonly users: Heir[] = []
  /** Files that earlier processes left. */
  private left: Segment[]
  private lastNumber = 0

  private constructor(path: string, lock: FolderLock) {
    this.path = path
    this.lock = lock
    const names = namesIn(path)
    this.lastNumber = Number(names.at(-1)?.slice(0, 10) ?? 0)
    this.left = names.map(name => Segment.open(join(path, name)))
  }

  /** Finds out whether it can be used, and takes nothing. @throws TrafficError `BadOption` as `open` does */
  static check(site: FolderSite): void {
    const { own } = pathsOf(site)
    try {
      const owner = FolderLock.ownerOf(own)
      if (owner !== undefined) throw new Error(usedBy(owner))
    } catch (error) {
      throw unusable(own, error)
    }
  }

  /** @throws TrafficError `BadOption` when it cannot be used, or another process does. */
  static open(site: FolderSite): BufferFolder {
    const { thread, threads } = site
    const { root, own } = pathsOf(site)
    const found = folders.get(own)
    if (found !== undefined) return found
    try {
      const lock = FolderLock.take(own)
      if (!(lock instanceof FolderLock)) throw new Error(usedBy(lock.heldBy))
      for (const orphan of orphansIn(root, thread, threads)) inherit(orphan, own)
      const folder = new BufferFolder(own, lock)
      folders.set(own, folder)
      return folder
    } catch (error) {
      throw unusable(own, error)
    }
  }

  /** @throws Error of the file system */
  newSegment(): Segment {
    return Segment.create(join(this.path, `${String(++this.lastNumber).padStart(10, '0')}.segment`))
  }

  /** Joins; gives what earlier processes left, to the first that asks. */
  enter(user: Heir): readonly Segment[] {
    this.users.push(user)
    const { left } = this
    this.left = []
    return left
  }

  /** Goes; what it leaves is for another that is here, or for the next process. */
  async leave(user: Heir, segments: readonly Segment[]): Promise<void> {
    this.users.splice(this.users.indexOf(user), 1)
    const [heir] = this.users
    if (heir !== undefined) {
      const reopened = segments.map(segment => segment.path)
      await Promise.all(segments.map(segment => segment.close()))
      heir.adopt(reopened.map(path => Segment.open(path)))
      return
    }
    await Promise.all(segments.map(segment => segment.close()))
    folders.delete(this.path)
    this.lock.release()
  }
}

function pathsOf({ path, place, thread }: FolderSite): { readonly root: string; readonly own: string } {
  const root = join(resolve(path), place.replace(/[^\w.-]/g, '_'))
  return { root, own: join(root, `thread-${thread}`) }
}

const usedBy = (owner: string): string => `${owner} uses it; give each node a folder of its own`

const unusable = (path: string, error: unknown): TrafficError =>
  new TrafficError('BadOption', `bufferPath ${path} cannot be used: ${(error as Error).message}`, error)

const namesIn = (path: string): string[] =>
  readdirSync(path)
    .filter(name => segmentName.test(name))
    .sort()

/** Folders of threads that there are no more, as far as they fall to this one. */
function orphansIn(root: string, thread: number, threads: number): string[] {
  return readdirSync(root)
    .filter(name => {
      const number = Number(/^thread-(\d+)$/.exec(name)?.[1] ?? Number.NaN)
      return number >= threads && number % threads === thread
    })
    .map(name => join(root, name))
}

/** Moves the segments of one folder into another, behind those that are there. */
function inherit(from: string, to: string): void {
  const lock = FolderLock.take(from)
  if (!(lock instanceof FolderLock)) return
  let number = Number(namesIn(to).at(-1)?.slice(0, 10) ?? 0)
  for (const name of namesIn(from)) {
    const target = join(to, `${String(++number).padStart(10, '0')}.segment`)
    try {
      renameSync(join(from, `${name}.settled`), `${target}.settled`)
    } catch {
      // Nothing of it was settled.
    }
    renameSync(join(from, name), target)
  }
  lock.release()
  try {
    rmdirSync(from)
  } catch {
    // Something else is in it, which is not ours to take away.
  }
}
