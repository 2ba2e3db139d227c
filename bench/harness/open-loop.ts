import { fileURLToPath } from 'node:url'
import type { LoadResult, LoadTarget } from './load.ts'
import { LOAD_CORE, runPinned } from './server.ts'

const GENERATOR = fileURLToPath(new URL('../load/open-loop.ts', import.meta.url))

interface Printed {
  readonly requests: number
  readonly seconds: number
  readonly errors: number
  readonly p50Us: number
  readonly p99Us: number
}

/** Open loop: `rate` requests per second, on time, over keep-alive connections. */
export async function runOpenLoop(target: LoadTarget & { rate: number }): Promise<LoadResult> {
  const options = {
    port: target.port,
    path: target.path,
    rate: target.rate,
    seconds: target.seconds,
    connections: target.connections,
  }
  const args = Object.entries(options).map(([name, value]) => `--${name}=${value}`)
  const printed = JSON.parse(
    await runPinned({
      core: LOAD_CORE,
      command: [process.execPath, GENERATOR, ...args],
      timeoutMs: (target.seconds + 20) * 1000,
    }),
  ) as Printed
  return {
    requests: printed.requests,
    seconds: printed.seconds,
    megabytes: 0,
    p50Ms: printed.p50Us / 1000,
    p99Ms: printed.p99Us / 1000,
    errors: printed.errors,
  }
}
