import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { LoadResult, LoadTarget } from './load.ts'
import { LOAD_CORE } from './server.ts'

const GENERATOR = fileURLToPath(new URL('../load/open-loop.ts', import.meta.url))

interface Printed {
  readonly requests: number
  readonly seconds: number
  readonly errors: number
  readonly p50Us: number
  readonly p99Us: number
}

/** An open loop of requests, in a process that lives for all rounds of a workload: its own warming up is in none of them. */
export class OpenLoop implements Disposable {
  private readonly child: ChildProcess
  private readonly lines: AsyncIterator<string>
  private readonly ended: Promise<never>

  constructor() {
    // Threads of a collector that works beside it would take the core from it now and then.
    const args = ['-c', String(LOAD_CORE), process.execPath, '--single-threaded-gc', GENERATOR]
    this.child = spawn('taskset', args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.lines = createInterface(this.child.stdout as NodeJS.ReadableStream)[Symbol.asyncIterator]()
    this.ended = once(this.child, 'exit').then(([code]) => {
      throw new Error(`the load generator ended (${code})`)
    })
    this.ended.catch(() => {})
  }

  /** `rate` requests per second to each of these servers, on time, over keep-alive connections of its own. */
  async run(
    target: Omit<LoadTarget, 'port'> & { ports: readonly number[]; rate: number },
  ): Promise<LoadResult[]> {
    const { ports, path, rate, seconds, connections } = target
    this.child.stdin?.write(`${JSON.stringify({ ports, path, rate, seconds, connections })}\n`)
    const { value } = (await Promise.race([this.lines.next(), this.ended])) as { value: string }
    return (JSON.parse(value) as Printed[]).map(({ p50Us, p99Us, ...rest }) => ({
      ...rest,
      megabytes: 0,
      p50Ms: p50Us / 1000,
      p99Ms: p99Us / 1000,
    }))
  }

  [Symbol.dispose](): void {
    this.child.kill()
  }
}
