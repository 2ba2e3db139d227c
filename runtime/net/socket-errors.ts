/** What the operating system says went wrong with a socket, in the codes of the fault table. */

import { getSystemErrorMap } from 'node:util'
import { type FaultCode, TrafficError } from '../errors.ts'

/** What was being done when it went wrong. */
export type SocketPhase = 'connect' | 'read' | 'write' | 'listen'

/**
 * By phase, because what may be tried again depends on it: a connection that was never made has carried nothing, so
 * its errors have the code whose retry is 'fresh-connection'; ETIMEDOUT on a living one (the peer stopped
 * acknowledging) must not have it.
 */
const codes: Readonly<Record<SocketPhase, Readonly<Record<string, FaultCode>>>> = {
  connect: { ECONNRESET: 'ConnectionReset', ETIMEDOUT: 'ConnectionTimeout', ECANCELED: 'ConnectionCanceled' },
  read: {
    ECONNREFUSED: 'ConnectionRefused',
    ECONNRESET: 'ConnectionReset',
    EPIPE: 'ConnectionReset',
    ETIMEDOUT: 'ReadTimeout',
  },
  write: {
    ECONNREFUSED: 'ConnectionRefused',
    ECONNRESET: 'ConnectionReset',
    EPIPE: 'ConnectionReset',
    ETIMEDOUT: 'WriteTimeout',
  },
  listen: {},
}

const otherwise: Readonly<Record<SocketPhase, FaultCode>> = {
  connect: 'ConnectionRefused',
  read: 'ReadError',
  write: 'WriteError',
  listen: 'ListenFailed',
}

const attempts: Readonly<Record<SocketPhase, string>> = {
  connect: 'connecting to',
  read: 'reading from',
  write: 'writing to',
  listen: 'listening on',
}

/**
 * The error for what libuv (a negative number) or Node (a name like 'ECONNREFUSED') reports.
 *
 * @param where address and port, as `formatAddress` writes them.
 */
export function socketErrorOf(code: string | number, phase: SocketPhase, where: string): TrafficError {
  const [name, meaning] = describe(code)
  const text = meaning === undefined ? name : `${name}, ${meaning}`
  return new TrafficError(codes[phase][name] ?? otherwise[phase], `${attempts[phase]} ${where}: ${text}`)
}

/** Name and meaning in words. Only failures come here, so that the map of 80 is walked for a name costs nothing. */
function describe(code: string | number): readonly [name: string, meaning: string | undefined] {
  const known = getSystemErrorMap()
  if (typeof code === 'number') return known.get(code) ?? [`error ${code}`, undefined]
  for (const entry of known.values()) if (entry[0] === code) return entry
  return [code, undefined]
}
