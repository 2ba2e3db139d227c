import { readdirSync, readFileSync } from 'node:fs'

/** What a server and everything it started have used so far, by the kernel's own books. */
export interface Usage {
  readonly cpuUs: number
  /**
   * Of the threads that carry the traffic, where the process says which they are; else of all. Threads with names of their own, like the
   * companions that host sinks (`sinks-0`), are not among them: what they use is in `cpuUs` alone.
   */
  readonly threadCpuUs: number
  readonly rssMb: number
}

/** USER_HZ: the unit of utime and stime in /proc. The kernel's interface has fixed it at 100 on every Linux Node runs on. */
const TICK_US = 10_000

/** The fields of /proc/PID/stat after the command name, which may itself hold spaces and parentheses. */
export function parseStat(text: string): { parent: number; ticks: number } {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const field = (n: number) => Number(fields[n - 3])
  // proc(5): 4 = ppid, 14 = utime, 15 = stime, 16 and 17 = the same of children that ended and were waited for.
  return { parent: field(4), ticks: field(14) + field(15) + field(16) + field(17) }
}

/** The process and all that descend from it: nginx's worker is a child of the process that was started. */
function descendants(root: number): number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid)) continue
    const stat = readProc(`/proc/${pid}/stat`)
    if (stat === undefined) continue
    const { parent } = parseStat(stat)
    const siblings = children.get(parent)
    if (siblings) siblings.push(pid)
    else children.set(parent, [pid])
  }
  const found = [root]
  for (const pid of found) found.push(...(children.get(pid) ?? []))
  return found
}

/** CPU time and memory of a process tree. Processes that end meanwhile count as far as their parent knows of them. */
export function usage(root: number): Usage {
  let cpuUs = 0
  let threadCpuUs = 0
  let rssKb = 0
  for (const pid of descendants(root)) {
    const stat = readProc(`/proc/${pid}/stat`)
    if (stat === undefined) continue
    // stat counts in ticks of 10 ms but remembers ended threads; schedstat counts in ns but only threads that live.
    cpuUs += Math.max(parseStat(stat).ticks * TICK_US, threadNs(pid) / 1000)
    threadCpuUs += threadNs(pid, 'WorkerThread') / 1000
    rssKb += Number(/^VmRSS:\s+(\d+)/m.exec(readProc(`/proc/${pid}/status`) ?? '')?.[1] ?? 0)
  }
  return { cpuUs, threadCpuUs: threadCpuUs === 0 ? cpuUs : threadCpuUs, rssMb: rssKb / 1024 }
}

/** Of the threads that live; of those with this name, if one is given. */
function threadNs(pid: number, name?: string): number {
  let ns = 0
  try {
    for (const tid of readdirSync(`/proc/${pid}/task`)) {
      if (name !== undefined && readProc(`/proc/${pid}/task/${tid}/comm`)?.trim() !== name) continue
      ns += Number(readProc(`/proc/${pid}/task/${tid}/schedstat`)?.split(' ')[0] ?? 0)
    }
  } catch {
    return 0 // the process ended, or the kernel keeps no schedstat: the ticks of stat stand
  }
  return ns
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined // the process ended between the listing and the reading
  }
}
