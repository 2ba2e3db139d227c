/** Runs what a script built inside the test's own process, on real sockets, without threads and command line. */

import type { ExecutionContext } from 'ava'
import { type HostEnvironment, ThreadHost } from '../../actors/thread-host.ts'
import { netTransport } from '../../runtime/net/node-net.ts'
import { handleTransport } from '../../runtime/net/tcp-handle.ts'
import type { Transport } from '../../runtime/net/transport.ts'
import { type LogLine, recordingLog } from './recording-log.ts'

/** The transports that scripts run on: tests of behaviour loop over them. */
export const transports = { handle: handleTransport, net: netTransport } as const

export interface RunningScript {
  readonly host: ThreadHost
  /** Port of the first listener: scripts under test listen on port 0. */
  readonly port: number
  readonly ports: readonly number[]
  /** What it logged. */
  readonly logs: readonly LogLine[]
}

/** Starts it; it is stopped when the test is over. */
export async function runScript(
  t: ExecutionContext,
  script: unknown,
  transport: keyof typeof transports | Transport = 'handle',
  more: Partial<HostEnvironment> = {},
): Promise<RunningScript> {
  const logs: LogLine[] = []
  const host = new ThreadHost({
    thread: 0,
    threads: 1,
    transport: typeof transport === 'string' ? transports[transport] : transport,
    acquireSocket: async (_address, port) => ({ port }),
    mesh: undefined,
    log: recordingLog({ add: line => logs.push(line) }),
    ...more,
  })
  await host.start(script)
  t.teardown(() => host.stop())
  const ports = host.status().listeners.map(listener => listener.port)
  return { host, port: ports[0] ?? 0, ports, logs }
}
