/** TLS peers of tests, with certificates made anew for each run. */

import { once } from 'node:events'
import { type ConnectionOptions, connect, createServer, type TLSSocket } from 'node:tls'
import type { ExecutionContext } from 'ava'
import { type AcceptTLSOptions, Data, sluice } from '../../actors/index.ts'
import { ScriptBuilder } from '../../actors/script/builder.ts'
import { makeCertificates } from '../runtime/net/support/certificates.ts'
import { type RunningScript, runScript, type transports } from './run-script.ts'
import { TcpClient } from './tcp-client.ts'

export const certificates = makeCertificates()
const { ca, server } = certificates

type Options = AcceptTLSOptions<Record<never, never>>

/** A TLS server that gives back what it gets, in angle brackets. */
export const echo = (
  t: ExecutionContext,
  options: Partial<Options> = {},
  transport?: keyof typeof transports,
) =>
  runScript(
    t,
    sluice()
      .listen('127.0.0.1:0')
      .acceptTLS({ certificate: server, ...options })
      .to($ => $.replaceData(data => (data.size === 0 ? data : new Data(`<${data}>`)))),
    transport,
  )

/** A client of such a server, whose handshake is done. */
export async function dial(
  t: ExecutionContext,
  { port }: RunningScript,
  options: ConnectionOptions = {},
): Promise<TcpClient & { socket: TLSSocket }> {
  const socket = connect({
    port,
    host: '127.0.0.1',
    ca,
    servername: 'localhost',
    allowHalfOpen: true,
    ...options,
  } as never)
  t.teardown(() => socket.destroy())
  await once(socket, 'secureConnect')
  return new TcpClient(socket) as never
}

/** A TLS server of Node's own that gives back what it gets. */
export async function nodeServer(
  t: ExecutionContext,
  options: Parameters<typeof createServer>[0] = {},
): Promise<number> {
  const listener = createServer({ ...server, allowHalfOpen: true, ...options } as never, socket => {
    socket.on('error', () => {})
    socket.on('data', bytes => socket.write(`<${bytes}>`))
    socket.on('end', () => socket.end('bye'))
  }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  t.teardown(() => listener.close())
  return (listener.address() as { port: number }).port
}

type Dialect = Record<string, (...args: unknown[]) => Dialect>

/** Begins a script in Pipy's dialect, whose methods take whatever they take there. */
export const dialect = (): Dialect => new ScriptBuilder({}, true) as unknown as Dialect
