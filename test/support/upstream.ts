import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import type { ExecutionContext } from 'ava'
import type { HTTPText } from './http-text.ts'
import { Occurrences } from './occurrences.ts'
import { TcpClient } from './tcp-client.ts'

/** What the other side of the proxy does with a connection. */
type Serve = (connection: TcpClient, index: number) => void | Promise<void>

/** A server behind the proxy that does to the byte what the test says. */
export class Upstream {
  readonly port: number
  /** All connections that it accepted, in order. */
  readonly connections: readonly TcpClient[]
  private readonly arrivals: Occurrences<TcpClient>

  private constructor(port: number, arrivals: Occurrences<TcpClient>) {
    this.port = port
    this.arrivals = arrivals
    this.connections = arrivals.seen
  }

  /** Starts it; it is gone when the test is over. */
  static async start(t: ExecutionContext, serve: Serve = () => {}): Promise<Upstream> {
    const arrivals = new Occurrences<TcpClient>()
    const server = createServer({ allowHalfOpen: true }, socket => {
      const connection = new TcpClient(socket)
      const index = arrivals.seen.length
      arrivals.add(connection)
      // A connection that the proxy gave up ends what is read from it; anything else is a mistake of the test.
      Promise.resolve(serve(connection, index)).catch(error => {
        if (!connection.isEnded) t.fail(String(error))
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => {
      server.close()
      for (const { socket } of arrivals.seen) socket.destroy()
    })
    return new Upstream((server.address() as AddressInfo).port, arrivals)
  }

  /** The next connection that it accepts. */
  connection(): Promise<TcpClient> {
    return this.arrivals.next()
  }

  /** All that came and was not taken as a request. */
  get received(): string {
    return this.connections.map(connection => connection.received).join('')
  }
}

/**
 * A port on which nobody listens, and nobody can while the test runs: the local one of a connection. A port that was
 * listened on would be given to the next test that asks for any.
 */
export async function unusedPort(t: ExecutionContext): Promise<number> {
  const { port } = await Upstream.start(t)
  const client = await TcpClient.connect(port)
  t.teardown(() => client.destroy())
  return client.socket.localPort as number
}

/** Serves one request after the other on each connection with what `respond` writes for it. */
export const answering =
  (respond: (request: HTTPText, connection: TcpClient) => string | undefined): Serve =>
  async connection => {
    for (;;) {
      const request = await connection.request()
      const response = respond(request, connection)
      if (response !== undefined) connection.write(response)
    }
  }

/** A response with a Content-Length. */
export const reply = (body: string, status = '200 OK', ...fields: string[]): string =>
  `HTTP/1.1 ${status}\r\n${[...fields, `Content-Length: ${body.length}`].join('\r\n')}\r\n\r\n${body}`

/** A request. */
export const ask = (path: string, ...fields: string[]): string =>
  `GET ${path} HTTP/1.1\r\n${['Host: test', ...fields].join('\r\n')}\r\n\r\n`
