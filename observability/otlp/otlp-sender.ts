import { Agent as PlainAgent, request as plainRequest } from 'node:http'
import { Agent as TLSAgent, request as tlsRequest } from 'node:https'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { parseDuration } from '../../runtime/options.ts'

/** Where one signal goes. */
export interface OtlpEndpoint {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly protocol: 'http/protobuf' | 'http/json'
  readonly isCompressed: boolean
  /** What one request may take. */
  readonly timeoutMs: number
}

/** What came of a request. */
export type SendResult =
  | { readonly kind: 'taken'; readonly body: Uint8Array }
  /** Worth another try; after `retryAfterMs`, if the collector says when. */
  | { readonly kind: 'later'; readonly reason: string; readonly retryAfterMs: number | undefined }
  | { readonly kind: 'refused'; readonly reason: string }

const compress = promisify(gzip)

/** Statuses of OTLP/HTTP after which the same request may succeed. */
const transient: ReadonlySet<number> = new Set([429, 502, 503, 504])
/** Bytes of an answer that are read: it says no more than how much was rejected. */
const mostAnswer = 64 * 1024

/** Sends requests to one endpoint, over connections that are kept. It never throws. */
export class OtlpSender {
  private readonly endpoint: OtlpEndpoint
  private readonly agent: PlainAgent
  private readonly isTLS: boolean

  constructor(endpoint: OtlpEndpoint) {
    this.endpoint = endpoint
    this.isTLS = new URL(endpoint.url).protocol === 'https:'
    this.agent = this.isTLS ? new TLSAgent({ keepAlive: true }) : new PlainAgent({ keepAlive: true })
  }

  async send(bytes: Uint8Array): Promise<SendResult> {
    const { isCompressed, protocol, headers } = this.endpoint
    const body = isCompressed ? await compress(bytes) : bytes
    return this.post(body, {
      ...headers,
      'content-type': protocol === 'http/json' ? 'application/json' : 'application/x-protobuf',
      ...(isCompressed ? { 'content-encoding': 'gzip' } : undefined),
      'content-length': String(body.length),
    })
  }

  private post(body: Uint8Array, headers: Record<string, string>): Promise<SendResult> {
    const { url, timeoutMs } = this.endpoint
    const { promise, resolve } = Promise.withResolvers<SendResult>()
    const later = (reason: string): void => resolve({ kind: 'later', reason, retryAfterMs: undefined })
    const request = (this.isTLS ? tlsRequest : plainRequest)(
      url,
      {
        method: 'POST',
        agent: this.agent,
        headers,
        timeout: timeoutMs,
        signal: AbortSignal.timeout(timeoutMs),
      },
      response => {
        const chunks: Buffer[] = []
        let size = 0
        response.on('data', (chunk: Buffer) => {
          size += chunk.length
          if (size <= mostAnswer) chunks.push(chunk)
        })
        response.on('error', error => later(error.message))
        response.on('end', () =>
          resolve(resultOf(response.statusCode ?? 0, chunks, response.headers['retry-after'])),
        )
      },
    )
    request.on('error', error =>
      later(error.name === 'TimeoutError' ? `no answer within ${timeoutMs} ms` : error.message),
    )
    request.end(body)
    return promise
  }

  close(): void {
    this.agent.destroy()
  }
}

function resultOf(status: number, chunks: readonly Buffer[], retryAfter: string | undefined): SendResult {
  if (status >= 200 && status < 300) return { kind: 'taken', body: Buffer.concat(chunks) }
  const reason = `status ${status}`
  if (!transient.has(status)) return { kind: 'refused', reason }
  const seconds =
    retryAfter !== undefined && /^\d+$/.test(retryAfter) ? parseDuration(Number(retryAfter)) : undefined
  return { kind: 'later', reason, retryAfterMs: seconds }
}
