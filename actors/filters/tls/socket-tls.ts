/** The option `tls` of listen and connect: what scripts write, as the transport takes it. */

import { TrafficError } from '../../../runtime/errors.ts'
import { secureContextOf } from '../../../runtime/net/tls-context.ts'
import type {
  CertificateOptions,
  TLSClientOptions,
  TLSServerOptions,
} from '../../../runtime/net/transport.ts'
import { flag, isFunction, isText, optional, parseOptions, show } from '../../../runtime/options.ts'
import { authoritiesOf, type Certificate, isPEM, type PEM, pemOf } from './pem.ts'

/** TLS of a listener. */
export interface ListenTLSOptions {
  cert?: PEM | readonly PEM[]
  key?: PEM
  ca?: PEM | readonly PEM[]
  alpn?: readonly string[]
  sni?: (serverName: string) => Certificate | undefined | Promise<Certificate | undefined>
}

/** TLS of a connection that is made. */
export interface DialTLSOptions {
  cert?: PEM | readonly PEM[]
  key?: PEM
  ca?: PEM | readonly PEM[]
  alpn?: readonly string[]
  sni?: string
  verify?: boolean
}

const isNames = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every(isText)

const pem = optional('PEM as text or bytes, or an object of crypto', '', isPEM)
const shared = {
  cert: pem,
  key: pem,
  ca: pem,
  alpn: optional('an array of names of protocols', '', isNames),
} as const
const serverSpecs = { ...shared, sni: optional('a callback (serverName)', '', isFunction) } as const
const clientSpecs = { ...shared, sni: optional('a server name', '', isText), verify: flag(true, '') } as const

const text = (value: unknown, name: string): string | undefined =>
  value === undefined ? undefined : pemOf(value, name)

/** @throws TrafficError `BadOption`, at once when OpenSSL cannot use them. */
export function serverTLS(given: unknown): TLSServerOptions {
  const { alpn, ca, cert, key, sni } = parseOptions(serverSpecs, given, 'tls of listen')
  const options = {
    cert: text(cert, 'cert'),
    key: text(key, 'key'),
    ca: ca === undefined ? undefined : authoritiesOf(ca, 'ca'),
  }
  secureContextOf(options)
  if (sni === undefined) return { ...options, alpn }
  const find = sni as unknown as NonNullable<ListenTLSOptions['sni']>
  return {
    ...options,
    alpn,
    sni: name => {
      const found = find(name)
      return found instanceof Promise ? found.then(identityOf) : identityOf(found)
    },
  }
}

function identityOf(found: Certificate | undefined): CertificateOptions | undefined {
  if (found === undefined || found === null) return undefined
  if (typeof found !== 'object')
    throw new TrafficError('BadOption', `sni wants { cert, key } from its callback, and got ${show(found)}`)
  return { cert: pemOf(found.cert, 'cert'), key: pemOf(found.key, 'key') }
}

/** @throws TrafficError `BadOption`, at once when OpenSSL cannot use them. */
export function clientTLS(given: unknown): TLSClientOptions {
  const { alpn, ca, cert, key, sni, verify } = parseOptions(
    clientSpecs,
    given === true ? undefined : given,
    'tls of connect',
  )
  const options = {
    cert: text(cert, 'cert'),
    key: text(key, 'key'),
    ca: ca === undefined ? undefined : authoritiesOf(ca, 'ca'),
  }
  secureContextOf(options)
  return { ...options, alpn, sni, verify }
}
