import { Buffer } from 'node:buffer'
import { KeyObject, X509Certificate } from 'node:crypto'
import { TrafficError } from '../../../runtime/errors.ts'
import { Data } from '../../../runtime/event.ts'
import { show } from '../../../runtime/options.ts'

/**
 * A certificate or key: PEM as text or bytes, an object of Node's crypto, or one of the script's (`crypto.Certificate`,
 * `CertificateChain`, `PrivateKey`) or any other with `toPEM()`.
 */
export type PEM = string | Uint8Array | Data | X509Certificate | KeyObject | { toPEM(): unknown }

/** A certificate, with its chain behind it if it has one, and its key. */
export interface Certificate {
  readonly cert: PEM | readonly PEM[]
  readonly key: PEM
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

export const isPEM = (value: unknown): value is PEM | readonly PEM[] =>
  typeof value === 'string' || isObject(value)

/**
 * Authorities as PEM text. OpenSSL would take a text without any for an authority that has signed nothing.
 *
 * @throws TrafficError `BadOption`
 */
export function authoritiesOf(value: unknown, name: string): string {
  const text = pemOf(value, name)
  if (text.includes('-----BEGIN ')) return text
  throw new TrafficError('BadOption', `${name} wants certificates in PEM, and there is none`)
}

/**
 * Certificates or keys as PEM text; an array as one text.
 *
 * @throws TrafficError `BadOption`
 */
export function pemOf(value: unknown, name: string): string {
  if (typeof value === 'string') return value
  if (value instanceof Data) return value.toString('latin1')
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1')
  if (value instanceof X509Certificate) return value.toString()
  if (value instanceof KeyObject) return value.export({ type: 'pkcs8', format: 'pem' }).toString()
  if (Array.isArray(value)) return value.map(each => pemOf(each, name)).join('\n')
  if (isObject(value) && 'toPEM' in value && typeof value.toPEM === 'function')
    return pemOf(value.toPEM(), name)
  throw new TrafficError('BadOption', `${name} wants PEM as text or bytes, and got ${show(value)}`)
}
