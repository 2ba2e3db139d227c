/**
 * A server that speaks what a bulk client needs of Elasticsearch, strictly: where the real one refuses, this one does. It
 * was written after the documentation and checked with the official clients of two majors (the tests beside it); nothing
 * that passes here is thereby tested on a real Elasticsearch.
 */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTLSServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { type Action, BulkSyntaxError, type ItemAnswer, parseBulk, perform } from './bulk.ts'
import type { BulkCall, Effect, Fault } from './faults.ts'
import { filterPath } from './filter-path.ts'
import { mediaProblem, mediaTypeOf } from './media-type.ts'
import { Answer, otherRoutes, type Version } from './routes.ts'
import { Store, type StoredDocument } from './store.ts'

export interface ElasticsearchOptions {
  /** The version that it says it is. */
  readonly major?: 8 | 9
  /**
   * It is OpenSearch: it says so, names no product of Elastic, knows none of its media types, parameters and templates. What
   * it says beside that (the grammar, statuses) is the same in both.
   */
  readonly isOpenSearch?: boolean
  /** Bytes of a body, as sent and as unpacked: `http.max_content_length`. */
  readonly maxBytes?: number
  readonly apiKey?: string
  readonly basic?: { readonly username: string; readonly password: string }
  /** Whether writing to an index that is missing makes it: `action.auto_create_index`. */
  readonly createsIndices?: boolean
  /** The write queue: how many items it takes each second, how many may wait, and what is refused when they do. */
  readonly queue?: { readonly perSecond: number; readonly size: number; readonly refuses: 'items' | 'whole' }
  readonly tls?: { readonly cert: string; readonly key: string }
  readonly port?: number
}

/** One request that came in. */
export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  /** Bytes as sent. */
  readonly bytes: number
  readonly status: number
  /** Items of a bulk request. */
  readonly items: number
}

const bulkPath = /^(?:\/([^/]+))?\/_bulk$/
/** Since Elasticsearch 8. */
const elasticOnly = new Set(['require_data_stream', 'list_executed_pipelines', 'include_source_on_error'])

const bulkParameters = new Set([
  'refresh',
  'routing',
  'timeout',
  'pipeline',
  'wait_for_active_shards',
  'require_alias',
  ...elasticOnly,
  'pretty',
  'error_trace',
  'filter_path',
  'human',
  'format',
  '_source',
])

export class StrictElasticsearch {
  readonly store: Store
  /** Asked for each bulk request; the first that wants something of it gets it. */
  faults: Fault[] = []
  readonly requests: SeenRequest[] = []
  /** Items refused because their document was there already. */
  conflicts = 0
  /** Called after each answered request. */
  onRequest: (request: SeenRequest) => void = () => {}
  port = 0
  private readonly options: ElasticsearchOptions
  private server: Server
  private bulks = 0
  /** When the write queue will be empty. */
  private busyUntilMs = 0

  private constructor(options: ElasticsearchOptions) {
    this.options = options
    this.store = new Store(options.createsIndices ?? true)
    if (options.isOpenSearch === true) this.store.templates.clear()
    this.server = this.makeServer()
  }

  static async start(options: ElasticsearchOptions = {}): Promise<StrictElasticsearch> {
    const server = new StrictElasticsearch(options)
    server.port = options.port ?? 0
    await server.back()
    return server
  }

  private get version(): Version {
    return this.options.isOpenSearch === true ? 'opensearch' : (this.options.major ?? 9)
  }

  /** By what clients of Elastic know whom they speak with. */
  private get product(): Readonly<Record<string, string>> {
    return this.options.isOpenSearch === true ? {} : { 'x-elastic-product': 'Elasticsearch' }
  }

  get url(): string {
    return `${this.options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${this.port}`
  }

  /** Nobody listens any more, and connections are reset. */
  async away(): Promise<void> {
    const closed = once(this.server, 'close')
    this.server.close()
    this.server.closeAllConnections()
    await closed
  }

  /** Listens, on the same port as before. */
  async back(): Promise<void> {
    if (!this.server.listening) this.server = this.makeServer()
    this.server.listen(this.port, '127.0.0.1')
    await once(this.server, 'listening')
    this.port = (this.server.address() as AddressInfo).port
  }

  async stop(): Promise<void> {
    if (this.server.listening) await this.away()
  }

  /** Documents of an index or data stream, by id. */
  documents(index: string): ReadonlyMap<string, StoredDocument> {
    return this.store.indices.get(index)?.documents ?? new Map()
  }

  get bulkRequests(): readonly SeenRequest[] {
    return this.requests.filter(({ path }) => path.includes('/_bulk'))
  }

  private makeServer(): Server {
    const serve = (request: IncomingMessage, response: ServerResponse): void => {
      this.serve(request, response).catch(() => response.destroy())
    }
    const { tls } = this.options
    return tls === undefined ? createServer(serve) : createTLSServer({ ...tls }, serve)
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const method = request.method ?? 'GET'
    const url = new URL(request.url ?? '/', 'http://localhost')
    let bytes = 0
    let items = 0
    const answer = (result: Answer): void => {
      const seen: SeenRequest = {
        method,
        path: url.pathname,
        headers: request.headers,
        bytes,
        status: result.status,
        items,
      }
      this.requests.push(seen)
      send(request, response, result, this.product)
      this.onRequest(seen)
    }
    const limit = this.options.maxBytes ?? 100 * 1024 * 1024
    const body = await readBody(request, limit)
    if (body === undefined) {
      response.setHeader('connection', 'close')
      answer(new Answer(413))
      return
    }
    bytes = body.length
    const denied = this.denied(request) ?? mediaProblem(request.headers, bytes > 0, this.version)
    if (denied !== undefined) return answer(denied)
    const text = unpack(request, body, limit)
    if (text instanceof Answer) return answer(text)
    const path = decodeURIComponent(url.pathname)
    const bulk = bulkPath.exec(path)
    if (bulk === null || !['POST', 'PUT'].includes(method)) {
      answer(otherRoutes(this.store, { method, path, text, version: this.version }))
      return
    }
    const actions = this.parse(text, url, bulk[1])
    if (actions instanceof Answer) return answer(actions)
    items = actions.length
    const patterns = url.searchParams.get('filter_path')
    await this.bulk(actions, request, response, result =>
      answer(
        patterns === null || result.status >= 300
          ? result
          : new Answer(result.status, filterPath(result.body, patterns)),
      ),
    )
  }

  private denied(request: IncomingMessage): Answer | undefined {
    const { apiKey, basic } = this.options
    if (apiKey === undefined && basic === undefined) return undefined
    const given = request.headers.authorization
    if (apiKey !== undefined && given === `ApiKey ${apiKey}`) return undefined
    if (
      basic !== undefined &&
      given === `Basic ${Buffer.from(`${basic.username}:${basic.password}`).toString('base64')}`
    )
      return undefined
    return Answer.error(
      401,
      'security_exception',
      given === undefined
        ? 'missing authentication credentials for REST request'
        : 'unable to authenticate with provided credentials',
    )
  }

  private parse(text: string, url: URL, index: string | undefined): Action[] | Answer {
    for (const name of url.searchParams.keys())
      if (!bulkParameters.has(name) || (this.options.isOpenSearch === true && elasticOnly.has(name)))
        return Answer.error(
          400,
          'illegal_argument_exception',
          `request [${url.pathname}] contains unrecognized parameter: [${name}]`,
        )
    try {
      return parseBulk(text, index, url.searchParams.get('require_data_stream') === 'true')
    } catch (error) {
      if (!(error instanceof BulkSyntaxError)) throw error
      return Answer.error(400, error.type, error.message)
    }
  }

  private async bulk(
    actions: readonly Action[],
    request: IncomingMessage,
    response: ServerResponse,
    answer: (result: Answer) => void,
  ): Promise<void> {
    const call: BulkCall = { number: ++this.bulks, ids: actions.map(({ id }) => id) }
    const effect = this.effectOf(call)
    if (effect?.kind === 'reset-before') {
      request.socket.resetAndDestroy()
      return
    }
    if (effect?.kind === 'status') {
      const headers =
        effect.retryAfterSeconds === undefined ? {} : { 'retry-after': String(effect.retryAfterSeconds) }
      return answer(
        Answer.error(effect.status, statusType(effect.status), `told to answer ${effect.status}`, headers),
      )
    }
    const refused = this.enqueue(actions.length)
    if (refused === 'whole')
      return answer(
        Answer.error(429, 'es_rejected_execution_exception', 'rejected execution of coordinating operation'),
      )
    const startedMs = performance.now()
    const items = actions.map((action, at): Record<string, ItemAnswer> => {
      const told = effect?.kind === 'items' ? effect.statusOf(action.id) : undefined
      const status = told ?? (at >= actions.length - refused ? 429 : undefined)
      const result = status === undefined ? perform(this.store, action) : refusedItem(action, status)
      if (result.status === 409) this.conflicts++
      return { [action.operation]: result }
    })
    const errors = items.some(item => Object.values(item).some(({ status }) => status >= 300))
    const waitMs =
      effect?.kind === 'slow'
        ? effect.ms
        : this.options.queue === undefined
          ? 0
          : this.busyUntilMs - performance.now()
    if (waitMs > 0) await new Promise(resolve => setTimeout(resolve, waitMs))
    const result = new Answer(200, { took: Math.round(performance.now() - startedMs), errors, items })
    switch (effect?.kind) {
      case 'reset-after':
        request.socket.resetAndDestroy()
        return
      case 'half-answer': {
        const text = JSON.stringify(result.body)
        response.writeHead(200, {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(text),
          ...this.product,
        })
        response.write(text.slice(0, text.length >> 1), () => request.socket.destroy())
        return
      }
      case 'nonsense':
        return answer(new Answer(200, '{"took":'))
      case 'silence':
        return
      default:
        answer(result)
    }
  }

  private effectOf(call: BulkCall): Effect | undefined {
    for (const fault of this.faults) {
      const effect = fault(call)
      if (effect !== undefined) return effect
    }
    return undefined
  }

  /** Puts items in the write queue; says how many find no room, or that the whole request does not. */
  private enqueue(items: number): number | 'whole' {
    const { queue } = this.options
    if (queue === undefined) return 0
    const now = performance.now()
    const waiting = Math.max(0, ((this.busyUntilMs - now) / 1000) * queue.perSecond)
    const room = Math.max(0, Math.floor(queue.size - waiting))
    if (queue.refuses === 'whole' && waiting > queue.size) return 'whole'
    const taken = queue.refuses === 'whole' ? items : Math.min(items, room)
    this.busyUntilMs = Math.max(now, this.busyUntilMs) + (taken / queue.perSecond) * 1000
    return items - taken
  }
}

const statusTypes: Readonly<Record<number, string>> = {
  400: 'document_parsing_exception',
  403: 'cluster_block_exception',
  404: 'index_not_found_exception',
  429: 'es_rejected_execution_exception',
  503: 'unavailable_shards_exception',
}
const statusType = (status: number): string => statusTypes[status] ?? 'exception'

const refusedItem = (action: Action, status: number): ItemAnswer => ({
  _index: action.index,
  _id: action.id ?? null,
  status,
  error: { type: statusType(status), reason: `told to answer ${status}` },
})

/** The body, or undefined when it is too large; the rest is then read and forgotten, so that the answer arrives. */
async function readBody(request: IncomingMessage, limit: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length
    if (bytes <= limit) chunks.push(chunk as Buffer)
    else chunks.length = 0
  }
  return bytes > limit ? undefined : Buffer.concat(chunks)
}

function unpack(request: IncomingMessage, body: Buffer, limit: number): string | Answer {
  const coding = request.headers['content-encoding']
  if (coding === undefined || coding === 'identity') return body.toString()
  if (coding !== 'gzip')
    return Answer.error(415, 'illegal_argument_exception', `Content-Encoding [${coding}] is not supported`)
  try {
    return gunzipSync(body, { maxOutputLength: limit }).toString()
  } catch (error) {
    return (error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE'
      ? new Answer(413)
      : Answer.error(400, 'content_too_long_exception', 'Failed to decompress the body')
  }
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  { status, body, headers }: Answer,
  product: Readonly<Record<string, string>>,
): void {
  const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body)
  response.writeHead(status, {
    ...product,
    ...(text !== '' && { 'content-type': mediaTypeOf(request.headers) }),
    ...(status === 401 && { 'www-authenticate': 'ApiKey, Basic realm="security" charset="UTF-8"' }),
    ...(request.headers['x-opaque-id'] !== undefined && { 'x-opaque-id': request.headers['x-opaque-id'] }),
    'content-length': Buffer.byteLength(text),
    ...headers,
  })
  response.end(request.method === 'HEAD' ? undefined : text)
}
