import { Agent, type RequestOptions, request } from 'node:http'
import { Agent as TLSAgent, request as tlsRequest } from 'node:https'
import { TrafficError } from '../../errors.ts'
import { show } from '../../options.ts'

/** Something in PEM: text, Data, or a key or certificate of `crypto`. */
export type PEM = string | { toPEM(): string } | { toString(): string }

export interface ClientTLSOptions {
  /** What to identify with. */
  certificate?: { cert: PEM; key: PEM } | (() => { cert: PEM; key: PEM }) | undefined
  /** Authorities to trust in place of those of this machine. */
  trusted?: PEM | readonly PEM[] | undefined
  /** Server name to ask for and to check. Default: the host of the URL. */
  sni?: string | undefined
}

/** A server that has not answered by then is given up. */
const answerMs = 30_000

/**
 * Sends requests to one URL, one after the other over one connection, and reads nothing of the answers but their
 * status. For what leaves the process beside the traffic; traffic has filters of its own.
 */
export class HTTPClient {
  private readonly url: URL
  private readonly options: RequestOptions
  private readonly request: typeof request

  /** @throws TrafficError `BadOption` when the URL is not one of HTTP. */
  constructor(url: string, tls?: ClientTLSOptions) {
    const parsed = URL.canParse(url) ? new URL(url) : undefined
    if (parsed === undefined || !/^https?:$/.test(parsed.protocol))
      throw new TrafficError(
        'BadOption',
        `a URL like 'http://host:port/path' is wanted, and not ${show(url)}`,
      )
    this.url = parsed
    const isTLS = parsed.protocol === 'https:'
    const pooling = { keepAlive: true, maxSockets: 1 }
    this.request = isTLS ? tlsRequest : request
    this.options = {
      timeout: answerMs,
      agent: isTLS ? new TLSAgent({ ...pooling, ...tlsOptions(tls) }) : new Agent(pooling),
    }
  }

  /** Resolves with the status of the answer; rejects when there is none. */
  send(method: string, headers: Readonly<Record<string, string>>, body: Buffer): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    const outgoing = this.request(
      this.url,
      { ...this.options, method, headers: { ...headers, 'content-length': body.length } },
      incoming => {
        incoming.on('error', reject)
        incoming.on('end', () => resolve(incoming.statusCode ?? 0))
        incoming.resume()
      },
    )
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${answerMs / 1000} s`)))
    outgoing.on('error', reject)
    outgoing.end(body)
    return promise
  }
}

const pemOf = (pem: PEM): string =>
  typeof pem === 'object' && 'toPEM' in pem && typeof pem.toPEM === 'function' ? pem.toPEM() : String(pem)

function tlsOptions(tls: ClientTLSOptions | undefined): object {
  if (tls === undefined) return {}
  const given = typeof tls.certificate === 'function' ? tls.certificate() : tls.certificate
  const trusted = tls.trusted as PEM | readonly PEM[] | undefined
  return {
    ...(given && { cert: pemOf(given.cert), key: pemOf(given.key) }),
    ...(trusted && { ca: Array.isArray(trusted) ? trusted.map(pemOf) : pemOf(trusted as PEM) }),
    ...(tls.sni && { servername: tls.sni }),
  }
}
