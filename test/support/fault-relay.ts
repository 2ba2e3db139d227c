/**
 * A relay of bytes between a client and a server, which can do what networks do to them. Each fault is one line of a test:
 * `relay.cut()`, `relay.partition()`, `relay.slow(200)`, and `relay.heal()` ends it.
 */

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { ExecutionContext } from 'ava'

interface Pair {
  readonly client: Socket
  readonly server: Socket
}

class FaultRelay {
  private readonly server: Server
  private readonly pairs = new Set<Pair>()
  private isRefusing = false
  private isDeaf = false
  private delayMs = 0

  constructor(server: Server, targetPort: number) {
    this.server = server
    server.on('connection', client => this.accepted(client, targetPort))
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  /** For `--nats`. */
  get url(): string {
    return `nats://127.0.0.1:${this.port}`
  }

  get connections(): number {
    return this.pairs.size
  }

  /** All connections are reset, and new ones refused: both sides know at once. */
  cut(): void {
    this.isRefusing = true
    for (const { client, server } of this.pairs) {
      client.resetAndDestroy()
      server.resetAndDestroy()
    }
  }

  /** Nothing gets through, in either direction, and nobody is told: neither side can know. */
  partition(): void {
    this.isDeaf = true
    for (const { client, server } of this.pairs) {
      client.pause()
      server.pause()
    }
  }

  /** All that goes either way is late by so much. */
  slow(ms: number): void {
    this.delayMs = ms
  }

  /** All is well again. What waited arrives, if whom it is for is still there. */
  heal(): void {
    this.isRefusing = false
    this.isDeaf = false
    this.delayMs = 0
    for (const { client, server } of this.pairs) {
      client.resume()
      server.resume()
    }
  }

  /** Resolves when all its sockets are gone, so that nothing of it is under way when the test file ends. */
  async close(): Promise<void> {
    const sockets = [...this.pairs].flatMap(({ client, server }) => [client, server])
    const gone = sockets
      .filter(({ closed }) => !closed)
      .map(socket => new Promise(done => socket.once('close', done)))
    this.cut()
    this.server.close()
    await Promise.all([once(this.server, 'close'), ...gone])
  }

  private accepted(client: Socket, targetPort: number): void {
    if (this.isRefusing) {
      client.resetAndDestroy()
      return
    }
    const server = connect(targetPort, '127.0.0.1')
    const pair = { client, server }
    this.pairs.add(pair)
    this.pass(pair, client, server)
    this.pass(pair, server, client)
  }

  private pass(pair: Pair, from: Socket, to: Socket): void {
    from.setNoDelay(true)
    if (this.isDeaf) from.pause()
    from.on('data', bytes => {
      if (this.delayMs > 0) setTimeout(() => to.write(bytes), this.delayMs)
      else if (!to.write(bytes)) from.pause()
    })
    to.on('drain', () => {
      if (!this.isDeaf) from.resume()
    })
    from.on('error', () => {})
    from.on('close', () => {
      this.pairs.delete(pair)
      to.destroy()
    })
  }
}

/** A relay to a port of this machine, gone when the test is over. */
export async function startFaultRelay(
  t: Pick<ExecutionContext, 'teardown'>,
  targetPort: number,
): Promise<FaultRelay> {
  const server = createServer()
  const relay = new FaultRelay(server, targetPort)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => relay.close())
  return relay
}
