/** Addresses as scripts and command lines write them, and as errors and logs show them. */

import { isIP } from 'node:net'
import { TrafficError } from '../errors.ts'
import { show } from '../options.ts'

export interface HostAndPort {
  /** A name or an IP address; IPv6 without brackets. */
  readonly host: string
  readonly port: number
}

/**
 * Where a listener listens when only a port is given: all IPv4 interfaces. IPv4 rather than `::`, since containers
 * often have no IPv6 at all, and since peers of a dual-stack socket show up as '::ffff:10.0.0.1'.
 */
const anyHost = '0.0.0.0'

const maxPort = 65_535

/**
 * What `listen` takes: a port (8000, '8000'), '127.0.0.1:8000', '[::1]:8000', 'localhost:8000'. Port 0 stands for any
 * free one.
 *
 * @throws TrafficError `BadOption`
 */
export function parseListenAddress(target: number | string): HostAndPort {
  const owner = 'a listen address'
  if (typeof target === 'number') return { host: anyHost, port: checkPort(target, target, owner, 0) }
  const { host, port } = split(target, owner, 0)
  if (host === undefined) return { host: anyHost, port }
  // Other names are refused, because a name may stand for several addresses, and for others tomorrow.
  if (host === 'localhost') return { host: '127.0.0.1', port }
  if (isIP(host) === 0)
    throw bad(owner, target, `'${host}' is not an IP address; use one of this machine, or ${anyHost} for all`)
  return { host, port }
}

/**
 * What `connect` takes: 'name:port', '10.0.0.1:80', '[::1]:80'.
 *
 * @throws TrafficError `BadOption`
 */
export function parseTarget(target: string): HostAndPort {
  const owner = 'a target'
  const { host, port } = split(target, owner, 1)
  if (host === undefined) throw bad(owner, target, `name the host as well, e.g. 'localhost:${port}'`)
  return { host, port }
}

/** 'host:port', with brackets around IPv6. */
export const formatAddress = (host: string, port: number): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`

/** `host` is undefined when `target` is only a port. */
function split(target: unknown, owner: string, minPort: number): { host: string | undefined; port: number } {
  if (typeof target !== 'string') throw bad(owner, target, "write 'host:port'")
  const text = target.trim()
  const bracketed = /^\[([^\]]*)\](?::(\d+))?$/.exec(text)
  if (bracketed) {
    const [, host = '', port] = bracketed
    if (isIP(host) !== 6) throw bad(owner, target, 'an IPv6 address must stand between the brackets')
    if (port === undefined) throw bad(owner, target, `a port is missing, e.g. '[${host}]:80'`)
    return { host, port: checkPort(Number(port), target, owner, minPort) }
  }
  if (/^\d+$/.test(text)) return { host: undefined, port: checkPort(Number(text), target, owner, minPort) }
  const plain = /^([^:[\]\s/@]+)(?::(\d+))?$/.exec(text)
  if (plain) {
    const [, host = '', port] = plain
    if (port === undefined) throw bad(owner, target, `a port is missing, e.g. '${host}:80'`)
    return { host, port: checkPort(Number(port), target, owner, minPort) }
  }
  if (text.includes('://')) throw bad(owner, target, "write 'host:port' without a scheme")
  if (isIP(text) === 6 || text.split(':').length > 2)
    throw bad(owner, target, "write IPv6 in brackets, e.g. '[::1]:80'")
  throw bad(owner, target, "write 'host:port'")
}

function checkPort(port: number, target: unknown, owner: string, minPort: number): number {
  if (Number.isInteger(port) && port >= minPort && port <= maxPort) return port
  throw bad(owner, target, `a port is a whole number from ${minPort} to ${maxPort}`)
}

const bad = (owner: string, target: unknown, advice: string): TrafficError =>
  new TrafficError('BadOption', `${show(target)} cannot be used as ${owner}: ${advice}`)
