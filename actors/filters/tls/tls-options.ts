import type { X509Certificate } from 'node:crypto'
import { TrafficError } from '../../../runtime/errors.ts'
import { type ContextOptions, type SecureVersion, secureContextOf } from '../../../runtime/net/tls-context.ts'
import type { TLSHandshake } from '../../../runtime/net/tls-stream.ts'
import { duration, isFunction, isText, optional, type Resolved, show } from '../../../runtime/options.ts'
import type { Context } from '../../context.ts'
import type { FilterCall } from '../definition.ts'
import { authoritiesOf, type Certificate, pemOf } from './pem.ts'

/** What the script sees of a TLS session when its state changes. */
export interface TLSSessionState extends Partial<TLSHandshake> {
  readonly state: 'handshake' | 'connected' | 'closed'
  /** Why it was closed, when that was an error. */
  readonly error: TrafficError | undefined
}

export type Verify = (ok: boolean, peer: X509Certificate | undefined, ctx: Context) => unknown

/** What both filters call back. */
export interface TLSCallbacks {
  readonly verify: Verify | undefined
  readonly handshake: ((handshake: TLSHandshake, ctx: Context) => unknown) | undefined
  readonly onState: ((session: TLSSessionState, ctx: Context) => unknown) | undefined
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

/** Versions by the names of Node and of Pipy. */
const versions: Readonly<Record<string, SecureVersion>> = {
  'TLSv1.2': 'TLSv1.2',
  'TLS1.2': 'TLSv1.2',
  'TLSv1.3': 'TLSv1.3',
  'TLS1.3': 'TLSv1.3',
}
/** "From this one on" is a promise that newer ones keep. */
const olderVersions = /^(SSLv?3|TLSv?1(\.[01])?)$/

const isMinVersion = (value: unknown): value is string =>
  typeof value === 'string' && (Object.hasOwn(versions, value) || olderVersions.test(value))
const isMaxVersion = (value: unknown): value is string =>
  typeof value === 'string' && Object.hasOwn(versions, value)

export const tlsOptions = {
  minVersion: optional(
    "'TLSv1.2' or 'TLSv1.3'",
    'Oldest version of TLS that is spoken. TLSv1.2 by default; older ones (RFC 8996) may be named, and are not spoken all the same.',
    isMinVersion,
  ),
  maxVersion: optional(
    "'TLSv1.2' or 'TLSv1.3'",
    'Newest version of TLS that is spoken. TLSv1.3 by default.',
    isMaxVersion,
  ),
  ciphers: optional(
    'a list of ciphers as OpenSSL writes it',
    "Ciphers that are allowed, those of TLS 1.3 by their own names. Node's list by default.",
    isText,
  ),
  handshake: optional(
    'a callback (handshake, ctx)',
    'Called when the handshake is done, before the first byte: with { alpn, serverName, protocol, cipher, peer }.',
    isFunction,
  ),
  onVerify: optional('a callback (ok, peer, ctx)', "The same as verify, by Pipy's name for it.", isFunction),
  onState: optional(
    'a callback (session, ctx)',
    "Called when the session's state changes, with { state, error, … }: 'handshake', 'connected', 'closed'.",
    isFunction,
  ),
  handshakeTimeout: duration(10_000, 'Ends the stream with TLSError when the handshake is not done by then.'),
} as const

type Settings = Resolved<typeof tlsOptions>

/** The callbacks among the options, as filters call them. */
export function callbacksOf(call: FilterCall, settings: Settings, verify: unknown): TLSCallbacks {
  const inContext = (callback: unknown): never =>
    (isFunction(callback) ? call.inContext(callback) : undefined) as never
  return {
    verify: inContext(isFunction(verify) ? verify : settings.onVerify),
    handshake: inContext(settings.handshake),
    onState: inContext(settings.onState),
  }
}

/** What of the options is for OpenSSL. */
export function contextOptionsOf(
  { minVersion, maxVersion, ciphers }: Settings,
  trusted: unknown,
): ContextOptions {
  return {
    minVersion: minVersion === undefined ? undefined : (versions[minVersion] ?? 'TLSv1.2'),
    maxVersion: maxVersion === undefined ? undefined : versions[maxVersion],
    ciphers,
    ca: trusted === undefined ? undefined : authoritiesOf(trusted, 'trusted'),
  }
}

/**
 * Options of OpenSSL with a certificate, read at once so that what it cannot use is told here.
 *
 * @throws TrafficError `BadOption`
 */
export function withCertificate(options: ContextOptions, certificate: unknown): ContextOptions {
  if (!isObject(certificate) || !('cert' in certificate) || !('key' in certificate))
    throw new TrafficError(
      'BadOption',
      `a certificate is an object like { cert, key }, and this is ${show(certificate)}`,
    )
  const complete = {
    ...options,
    cert: pemOf(certificate.cert, 'cert'),
    key: pemOf(certificate.key, 'key'),
  }
  secureContextOf(complete)
  return complete
}

export const isCertificate = (value: unknown): value is Certificate | ((name: never) => unknown) =>
  isFunction(value) || isObject(value)
