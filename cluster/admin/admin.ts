import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { stringify } from '../../observability/log.ts'
import { expose } from '../../observability/metrics/exposition.ts'
import type { NodeView, ThreadActors } from './node-status.ts'
import type { Readiness } from './readiness.ts'

/**
 * The admin port, served by the main thread, so that it answers when the worker threads do not:
 *
 * - `/healthz`: 200 while the process lives;
 * - `/readyz`: 200 while it serves, 503 while it starts or drains, and when no thread answers; its body says why;
 * - `/metrics`: for Prometheus, or as OpenMetrics for who asks for that;
 * - `/api/v1/status`: the same and more as JSON;
 * - `/api/v1/actors?limit=100&pipeline=log`: the actors of shared pipelines, by thread.
 */
export class AdminServer {
  private readonly server: Server
  private readonly read: () => Promise<NodeView>
  private readonly actors: ReadActors
  private readonly readiness: () => Promise<Readiness>

  constructor(read: () => Promise<NodeView>, actors: ReadActors, readiness: () => Promise<Readiness>) {
    this.read = read
    this.actors = actors
    this.readiness = readiness
    this.server = createServer((request, response) => {
      this.serve(request, response).catch(error => reply(response, 500, 'text/plain', `${error}\n`))
    })
    this.server.maxConnections = mostConnections
    // Who neither asks nor reads is let go, and what he would have got with him.
    this.server.timeout = idleMs
  }

  /** Rejects when the address cannot be listened on. */
  listen(address: string, port: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.server.once('error', reject)
    this.server.listen({ host: address, port }, () => {
      this.server.off('error', reject)
      resolve()
    })
    return promise
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.server.close(() => resolve())
    this.server.closeAllConnections()
    return promise
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return reply(response, 405, 'text/plain', 'Only GET and HEAD.\n')
    switch (request.url?.split('?', 1)[0]) {
      case '/healthz':
        return reply(response, 200, 'text/plain', 'ok\n')
      case '/readyz':
        return this.serveReadiness(response)
      case '/metrics':
        return this.tellMetrics(request, response)
      case '/api/v1/status':
        return reply(response, 200, 'application/json', `${stringify((await this.read()).status)}\n`)
      case '/api/v1/actors':
        return reply(
          response,
          200,
          'application/json',
          `${stringify(await this.actors(...readQuery(request.url)))}\n`,
        )
      default:
        return reply(
          response,
          404,
          'text/plain',
          'No such page; there are /healthz, /readyz, /metrics, /api/v1/status, /api/v1/actors.\n',
        )
    }
  }

  private async serveReadiness(response: ServerResponse): Promise<void> {
    const { isReady, text } = await this.readiness()
    reply(response, isReady ? 200 : 503, 'text/plain', text)
  }

  private async tellMetrics(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { contentType, text } = expose((await this.read()).metrics, request.headers.accept)
    reply(response, 200, contentType, text)
  }
}

/** More than scrapers and people have. Each that reads slowly keeps the whole of its answer in memory. */
const mostConnections = 256
const idleMs = 30_000

/** What `/api/v1/actors` asks for. */
type ReadActors = (limit: number, pipeline: string | undefined) => Promise<readonly ThreadActors[]>

const defaultLimit = 100

function readQuery(url = ''): [limit: number, pipeline: string | undefined] {
  const query = new URLSearchParams(url.split('?', 2)[1])
  const limit = Number(query.get('limit') ?? defaultLimit)
  return [
    Number.isSafeInteger(limit) && limit >= 0 ? limit : defaultLimit,
    query.get('pipeline') ?? undefined,
  ]
}

function reply(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, { 'content-type': contentType, 'content-length': Buffer.byteLength(body) })
  response.end(response.req.method === 'HEAD' ? undefined : body)
}
