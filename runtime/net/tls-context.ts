/** Certificates and keys that OpenSSL has read, kept because reading costs more than a handshake. */

import type { Buffer } from 'node:buffer'
import { createSecureContext, type SecureContext } from 'node:tls'
import { TrafficError } from '../errors.ts'

type Pem = string | Buffer

export interface ContextOptions {
  readonly cert?: Pem | undefined
  readonly key?: Pem | undefined
  readonly ca?: Pem | readonly Pem[] | undefined
}

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
export function secureContextOf({ cert, key, ca }: ContextOptions): SecureContext {
  const at = entries.findIndex(entry => entry.cert === cert && entry.key === key && entry.ca === ca)
  const [found] = at < 0 ? [] : entries.splice(at, 1)
  const entry = found ?? { cert, key, ca, context: create({ cert, key, ca }) }
  entries.unshift(entry)
  if (entries.length > maxEntries) entries.pop()
  return entry.context
}

function create({ cert, key, ca }: ContextOptions): SecureContext {
  try {
    return createSecureContext({
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(ca === undefined ? {} : { ca: caList(ca) }),
    })
  } catch (thrown) {
    const { reason, message } = thrown as Error & { reason?: string }
    throw new TrafficError(
      'BadOption',
      `the certificate, key or ca given for TLS cannot be used: ${reason ?? message}`,
      thrown,
    )
  }
}

const caList = (ca: Pem | readonly Pem[]): Pem | Pem[] =>
  typeof ca === 'string' || !Array.isArray(ca) ? (ca as Pem) : [...ca]
