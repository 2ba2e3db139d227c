import { cpus, release, totalmem } from 'node:os'
import { versionOf } from './server.ts'

/** What a reader needs to judge the figures by. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGb: number
  readonly system: string
  readonly node: string
  readonly peers: Readonly<Record<string, string>>
}

export function describeMachine(): Machine {
  const firstMatch = (text: string | undefined, pattern: RegExp) =>
    pattern.exec(text ?? '')?.[1] ?? 'not installed'
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release()}`,
    node: process.version,
    peers: {
      nginx: firstMatch(versionOf('nginx', '-v'), /nginx\/(\S+)/),
      haproxy: firstMatch(versionOf('haproxy', '-v'), /version (\S+)/),
      wrk: firstMatch(versionOf('wrk', '-v'), /wrk \S*?([\d.]+)/),
    },
  }
}

/** What the harness itself cannot do without. */
export function requireTools(): void {
  if (process.platform !== 'linux')
    throw new Error('the benchmark reads /proc and pins cores: it needs Linux')
  for (const [tool, flag] of [
    ['taskset', '--version'],
    ['wrk', '-v'],
  ] as const) {
    if (versionOf(tool, flag) === undefined) throw new Error(`${tool} is not installed: see bench/README.md`)
  }
}
