/** Behind the fleets under test: the service that they proxy, and the place where their loggers write. */

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ExecutionContext } from 'ava'

/** How often each event came, and from which nodes. */
export interface Collected {
  readonly times: Map<string, number>
  /** By key, the ids in the order in which they came. */
  readonly order: Map<string, string[]>
  readonly by: Map<string, number>
}

const empty = (): Collected => ({ times: new Map(), order: new Map(), by: new Map() })

export class Collector {
  readonly live = empty()
  readonly kept = empty()
  /** Milliseconds that it takes to answer a logger. */
  delayMs = 0
  private held: (() => void)[] | undefined
  private readonly server: Server

  private constructor() {
    this.server = createServer((request, response) => {
      request.resume()
      const url = new URL(request.url ?? '/', 'http://collector')
      const [, pipeline, id = ''] = url.pathname.split('/')
      if (pipeline !== 'live' && pipeline !== 'kept') {
        response.end('hello\n')
        return
      }
      const answer = (): void => {
        note(this[pipeline], id, url.searchParams)
        response.end()
      }
      if (this.held !== undefined) this.held.push(answer)
      else if (this.delayMs > 0) setTimeout(answer, this.delayMs)
      else answer()
    })
    // Between the requests of a test more time may pass than the usual five seconds.
    this.server.keepAliveTimeout = 600_000
  }

  static async start(t: ExecutionContext): Promise<Collector> {
    const collector = new Collector()
    collector.server.listen(0, '127.0.0.1')
    await once(collector.server, 'listening')
    t.teardown(() => {
      collector.server.close()
      collector.server.closeAllConnections()
    })
    return collector
  }

  /** Answers no logger until `release`. */
  hold(): void {
    this.held ??= []
  }

  release(): void {
    const held = this.held ?? []
    this.held = undefined
    for (const answer of held) answer()
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }
}

function note({ times, order, by }: Collected, id: string, query: URLSearchParams): void {
  const key = query.get('key') ?? ''
  const node = query.get('by') ?? ''
  times.set(id, (times.get(id) ?? 0) + 1)
  by.set(node, (by.get(node) ?? 0) + 1)
  const ids = order.get(key)
  if (ids === undefined) order.set(key, [id])
  else ids.push(id)
}

/** Events that came more than once, all but the first time. */
export const duplicates = ({ times }: Collected): number =>
  [...times.values()].reduce((sum, count) => sum + count - 1, 0)
