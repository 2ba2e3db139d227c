/** A server that takes documents by HTTP, in any of the forms that sinks send, and does what a test says. */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'
import type { ExecutionContext } from 'ava'

export interface LogRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
  /** Counts the requests, from 1. */
  readonly number: number
}

export interface LogAnswer {
  readonly status: number
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
}

export class LogServer {
  readonly requests: LogRequest[] = []
  /** Those that were answered with a 2xx. */
  readonly taken: LogRequest[] = []
  respond: (request: LogRequest) => LogAnswer | 'reset' = () => ({ status: 200, body: '{}' })
  port = 0
  private server: Server = createServer()

  static async start(t: ExecutionContext): Promise<LogServer> {
    const server = new LogServer()
    await server.back()
    t.teardown(() => server.away())
    return server
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  async back(): Promise<void> {
    this.server = createServer(async (incoming, response) => {
      const chunks: Buffer[] = []
      try {
        for await (const chunk of incoming) chunks.push(chunk as Buffer)
      } catch {
        return
      }
      const bytes = Buffer.concat(chunks)
      const body = incoming.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes
      const request: LogRequest = {
        method: incoming.method ?? '',
        path: incoming.url ?? '',
        headers: incoming.headers,
        body: body.toString(),
        number: this.requests.length + 1,
      }
      this.requests.push(request)
      const answer = this.respond(request)
      if (answer === 'reset') {
        incoming.socket.resetAndDestroy()
        return
      }
      if (answer.status < 300) this.taken.push(request)
      response.writeHead(answer.status, answer.headers).end(answer.body)
    }).listen(this.port, '127.0.0.1')
    await once(this.server, 'listening')
    this.port = (this.server.address() as AddressInfo).port
  }

  async away(): Promise<void> {
    if (!this.server.listening) return
    const closed = once(this.server, 'close')
    this.server.close()
    this.server.closeAllConnections()
    await closed
  }
}
