import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { stringify } from '../observability/log.ts'
import { prometheusContentType, renderPrometheus } from '../observability/prometheus.ts'
import { type NodeStatus, nodeMetrics } from './node-status.ts'

/**
 * The admin port, served by the main thread, so that it answers when the worker threads do not:
 *
 * - `/healthz`: 200 while the process lives;
 * - `/readyz`: 200 while it serves, 503 while it starts or drains;
 * - `/metrics`: for Prometheus;
 * - `/api/v1/status`: the same and more as JSON.
 */
export class AdminServer {
  private readonly server: Server
  private readonly status: () => Promise<NodeStatus>
  private readonly isReady: () => boolean

  constructor(status: () => Promise<NodeStatus>, isReady: () => boolean) {
    this.status = status
    this.isReady = isReady
    this.server = createServer((request, response) => {
      this.serve(request, response).catch(error => reply(response, 500, 'text/plain', `${error}\n`))
    })
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
        return this.isReady()
          ? reply(response, 200, 'text/plain', 'ready\n')
          : reply(response, 503, 'text/plain', 'not ready\n')
      case '/metrics':
        return reply(response, 200, prometheusContentType, renderPrometheus(nodeMetrics(await this.status())))
      case '/api/v1/status':
        return reply(response, 200, 'application/json', `${stringify(await this.status())}\n`)
      default:
        return reply(
          response,
          404,
          'text/plain',
          'No such page; there are /healthz, /readyz, /metrics, /api/v1/status.\n',
        )
    }
  }
}

function reply(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, { 'content-type': contentType, 'content-length': Buffer.byteLength(body) })
  response.end(response.req.method === 'HEAD' ? undefined : body)
}
