import type { LogSink } from '../observability/log.ts'
import type { LogThreshold } from '../runtime/log.ts'
import { SharedCells } from '../runtime/shared-cells.ts'
import { Threads } from './threads.ts'

export interface VerifyOptions {
  /** Absolute path. */
  readonly script: string
  readonly args: readonly string[]
  readonly logLevel: LogThreshold
  readonly sink: LogSink
}

/**
 * Loads and checks a script in a thread of its own, and runs nothing of it but its top level. Returns what is wrong,
 * for a terminal; undefined when it can be used.
 */
export async function verifyScript(options: VerifyOptions): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  const threads = new Threads({
    count: 1,
    setup: () => ({
      threads: 1,
      script: options.script,
      generation: 1,
      transport: 'net',
      reusePort: false,
      logLevel: options.logLevel,
      isVerifyOnly: true,
      measuresDelay: false,
      tracing: undefined,
      instance: { name: 'verify', uuid: '' },
      shared: SharedCells.allocate(),
      gatheredSpans: new SharedArrayBuffer(4),
    }),
    args: options.args,
    listener: {
      ready: () => resolve(undefined),
      failed: (_thread, text) => resolve(text),
      died: (_thread, reason) => resolve(`${options.script}\n  ${reason.stack ?? reason.message}`),
      logged: records => records.forEach(options.sink),
      traced: () => {},
      exitAsked: () => {},
      restartAsked: () => {},
      started: () => {},
      joined: () => {},
      acquireSocket: async (_thread, { port }) => ({ port }),
    },
  })
  threads.start()
  const problem = await promise
  await threads.stop(1000)
  return problem
}
