import { type HostEnvironment, ThreadHost } from '../../actors/thread-host.ts'
import { noLog } from '../../runtime/log.ts'
import { MemoryTransport } from './memory-transport.ts'

/** Runs a script in this thread, the only one; gives the transport that its connections are made with. */
export async function startMemoryHost(
  script: unknown,
  more: Partial<HostEnvironment> = {},
): Promise<MemoryTransport> {
  const transport = new MemoryTransport()
  const host = new ThreadHost({
    thread: 0,
    threads: 1,
    transport,
    acquireSocket: async (_address, port) => ({ port }),
    mesh: undefined,
    log: noLog,
    ...more,
  })
  await host.start(script)
  return transport
}
