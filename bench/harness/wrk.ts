import type { LoadResult, LoadTarget } from './load.ts'
import { LOAD_CORE, runPinned } from './server.ts'

/** What `wrk --latency` prints, as numbers. Throws when the text is not wrk's, so that a failed run is never a result. */
export function parseWrk(text: string): LoadResult {
  const total = /(\d+) requests in ([\d.]+)(us|ms|s|m|h), ([\d.]+)([KMGT]?B) read/.exec(text)
  if (!total) throw new Error(`wrk printed no total:\n${text}`)
  const sockets = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text)
  const statuses = /Non-2xx or 3xx responses: (\d+)/.exec(text)
  const errors = [...(sockets?.slice(1) ?? []), statuses?.[1] ?? 0].reduce<number>(
    (sum, n) => sum + Number(n),
    0,
  )
  return {
    requests: Number(total[1]),
    seconds: Number(total[2]) * milliseconds(total[3]) * 0.001,
    megabytes: (Number(total[4]) * bytes(total[5])) / 1e6,
    p50Ms: percentile(text, 50),
    p99Ms: percentile(text, 99),
    errors,
  }
}

/** Closed loop: as many requests as the connections carry, one outstanding on each. */
export async function runWrk(target: LoadTarget): Promise<LoadResult> {
  const args = ['-t1', `-c${target.connections}`, `-d${target.seconds}s`, '--timeout=5s', '--latency']
  for (const [name, value] of Object.entries(target.headers ?? {})) args.push('-H', `${name}: ${value}`)
  if (target.luaFile !== undefined) args.push('-s', target.luaFile)
  const url = `http://127.0.0.1:${target.port}${target.path}`
  return parseWrk(
    await runPinned({
      core: LOAD_CORE,
      command: ['wrk', ...args, url],
      timeoutMs: (target.seconds + 15) * 1000,
    }),
  )
}

function percentile(text: string, n: number): number {
  const found = new RegExp(`^\\s+${n}%\\s+([\\d.]+)(us|ms|s|m)\\s*$`, 'm').exec(text)
  if (!found) throw new Error(`wrk printed no ${n}th percentile:\n${text}`)
  return Number(found[1]) * milliseconds(found[2])
}

function milliseconds(unit: string | undefined): number {
  return { us: 0.001, ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[unit ?? ''] ?? Number.NaN
}

/** wrk's units are binary. */
function bytes(unit: string | undefined): number {
  return { B: 1, KB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30, TB: 2 ** 40 }[unit ?? ''] ?? Number.NaN
}
