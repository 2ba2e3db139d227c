import type { PerfProfile } from './perf.ts'
import type { V8Profile } from './v8.ts'

/** Per-request figures: a share of the profiled time, times what a request cost. */
export interface Scale {
  readonly cpuUsPerRequest: number
  readonly top: number
}

/** A table of named counts, the largest first, with share and µs per request. */
function shares(counts: ReadonlyMap<string, number>, all: number, scale: Scale): string {
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .slice(0, scale.top)
    .map(([name, count]) => `${columns(count / all, scale)}  ${name.replace('\t', '  ')}`)
    .join('\n')
}

function columns(share: number, { cpuUsPerRequest }: Scale): string {
  return `${(share * 100).toFixed(1).padStart(6)} % ${(share * cpuUsPerRequest).toFixed(2).padStart(7)} µs`
}

export function perfText(profile: PerfProfile, scale: Scale): string {
  const table = (title: string, counts: ReadonlyMap<string, number>) =>
    `${title}\n${shares(counts, profile.samples, scale)}`
  return [
    `perf, ${profile.samples} samples of the whole process; µs are per request`,
    table('Layers', profile.layers),
    table('JavaScript on top of the stack, by tier', profile.tiers),
    table('Kernel time by system call', profile.syscalls),
    table('Kernel time by system call and the JavaScript that made it', profile.callers),
    table('Self time by symbol', profile.symbols),
  ].join('\n\n')
}

export function v8Text(name: string, profile: V8Profile, scale: Scale): string {
  const busy = profile.busyUs
  const active = profile.rows.filter(row => row.kind !== 'idle')
  const line = (us: number, text: string) => `${columns(us / busy, scale)}  ${text}`
  const self = [...active].sort((a, b) => b.selfUs - a.selfUs).slice(0, scale.top)
  const total = [...active].filter(row => row.kind !== 'program').sort((a, b) => b.totalUs - a.totalUs)
  const files = new Map<string, number>()
  for (const row of active) {
    const file = row.where.replace(/:\d+$/, '') || `(${row.kind})`
    files.set(file, (files.get(file) ?? 0) + row.selfUs)
  }
  const kinds = new Map([...profile.kinds].filter(([kind]) => kind !== 'idle'))
  const ticks = profile.lines.reduce((sum, { ticks }) => sum + ticks, 0)
  return [
    `V8 profile of ${name}: busy ${((100 * busy) / profile.wallUs).toFixed(0)} % of the time; shares are of the busy time, µs are per request`,
    `Kinds ("native" is bindings called from JavaScript with their system calls, "program" the event loop and its own)\n${shares(kinds, busy, scale)}`,
    `Self time by function\n${self.map(r => line(r.selfUs, `${r.kind.padEnd(8)} ${r.name}  ${r.where}`)).join('\n')}`,
    `Total time by function\n${total
      .slice(0, scale.top)
      .map(r => line(r.totalUs, `${r.name}  ${r.where}`))
      .join('\n')}`,
    `Self time by file\n${shares(files, busy, scale)}`,
    `Hot lines\n${profile.lines
      .slice(0, scale.top)
      .map(l => `${((100 * l.ticks) / ticks).toFixed(1).padStart(6)} %  ${l.where}  ${l.source.slice(0, 90)}`)
      .join('\n')}`,
  ].join('\n\n')
}
