import { TrafficError } from '../../runtime/errors.ts'
import { secureContextOf } from '../../runtime/net/tls-context.ts'
import { duration, flag, isText, optional, parseOptions, type Resolved, show } from '../../runtime/options.ts'
import { HTTPNodes, type ServerTLS } from './http-nodes.ts'
import type { SinkSettings } from './sink-options.ts'

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isHeaders = (value: unknown): value is Record<string, string> =>
  isObject(value) && Object.values(value).every(isText)

const isTextOrList = (value: unknown): value is string | readonly string[] =>
  isText(value) || (Array.isArray(value) && value.length > 0 && value.every(isText))

/** Options of the kinds that speak HTTP. */
export const httpSinkOptions = {
  requestHeaders: optional('an object of fields', 'Fields of each request.', isHeaders),
  apiKey: optional(
    'text',
    "Goes into `authorization: ApiKey …`: the encoded form, 'base64(id:key)'.",
    isText,
  ),
  username: optional('text', 'With `password`: basic authentication.', isText),
  password: optional('text', 'See `username`.', isText),
  bearer: optional('text', 'Goes into `authorization: Bearer …`.', isText),
  tls: optional(
    'an object { ca, cert, key, serverName, verify }',
    'How to speak TLS, as PEM: whom to trust, and who we are. `verify: false` trusts anyone.',
    isObject,
  ),
  timeout: duration(
    60_000,
    'A request that is not answered by then is made again. 60 s is what servers take at worst.',
  ),
} as const

/** Where the server is: one URL, or those of its nodes. */
export const nodeOption = optional(
  "a URL like 'https://es1:9200', or several",
  'Its URL; several for its nodes, which take turns and stand in for each other.',
  isTextOrList,
)

const tlsSpecs = {
  ca: optional('PEM text', 'whom to trust', isText),
  cert: optional('PEM text', 'who we are', isText),
  key: optional('PEM text', 'its key', isText),
  serverName: optional('text', 'the name that the certificate must have', isText),
  verify: flag(true, 'whether to check the certificate'),
}

export type HTTPSettings = Resolved<typeof httpSinkOptions>

/** @throws TrafficError `BadOption` */
export function urlsOf(node: string | readonly string[] | undefined, owner: string, name: string): URL[] {
  if (node === undefined)
    throw new TrafficError(
      'BadOption',
      `${owner} wants option '${name}': a URL like 'https://logs.example:9200'`,
    )
  return [node].flat().map(each => {
    const url = URL.canParse(each) ? new URL(each) : undefined
    if (url === undefined || !/^https?:$/.test(url.protocol))
      throw new TrafficError(
        'BadOption',
        `option '${name}' of ${owner} wants URLs with http or https, and got ${show(each)}`,
      )
    if (url.username !== '' || url.password !== '')
      throw new TrafficError(
        'BadOption',
        `option '${name}' of ${owner} holds a password, which would show in logs; give username and password as options`,
      )
    return url
  })
}

/** @throws TrafficError `BadOption` */
export function tlsOf(given: unknown, owner: string): ServerTLS | undefined {
  if (given === undefined) return undefined
  const tls = parseOptions(tlsSpecs, given, `${owner}, in tls,`)
  // Found out now rather than with the first request.
  secureContextOf({ ca: tls.ca, cert: tls.cert, key: tls.key })
  return tls
}

/** What says who we are. @throws TrafficError `BadOption` */
export function authorizationOf(settings: HTTPSettings, owner: string): Readonly<Record<string, string>> {
  const { apiKey, username, password, bearer } = settings
  const ways = [apiKey, username, bearer].filter(way => way !== undefined)
  if (ways.length > 1)
    throw new TrafficError(
      'BadOption',
      `${owner} takes one of apiKey, username with password, and bearer, and got ${ways.length}`,
    )
  if ((username === undefined) !== (password === undefined))
    throw new TrafficError('BadOption', `${owner} wants username and password together`)
  if (apiKey !== undefined) return { authorization: `ApiKey ${apiKey}` }
  if (bearer !== undefined) return { authorization: `Bearer ${bearer}` }
  if (username === undefined) return {}
  return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` }
}

export function nodesOf(
  urls: readonly URL[],
  tls: ServerTLS | undefined,
  settings: HTTPSettings & SinkSettings,
): HTTPNodes {
  return new HTTPNodes({
    urls,
    tls,
    timeoutMs: settings.timeout,
    connections: settings.concurrency,
    retryDelayMs: settings.retryDelay,
    maxRetryDelayMs: settings.maxRetryDelay,
  })
}
