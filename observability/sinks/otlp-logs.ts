import { Buffer } from 'node:buffer'
import { promisify } from 'node:util'
import { wallMs } from '../../runtime/clock.ts'
import { isText, oneOf, optional, parseOptions } from '../../runtime/options.ts'
import { BodySender } from './body-sender.ts'
import { type Destination, type Item, type ItemVerdict, stored, type Verdict } from './destination.ts'
import type { HTTPNodes } from './http-nodes.ts'
import { authorizationOf, httpSinkOptions, nodeOption, nodesOf, tlsOf, urlsOf } from './http-options.ts'
import { verdictOn } from './http-verdict.ts'
import { type AnyValue, keyValues, logRecord } from './otlp-record.ts'
import type { SinkKind } from './sink-kind.ts'
import { sinkOptions } from './sink-options.ts'

const nextTurn = promisify(setImmediate)
const logsPath = '/v1/logs'
/** About half a millisecond of work, when they are structured. */
const recordsAtATime = 16

interface Plan {
  readonly isStructured: boolean
  readonly compresses: boolean
  readonly resource: AnyValue['kvlistValue']
  readonly headers: Readonly<Record<string, string>>
}

/** Documents as log records of OpenTelemetry, by OTLP/HTTP in JSON. */
class OTLPLogs implements Destination {
  readonly name: string
  readonly maxConcurrency = Number.MAX_SAFE_INTEGER
  private readonly plan: Plan
  private readonly sender: BodySender

  constructor(name: string, nodes: HTTPNodes, plan: Plan) {
    this.name = name
    this.plan = plan
    this.sender = new BodySender(nodes, plan.compresses, {
      'content-type': 'application/json',
      ...plan.headers,
    })
  }

  async send(batch: readonly Item[]): Promise<Verdict> {
    const { isStructured, resource } = this.plan
    const observedMs = wallMs()
    const scope = JSON.stringify({ name: 'sluice' })
    let text = `{"resourceLogs":[{"resource":{"attributes":${JSON.stringify(resource?.values)}},"scopeLogs":[{"scope":${scope},"logRecords":[`
    for (let at = 0; at < batch.length; at += recordsAtATime) {
      // Making records takes long: what else the thread has to do goes on between them.
      if (at > 0) await nextTurn()
      for (const { entry } of batch.slice(at, at + recordsAtATime))
        text += `${JSON.stringify(logRecord(entry, observedMs, isStructured))},`
    }
    const plain = Buffer.from(`${text.slice(0, -1)}]}]}]}`)
    const { answer, sentBytes } = await this.sender.send('POST', logsPath, plain)
    return verdictOn(answer, sentBytes, text => partialSuccess(text, batch.length))
  }

  close(): Promise<void> {
    return this.sender.close()
  }
}

/**
 * A collector may say how many records of a request it rejects, but not which; they must not be sent again. The first so many
 * stand for them, so that the numbers are right.
 */
function partialSuccess(text: string, records: number): ItemVerdict | readonly ItemVerdict[] {
  const { rejected, message } = rejectedIn(text)
  if (rejected === 0) return stored
  const count = Math.min(rejected, records)
  const reason = `the collector rejected ${count} of ${records} records of a request, and does not say which: ${message}`
  return Array.from(
    { length: records },
    (_, i): ItemVerdict => (i < count ? { kind: 'rejected', reason } : stored),
  )
}

function rejectedIn(text: string): { rejected: number; message: string } {
  try {
    const { partialSuccess } = JSON.parse(text) as {
      partialSuccess?: { rejectedLogRecords?: number | string; errorMessage?: unknown }
    }
    const rejected = Number(partialSuccess?.rejectedLogRecords ?? 0)
    const said = partialSuccess?.errorMessage
    return {
      rejected: rejected > 0 ? Math.ceil(rejected) : 0,
      message: typeof said === 'string' ? said.slice(0, 200) : 'without a reason',
    }
  } catch {
    // An empty body, or one in protobuf, says that all is well.
    return { rejected: 0, message: '' }
  }
}

const isResource = (value: unknown): value is Record<string, string> =>
  typeof value === 'object' && value !== null && Object.values(value).every(isText)

const options = {
  url: nodeOption,
  resource: optional(
    'an object of attributes',
    "What the records are from, beside `service.name`, which is 'sluice' unless it is given here.",
    isResource,
  ),
  body: oneOf(
    ['structured', 'text'],
    'structured',
    'structured: the fields of the document, which backends can search; text: its JSON as one string, which costs a quarter of the CPU.',
  ),
  compression: oneOf(['gzip', 'none'], 'gzip', 'How bodies are packed.'),
  ...httpSinkOptions,
  ...sinkOptions,
} as const

export const otlpKind: SinkKind = {
  name: 'otlp',
  summary: 'An OpenTelemetry collector or backend, as log records',
  doc: 'Sends documents as log records by OTLP/HTTP in JSON, with the ids of trace and span of their exchange, and the id of the document as `log.record.uid`. The path `/v1/logs` is added to the URL. Answers mean what they do for `http`; records that a collector rejects within a request are put aside by number, since it does not say which they are.',
  options,
  example: "sink('otlp', { url: 'http://collector:4318', resource: { 'service.name': 'edge' } })",
  plan(given, owner) {
    const settings = parseOptions(options, given, owner)
    const urls = urlsOf(settings.url, owner, 'url')
    for (const url of urls)
      if (url.pathname.endsWith(logsPath)) url.pathname = url.pathname.slice(0, -logsPath.length)
    const tls = tlsOf(settings.tls, owner)
    const plan: Plan = {
      isStructured: settings.body === 'structured',
      compresses: settings.compression === 'gzip',
      resource: keyValues({ 'service.name': 'sluice', ...settings.resource }),
      headers: { ...settings.requestHeaders, ...authorizationOf(settings, owner) },
    }
    const name = `otlp ${urls.map(url => url.host).join(',')}`
    return { name, settings, open: () => new OTLPLogs(name, nodesOf(urls, tls, settings), plan) }
  },
}
