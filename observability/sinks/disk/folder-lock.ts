import {
  accessSync,
  constants,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { every, wallMs } from '../../../runtime/clock.ts'

interface Owner {
  readonly pid: number
  /** When the process began, as its system tells it; numbers of processes are given again. */
  readonly began: string
  readonly host: string
}

/** How often the lock says that its owner lives, and how old it is when that is in doubt; for owners on other machines. */
const refreshMs = 5000
const staleMs = 20_000

/** Says that a folder belongs to this process. What a process left that is gone counts for nothing. */
export class FolderLock {
  private readonly path: string
  private readonly stopRefreshing: () => void

  private constructor(path: string) {
    this.path = path
    this.stopRefreshing = every(refreshMs, () => {
      const now = wallMs() / 1000
      try {
        utimesSync(path, now, now)
      } catch {
        // The folder was taken away: writing to it will tell.
      }
    })
  }

  /** Takes it, or says who has it. @throws Error of the file system */
  static take(folder: string): FolderLock | { readonly heldBy: string } {
    mkdirSync(folder, { recursive: true })
    const path = join(folder, 'lock')
    const me: Owner = { pid: process.pid, began: beganOf(process.pid), host: hostname() }
    for (let attempt = 0; ; attempt++) {
      try {
        writeFileSync(path, JSON.stringify(me), { flag: 'wx', mode: 0o600 })
        return new FolderLock(path)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || attempt > 3) throw error
      }
      const owner = readOwner(path)
      if (owner !== undefined && isAlive(owner, me, path)) return { heldBy: nameOf(owner) }
      rmSync(path, { force: true })
    }
  }

  /** The other process that has it, if one has; makes the folder when there is none. @throws Error of the file system */
  static ownerOf(folder: string): string | undefined {
    mkdirSync(folder, { recursive: true })
    accessSync(folder, constants.R_OK | constants.W_OK)
    const path = join(folder, 'lock')
    const owner = readOwner(path)
    const me: Owner = { pid: process.pid, began: beganOf(process.pid), host: hostname() }
    return owner !== undefined && isAlive(owner, me, path) ? nameOf(owner) : undefined
  }

  release(): void {
    this.stopRefreshing()
    rmSync(this.path, { force: true })
  }
}

const nameOf = ({ pid, host }: Owner): string => `process ${pid} on ${host}`

function isAlive(owner: Owner, me: Owner, path: string): boolean {
  if (owner.host !== me.host) {
    const { mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? { mtimeMs: 0 }
    return wallMs() - mtimeMs < staleMs
  }
  // A thread that died held it: each thread has its own folder.
  if (owner.pid === me.pid) return false
  try {
    process.kill(owner.pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  return owner.began === beganOf(owner.pid)
}

function readOwner(path: string): Owner | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Owner
  } catch {
    return undefined
  }
}

/** Tells processes of the same number apart, where the system says when they began. */
function beganOf(pid: number): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return `${boot} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`
  } catch {
    return ''
  }
}
