/** The HTTP proxy that most tests in test/proxy are about: demuxHTTP, muxHTTP, connect, on real sockets. */

import type { ExecutionContext } from 'ava'
import {
  type ConnectOptions,
  type ListenOptions,
  type MuxHTTPOptions,
  type ServerOptions,
  sluice,
} from '../../actors/index.ts'
import type { HostEnvironment } from '../../actors/thread-host.ts'
import { type RunningScript, runScript, type transports } from './run-script.ts'
import { TcpClient } from './tcp-client.ts'

export interface ProxyOptions {
  readonly transport?: keyof typeof transports
  readonly listen?: ListenOptions
  readonly server?: ServerOptions
  readonly mux?: MuxHTTPOptions
  readonly connect?: ConnectOptions
}

/** Starts a proxy to a target; it is stopped when the test is over. */
export async function startProxy(
  t: ExecutionContext,
  target: number | string,
  options: ProxyOptions = {},
): Promise<RunningProxy> {
  const address = typeof target === 'number' ? `127.0.0.1:${target}` : target
  const script = sluice()
    .listen('127.0.0.1:0', options.listen)
    .demuxHTTP(options.server)
    .to($ => $.muxHTTP(options.mux).to($ => $.connect(address, options.connect)))
  return serve(t, script, options.transport)
}

/** Starts any other script. */
export async function serve(
  t: ExecutionContext,
  script: unknown,
  transport?: keyof typeof transports,
  more?: Partial<HostEnvironment>,
): Promise<RunningProxy> {
  return new RunningProxy(t, await runScript(t, script, transport, more))
}

/** A script that runs, as its clients see it. */
export class RunningProxy {
  readonly running: RunningScript
  private readonly t: ExecutionContext

  constructor(t: ExecutionContext, running: RunningScript) {
    this.t = t
    this.running = running
  }

  /** A client, which is gone when the test is over. */
  async client(): Promise<TcpClient> {
    const client = await TcpClient.connect(this.running.port)
    this.t.teardown(() => client.destroy())
    return client
  }

  /** Resolves when no session is left, and checks that every ledger balances: nothing was lost without being counted. */
  async settled(): Promise<void> {
    const { host } = this.running
    await until(() => host.status().sessions === 0)
    for (const edge of host.status().edges) {
      const dropped = Object.values(edge.dropped).reduce((sum, count) => sum + count, 0)
      this.t.is(
        edge.accepted,
        edge.delivered + edge.duplicate + edge.deadLettered + dropped + edge.inFlight,
        `the ledger of ${edge.from} to ${edge.to} balances`,
      )
      this.t.is(edge.inFlight, 0, `nothing is in flight from ${edge.from} to ${edge.to}`)
    }
  }
}

/** Resolves when a count no longer changes, however often the event loop turns. Returns it. */
export async function stable(count: () => number): Promise<number> {
  for (let turns = 0, before = count(); turns < 500; turns++) {
    await new Promise(resolve => setImmediate(resolve))
    if (count() === before) continue
    before = count()
    turns = 0
  }
  return count()
}

/** Resolves when `holds` does, looking once per turn of the event loop. The test's own time limit bounds it. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => setImmediate(resolve))
}
