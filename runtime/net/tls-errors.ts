/** What Node and OpenSSL report of a TLS connection, in the codes of the fault table. */

import { getSystemErrorMap } from 'node:util'
import { TrafficError } from '../errors.ts'
import { type SocketPhase, socketErrorOf } from './socket-errors.ts'

interface ReportedError extends Error {
  readonly code?: string
  /** OpenSSL's own words, e.g. 'tlsv1 alert unknown ca'. */
  readonly reason?: string
}

/** A failure of the network keeps its code; everything else is a `TLSError` with the reason in words. */
export function tlsErrorOf(error: ReportedError, phase: SocketPhase, where: string): TrafficError {
  if (error instanceof TrafficError) return error
  const { code = '' } = error
  if (code === 'ECONNRESET' && phase === 'connect')
    return new TrafficError(
      'ConnectionReset',
      `${where} closed the connection during the TLS handshake`,
      error,
    )
  for (const [name] of getSystemErrorMap().values())
    if (name === code) return socketErrorOf(code, phase, where)
  return new TrafficError('TLSError', `${where}: ${reasonOf(error)}`, error)
}

function reasonOf(error: ReportedError): string {
  // OpenSSL's messages are its internal file names around the reason; those of Node and of certificates are words.
  if (error.code?.startsWith('ERR_SSL_') && error.reason !== undefined) return error.reason
  return error.message
}
