/**
 * Clients and upstreams that send, stall, finish and break off in any order: nobody gets the response to another's
 * request, nobody waits for ever, and when all have gone nothing is left.
 */

import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { sluice } from '../../actors/index.ts'
import { readMessage, statusOf } from '../support/http-text.ts'
import { type MemoryConnection, MemoryTransport } from '../support/memory-transport.ts'
import { RunningProxy, until } from '../support/proxy.ts'
import { runScript } from '../support/run-script.ts'
import { reply } from '../support/upstream.ts'

const methods = ['GET', 'POST', 'PUT', 'HEAD']

/** Request `j` of client `i`; its response tells both, and the body. */
function requestOf(i: number, j: number): string {
  const method = methods[(i + j) % methods.length] as string
  const line = `${method} /${i}/${j} HTTP/1.1\r\nHost: a\r\n`
  const body = `body of ${i}/${j}`
  if (method === 'POST') return `${line}Content-Length: ${body.length}\r\n\r\n${body}`
  if (method === 'PUT')
    return `${line}Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`
  return `${line}\r\n`
}

const requestsEach = 4

class Client {
  readonly connection: MemoryConnection
  private rest: string
  private readonly index: number

  constructor(transport: MemoryTransport, index: number) {
    this.connection = transport.client()
    this.index = index
    this.rest = Array.from({ length: requestsEach }, (_, j) => requestOf(index, j)).join('')
  }

  get canSend(): boolean {
    const { connection } = this
    return !connection.isClosed && !connection.isPaused && !connection.hasPeerEnded
  }

  send(size: number): boolean {
    if (!this.canSend || this.rest === '') return false
    this.connection.receive(this.rest.slice(0, size))
    this.rest = this.rest.slice(size)
    return true
  }

  /** Each response that came answers the request that it should, or says that this went wrong. */
  check(t: ExecutionContext): void {
    const { connection } = this
    let text = connection.written
    let j = 0
    for (; text !== ''; j++) {
      const method = methods[(this.index + j) % methods.length] as string
      const response = readMessage(text, { answers: method, isEnded: false })
      if (response === undefined) break
      text = text.slice(response.length)
      if (statusOf(response) !== 200) {
        t.true([400, 502].includes(statusOf(response)), response.startLine)
        continue
      }
      const path = `/${this.index}/${j}`
      t.deepEqual(
        response.fields.find(([name]) => name === 'X-Path'),
        ['X-Path', path],
      )
      if (method !== 'HEAD') t.true(response.body.startsWith(`${method} ${path} `), response.body)
    }
    t.true(j === requestsEach || connection.isEnded || connection.isClosed, 'nobody waits for ever')
  }
}

/** The other end of a connection that the proxy has made. */
class Server {
  readonly connection: MemoryConnection
  private read = 0
  private pending = ''

  constructor(connection: MemoryConnection) {
    this.connection = connection
  }

  get isOpen(): boolean {
    const { connection } = this
    return !connection.isClosed && !connection.hasPeerEnded
  }

  send(size: number): boolean {
    const { connection } = this
    if (!this.isOpen || connection.isPaused) return false
    if (this.pending === '') this.answer()
    if (this.pending === '') return false
    connection.receive(this.pending.slice(0, size))
    this.pending = this.pending.slice(size)
    return true
  }

  /** Says something that is no response, in place of one or for no reason. */
  err(): void {
    if (this.isOpen && !this.connection.isPaused && this.pending === '')
      this.connection.receive('nonsense\r\n\r\n')
  }

  private answer(): void {
    const request = readMessage(this.connection.written.slice(this.read), { isEnded: false })
    if (request === undefined) return
    this.read += request.length
    const [method = '', path = ''] = request.startLine.split(' ')
    const text = reply(`${method} ${path} ${request.body}`, '200 OK', `X-Path: ${path}`)
    this.pending = method === 'HEAD' ? text.slice(0, text.indexOf('\r\n\r\n') + 4) : text
  }
}

/** All that a client or an upstream may do. */
const acts = {
  clientSends: (client: Client, _: Server | undefined, size: number) => client.send(size),
  clientEnds: (client: Client) => client.canSend && client.connection.receiveEnd(),
  clientResets: (client: Client) => client.connection.receiveReset(),
  clientStalls: (client: Client) => client.connection.stall(),
  clientFlows: (client: Client) => client.connection.flow(),
  upstreamSends: (_: Client, server: Server | undefined, size: number) => server?.send(size),
  upstreamEnds: (_: Client, server: Server | undefined) => server?.isOpen && server.connection.receiveEnd(),
  upstreamResets: (_: Client, server: Server | undefined) => server?.connection.receiveReset(),
  upstreamErrs: (_: Client, server: Server | undefined) => server?.err(),
  upstreamStalls: (_: Client, server: Server | undefined) => server?.connection.stall(),
  upstreamFlows: (_: Client, server: Server | undefined) => server?.connection.flow(),
} as const

/** What happens next, and to which of the connections. */
interface Step {
  readonly what: keyof typeof acts
  readonly who: number
  readonly size: number
}

async function run(t: ExecutionContext, steps: readonly Step[], maxSessions: number): Promise<void> {
  const transport = new MemoryTransport()
  const script = sluice()
    .listen('192.0.2.2:2', { bufferLimit: 100 })
    .demuxHTTP()
    .to($ => $.muxHTTP({ maxSessions }).to($ => $.connect('192.0.2.1:1', { bufferLimit: 200 })))
  const running = await runScript(t, script, transport)
  const clients = Array.from({ length: 3 }, (_, i) => new Client(transport, i))
  const servers: Server[] = []
  const breathe = async (): Promise<void> => {
    await new Promise(resolve => setImmediate(resolve))
    for (const connection of transport.outbound.slice(servers.length)) servers.push(new Server(connection))
  }
  for (const { what, who, size } of steps) {
    acts[what](clients[who % clients.length] as Client, servers[who % Math.max(1, servers.length)], size)
    await breathe()
  }
  // From here on all behave, until there is nothing more to be said.
  for (let hasMoved = true; hasMoved; ) {
    hasMoved = false
    for (const { connection } of [...clients, ...servers]) connection.flow()
    for (const client of clients) if (client.send(1000)) hasMoved = true
    await breathe()
    for (const server of servers) if (server.send(1000)) hasMoved = true
    await breathe()
  }
  for (const client of clients) {
    client.check(t)
    client.connection.receiveReset()
  }
  await new RunningProxy(t, running).settled()
  running.host.stop()
  for (const { connection } of servers) connection.receiveReset()
  await until(() => servers.every(({ connection }) => connection.isClosed))
  t.deepEqual(running.logs, [])
}

const names = Object.keys(acts) as (keyof typeof acts)[]
const step = fc.record({
  // Most of the time they talk.
  what: fc.oneof(
    fc.constantFrom('clientSends' as const, 'upstreamSends' as const),
    fc.constantFrom(...names),
  ),
  who: fc.nat(5),
  size: fc.integer({ min: 1, max: 150 }),
})

test('whatever breaks, clients get their own responses only, and nothing is left', async t => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.nat(2), (steps, maxSessions) =>
      run(t, steps, maxSessions),
    ),
    { numRuns: 200 },
  )
})
