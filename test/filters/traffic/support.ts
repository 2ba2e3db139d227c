import type { ExecutionContext } from 'ava'
import { type LogTrafficOptions, sluice } from '../../../actors/index.ts'
import { type LoggedDocument, MemorySinks } from '../../support/memory-sinks.ts'
import { type RunningProxy, serve } from '../../support/proxy.ts'

/** Variables of a script that has none. */
type Variables = Record<never, never>

/** A proxy that logs to memory. */
export interface LoggingProxy {
  readonly proxy: RunningProxy
  readonly sinks: MemorySinks
  /** The next document. */
  next(): Promise<LoggedDocument>
  /** Resolves when no session is left; checks the ledgers, and that each exchange has one document. */
  settled(exchanges: number): Promise<void>
}

export async function startLogging(
  t: ExecutionContext,
  target: number,
  options: LogTrafficOptions<Variables> = {},
  more: { readonly connect?: object; readonly server?: object } = {},
): Promise<LoggingProxy> {
  const script = sluice()
    .listen('127.0.0.1:0')
    .demuxHTTP(more.server)
    .to($ =>
      $.logTraffic('stdout', options)
        .muxHTTP()
        .to($ => $.connect(`127.0.0.1:${target}`, more.connect)),
    )
  return serveLogging(t, script)
}

/** Any other script that logs to the sink of memory. */
export async function serveLogging(t: ExecutionContext, script: unknown): Promise<LoggingProxy> {
  const sinks = new MemorySinks()
  const proxy = await serve(t, script, 'handle', { sinks })
  return {
    proxy,
    sinks,
    next: () => sinks.documents.next(),
    async settled(exchanges) {
      await proxy.settled()
      t.is(sinks.entries.length, exchanges, 'one document per exchange')
      t.is(new Set(sinks.entries.map(({ id }) => id)).size, exchanges, 'each with an id of its own')
    },
  }
}
