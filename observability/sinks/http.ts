import { oneOf, parseOptions } from '../../runtime/options.ts'
import { BodySender } from './body-sender.ts'
import { type Destination, type Item, stored, type Verdict } from './destination.ts'
import type { HTTPNodes } from './http-nodes.ts'
import { authorizationOf, httpSinkOptions, nodeOption, nodesOf, tlsOf, urlsOf } from './http-options.ts'
import { verdictOn } from './http-verdict.ts'
import { arrayOf, linesOf } from './lines.ts'
import type { SinkKind } from './sink-kind.ts'
import { sinkOptions } from './sink-options.ts'

interface Plan {
  readonly method: 'POST' | 'PUT'
  readonly isArray: boolean
  readonly compresses: boolean
  readonly headers: Readonly<Record<string, string>>
}

/** Documents to a server of any kind, as lines or as an array of JSON. */
class HTTPDestination implements Destination {
  readonly name: string
  readonly maxConcurrency = Number.MAX_SAFE_INTEGER
  private readonly plan: Plan
  private readonly sender: BodySender

  constructor(name: string, nodes: HTTPNodes, plan: Plan) {
    this.name = name
    this.plan = plan
    this.sender = new BodySender(nodes, plan.compresses, {
      'content-type': plan.isArray ? 'application/json' : 'application/x-ndjson',
      ...plan.headers,
    })
  }

  async send(batch: readonly Item[]): Promise<Verdict> {
    const { method, isArray } = this.plan
    const plain = isArray ? arrayOf(batch) : linesOf(batch)
    const { answer, sentBytes } = await this.sender.send(method, '', plain)
    return verdictOn(answer, sentBytes, () => stored)
  }

  close(): Promise<void> {
    return this.sender.close()
  }
}

const options = {
  url: nodeOption,
  method: oneOf(['POST', 'PUT'], 'POST', 'Of the requests.'),
  format: oneOf(
    ['lines', 'array'],
    'lines',
    'lines: one document a line, `application/x-ndjson`, which a server can read as it comes; array: one JSON array.',
  ),
  compression: oneOf(['none', 'gzip'], 'none', 'How bodies are packed. Not every server takes packed ones.'),
  ...httpSinkOptions,
  ...sinkOptions,
} as const

export const httpKind: SinkKind = {
  name: 'http',
  summary: 'Any HTTP server, as JSON lines or arrays',
  doc: 'Sends documents in the bodies of requests. A 2xx settles all of a request. After 408, 429, 5xx, a reset or no answer the same request is made again, so a document may arrive twice; its id tells. 413 halves the request, 400 and 422 halve it until the document is found that is to be put aside. Other answers are told in the log, and documents wait until that is mended.',
  options,
  example: "sink('http', { url: 'https://logs.example/ingest', format: 'array', bearer: os.env.TOKEN })",
  plan(given, owner) {
    const settings = parseOptions(options, given, owner)
    const urls = urlsOf(settings.url, owner, 'url')
    const tls = tlsOf(settings.tls, owner)
    const plan: Plan = {
      method: settings.method,
      isArray: settings.format === 'array',
      compresses: settings.compression === 'gzip',
      headers: { ...settings.requestHeaders, ...authorizationOf(settings, owner) },
    }
    const name = `http ${urls.map(url => url.host + url.pathname).join(',')}`
    return { name, settings, open: () => new HTTPDestination(name, nodesOf(urls, tls, settings), plan) }
  },
}
