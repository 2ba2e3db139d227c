/** Names to addresses, by the operating system's own rules (hosts file, search domains, nsswitch). */

import { type LookupAddress, lookup } from 'node:dns'
import { isIP } from 'node:net'
import { monotonicMs } from '../clock.ts'
import { TrafficError } from '../errors.ts'

export interface ResolverOptions {
  /** Milliseconds that found addresses are used for. */
  readonly ttlMs: number
  /** Milliseconds that a failure is repeated without asking again. */
  readonly negativeTtlMs: number
  /** Names remembered; the oldest is dropped for a new one. */
  readonly maxNames: number
  /** Asks the operating system; tests put another in its place. */
  readonly lookup: (
    host: string,
    done: (error: Error | null, found: readonly LookupAddress[]) => void,
  ) => void
}

const defaults: ResolverOptions = {
  // getaddrinfo does not tell the record's own TTL. 5 s is what service discovery (Kubernetes, Consul) commonly
  // publishes, so an address that moved is followed as fast as its owner asks for, at one lookup per name and 5 s.
  ttlMs: 5000,
  // Long enough that a burst of requests to a missing name costs one lookup, too short to be noticed when it appears.
  negativeTtlMs: 1000,
  // Names may come from clients (forward proxy), so they are bounded: 4096 of about 200 bytes are less than 1 MB.
  maxNames: 4096,
  lookup: (host, done) => lookup(host, { all: true }, done),
}

interface Entry {
  /** What was found, in the order in which it is to be tried. The same promise for all who ask. */
  readonly answer: Promise<readonly string[]>
  /** Infinity while the answer is awaited. */
  expiresMs: number
}

/** Resolves names, asking once for all who want the same name at about the same time. */
export class Resolver {
  private readonly options: ResolverOptions
  private readonly entries = new Map<string, Entry>()

  constructor(options: Partial<ResolverOptions> = {}) {
    this.options = { ...defaults, ...options }
  }

  /**
   * The addresses of a host: the address itself, at once, when it is one; else a promise of one address or more,
   * which rejects with `CannotResolve`.
   */
  resolve(host: string): string | Promise<readonly string[]> {
    if (isIP(host) !== 0) return host
    // Not left to the resolver, which may put ::1 first, where a service that listens on 127.0.0.1 is not found.
    if (host === 'localhost') return '127.0.0.1'
    const entry = this.entries.get(host)
    return entry !== undefined && monotonicMs() < entry.expiresMs ? entry.answer : this.ask(host)
  }

  private ask(host: string): Promise<readonly string[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>()
    const entry: Entry = { answer: promise, expiresMs: Number.POSITIVE_INFINITY }
    this.remember(host, entry)
    const done = (error: Error | null, found: readonly LookupAddress[]): void => {
      if (error === null && found.length > 0) {
        entry.expiresMs = monotonicMs() + this.options.ttlMs
        resolve(found.map(each => each.address))
      } else {
        entry.expiresMs = monotonicMs() + this.options.negativeTtlMs
        reject(new TrafficError('CannotResolve', `'${host}': ${reasonOf(error)}`, error ?? undefined))
      }
    }
    try {
      this.options.lookup(host, done)
    } catch (thrown) {
      done(thrown instanceof Error ? thrown : new Error(String(thrown)), [])
    }
    return promise
  }

  private remember(host: string, entry: Entry): void {
    // Deleted first, so that the map's order is the order of age.
    this.entries.delete(host)
    if (this.entries.size >= this.options.maxNames) {
      const oldest = this.entries.keys().next().value
      if (oldest !== undefined) this.entries.delete(oldest)
    }
    this.entries.set(host, entry)
  }
}

function reasonOf(error: (Error & { code?: string }) | null): string {
  if (error === null) return 'it has no address'
  if (error.code === 'ENOTFOUND') return 'no such name (ENOTFOUND)'
  if (error.code === 'EAI_AGAIN') return 'the name server did not answer (EAI_AGAIN)'
  return error.code ?? error.message
}

/** The resolver of this thread. */
export const resolver = new Resolver()
