/** What the tests of connect have in common: a server that the test speaks for, and a session that connects to it. */

import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import anyTest, { type ExecutionContext } from 'ava'
import { sluice } from '../../../../actors/index.ts'
import type { StreamEnd } from '../../../../runtime/event.ts'
import { Occurrences } from '../../../support/occurrences.ts'
import { harness, type TestSession } from '../../../support/pipeline-harness.ts'
import { transports } from '../../../support/run-script.ts'

export type Transport = (typeof transports)[keyof typeof transports]
/** A test for each of the transports. */
export const test = (
  title: string,
  run: (t: ExecutionContext, transport: Transport) => Promise<void>,
): void => {
  for (const transport of Object.values(transports))
    anyTest(`${transport.name}: ${title}`, t => run(t, transport))
}

/** Deadlines let the process end: a test that waits for one keeps it up. */
const keepUp = setInterval(() => {}, 1000)
anyTest.after(() => clearInterval(keepUp))

export interface Upstream {
  readonly port: number
  readonly target: string
  readonly connections: Occurrences<Socket>
  readonly server: Server
}

/** A server that the test speaks for. */
export async function upstream(
  t: ExecutionContext,
  server = createServer({ allowHalfOpen: true }),
  host = '127.0.0.1',
): Promise<Upstream> {
  const connections = new Occurrences<Socket>()
  const open = new Set<Socket>()
  server.on(
    server.listenerCount('secureConnection') > 0 ? 'secureConnection' : 'connection',
    (socket: Socket) => {
      open.add(socket)
      socket.on('error', () => {}).setEncoding('latin1')
      connections.add(socket)
    },
  )
  server.listen(0, host)
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of open) socket.destroy()
  })
  const { port } = server.address() as AddressInfo
  return { port, target: `${host.includes(':') ? `[${host}]` : host}:${port}`, connections, server }
}

export const open = (
  t: ExecutionContext,
  transport: Transport,
  target: unknown,
  options: object = {},
): TestSession => {
  const script = sluice()
    .pipeline('main')
    .connect(target as string, options)
  return harness(t, script, { transport }).open()
}

/** All bytes that came out so far, and how it ended. */
export const received = (session: TestSession): string =>
  session.output
    .map(event =>
      event.kind === 0 ? event.toString('latin1') : event.kind === 3 ? `|${event.error || 'end'}` : '',
    )
    .join('')

export const ended = async (session: TestSession): Promise<StreamEnd> =>
  (await session.occurred.next(event => event.kind === 3)) as StreamEnd
