import type { Attributes } from '@opentelemetry/api'
import { isKnownMethod, methodLabel } from '../../actors/filters/http/known-methods.ts'
import { type AttributeValue, requestLines } from '../../runtime/trace/span.ts'

/** Query parameters whose values are secrets by the conventions for `url.query`. */
const secrets =
  /([?&](?:sig|signature|x-amz-signature|x-amz-credential|x-goog-signature|awsaccesskeyid)=)[^&#]*/gi

const redacted = (url: string): string => url.replace(secrets, '$1REDACTED')

/** The attributes of a span: those that travelled in a short form are written out by the conventions for HTTP. */
export function attributesOf(values: readonly AttributeValue[]): Attributes {
  const attributes: Attributes = {}
  let path: string | undefined
  for (let i = 0; i < values.length; i += 2) {
    const name = values[i] as string
    const value = values[i + 1] as AttributeValue
    if (name === requestLines) describeRequest(String(value), attributes)
    else if (name === '~path') path = String(value)
    else attributes[name] = value
  }
  const peer = attributes['network.peer.address']
  if (attributes['url.path'] !== undefined && peer !== undefined) attributes['client.address'] ??= peer
  if (path !== undefined) attributes['url.full'] = fullURL(path, attributes)
  return attributes
}

/** Start line and field lines of a request, as they were received. */
function describeRequest(lines: string, attributes: Attributes): void {
  const [start = '', ...fields] = lines.split('\r\n')
  const [method = '', target = ''] = start.split(' ')
  attributes['http.request.method'] = methodLabel(method)
  if (!isKnownMethod(method)) attributes['http.request.method_original'] = method
  const path = target.startsWith('/') ? target : (/^[a-z]+:\/\/[^/?]*(.*)$/i.exec(target)?.[1] ?? target)
  const query = path.indexOf('?')
  attributes['url.path'] = query < 0 ? path : path.slice(0, query)
  if (query >= 0) attributes['url.query'] = redacted(path.slice(query)).slice(1)
  for (const field of fields) {
    const colon = field.indexOf(':')
    const name = field.slice(0, colon).toLowerCase()
    const value = field.slice(colon + 1).trim()
    if (name === 'host') describeHost(value, attributes)
    else if (name === 'user-agent') attributes['user_agent.original'] = value
    else if (name === 'content-length') attributes['http.request.body.size'] = Number(value)
    else if (name === 'x-forwarded-for') attributes['client.address'] = (value.split(',')[0] as string).trim()
  }
}

function describeHost(host: string, attributes: Attributes): void {
  const match = /^(.*?)(?::(\d+))?$/.exec(host)
  attributes['server.address'] = match?.[1] ?? host
  if (match?.[2] !== undefined) attributes['server.port'] = Number(match[2])
}

function fullURL(path: string, attributes: Attributes): string {
  if (!path.startsWith('/')) return redacted(path)
  const host = String(attributes['server.address'] ?? 'localhost')
  const port = attributes['server.port']
  const authority = host.includes(':') ? `[${host}]` : host
  return redacted(`http://${authority}${port === undefined || port === 80 ? '' : `:${port}`}${path}`)
}
