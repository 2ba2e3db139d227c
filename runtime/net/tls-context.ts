/** Certificates and keys that OpenSSL has read, kept because reading costs more than a handshake. */

import type { Buffer } from 'node:buffer'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import { TrafficError } from '../errors.ts'

type Pem = string | Buffer

export interface ContextOptions {
  readonly cert?: Pem | undefined
  readonly key?: Pem | undefined
  readonly ca?: Pem | readonly Pem[] | undefined
  readonly minVersion?: SecureVersion | undefined
  readonly maxVersion?: SecureVersion | undefined
  /** As OpenSSL writes lists of ciphers; those of TLS 1.3 by their own names. */
  readonly ciphers?: string | undefined
  /** Parameters for DHE ciphers of TLS 1.2, or 'auto'. */
  readonly dhparam?: Pem | undefined
}

/** Those that OpenSSL's defaults let through: older ones are deprecated (RFC 8996). */
export type SecureVersion = 'TLSv1.2' | 'TLSv1.3'

interface Entry extends ContextOptions {
  readonly context: SecureContext
}

/** Enough for the certificates of a busy gateway; one takes some 50 kB. */
const maxEntries = 256

/** The most recently used first. */
const entries: Entry[] = []

/**
 * The context for these options; the same one for equal options.
 *
 * @throws TrafficError `BadOption` when OpenSSL cannot use them.
 */
export function secureContextOf(options: ContextOptions): SecureContext {
  const at = entries.findIndex(entry => names.every(name => entry[name] === options[name]))
  const [found] = at < 0 ? [] : entries.splice(at, 1)
  const entry = found ?? { ...options, context: create(options) }
  entries.unshift(entry)
  if (entries.length > maxEntries) entries.pop()
  return entry.context
}

const names = ['cert', 'key', 'ca', 'minVersion', 'maxVersion', 'ciphers', 'dhparam'] as const

function create({ ca, ...options }: ContextOptions): SecureContext {
  try {
    return createSecureContext({
      ...(Object.fromEntries(
        Object.entries(options).filter(([, value]) => value !== undefined),
      ) as SecureContextOptions),
      ...(ca === undefined ? {} : { ca: caList(ca) }),
      // Without one, OpenSSL refuses clients with a certificate that resume a session.
      sessionIdContext: 'sluice',
    })
  } catch (thrown) {
    const { reason, message } = thrown as Error & { reason?: string }
    throw new TrafficError(
      'BadOption',
      `the certificate, key, ca or ciphers given for TLS cannot be used: ${reason ?? message}`,
      thrown,
    )
  }
}

const caList = (ca: Pem | readonly Pem[]): Pem | Pem[] =>
  typeof ca === 'string' || !Array.isArray(ca) ? (ca as Pem) : [...ca]
