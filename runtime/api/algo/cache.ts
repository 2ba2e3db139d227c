import { monotonicMs } from '../../clock.ts'
import { duration, optional, parseOptions } from '../../options.ts'

export interface CacheOptions {
  /** Entries kept; one more drops the least recently used. Default: no limit. */
  size?: number | undefined
  /** Time after which an entry is made anew: seconds, or text like '500ms', '10s', '5m'. Default: never. */
  ttl?: number | string | undefined
}

const optionSpecs = {
  size: optional(
    'a whole number from 1 on',
    'entries kept',
    (value): value is number => Number.isSafeInteger(value) && (value as number) > 0,
  ),
  ttl: duration(
    0,
    'time after which an entry is made anew; none, since most caches hold what does not change',
  ),
}

interface Entry<V> {
  readonly value: V
  /** When it stops being valid, on the monotonic clock. */
  readonly expiresMs: number
}

/**
 * Values by key, made when they are first asked for.
 *
 * @example
 *   const balancers = new algo.Cache(service => new algo.RoundRobinLoadBalancer(config[service]))
 *   balancers.get('users').select()
 */
export class Cache<K = unknown, V = unknown> {
  private readonly entries = new Map<K, Entry<V>>()
  private readonly onAllocate: ((key: K) => V) | undefined
  private readonly onFree: ((key: K, value: V) => void) | undefined
  private readonly size: number
  private readonly ttlMs: number

  /**
   * @param onAllocate makes the value that `get` did not find.
   * @param onFree is told of each value that leaves: removed, cleared, dropped for its age or for lack of room.
   * @throws TrafficError `BadOption`.
   */
  constructor(
    onAllocate?: ((key: K) => V) | null,
    onFree?: ((key: K, value: V) => void) | null,
    options?: CacheOptions,
  )
  constructor(options: CacheOptions)
  constructor(
    first?: ((key: K) => V) | CacheOptions | null,
    onFree?: ((key: K, value: V) => void) | null,
    options?: CacheOptions,
  ) {
    const onAllocate = typeof first === 'function' ? first : undefined
    const { size, ttl } = parseOptions(optionSpecs, onAllocate ? options : (first ?? options), 'Cache')
    this.onAllocate = onAllocate
    this.onFree = onFree ?? undefined
    this.size = size ?? Number.POSITIVE_INFINITY
    this.ttlMs = ttl
  }

  /** Number of entries, those whose time has passed included until they are next looked for. */
  get count(): number {
    return this.entries.size
  }

  /** The value of a key; one that is not there is made by `onAllocate`, and is undefined without it. */
  get(key: K): V | undefined {
    const entry = this.lookUp(key)
    if (entry !== undefined) return entry.value
    if (this.onAllocate === undefined) return undefined
    const value = this.onAllocate(key)
    this.set(key, value)
    return value
  }

  /** The value of a key if it is there. */
  find(key: K): V | undefined {
    return this.lookUp(key)?.value
  }

  has(key: K): boolean {
    return this.lookUp(key) !== undefined
  }

  /** Sets a value. A value that it replaces is not freed. */
  set(key: K, value: V): void {
    if (this.size !== Number.POSITIVE_INFINITY) this.entries.delete(key)
    this.entries.set(key, {
      value,
      expiresMs: this.ttlMs > 0 ? monotonicMs() + this.ttlMs : Number.POSITIVE_INFINITY,
    })
    while (this.entries.size > this.size) {
      const [oldest, entry] = this.entries.entries().next().value as [K, Entry<V>]
      this.entries.delete(oldest)
      this.onFree?.(oldest, entry.value)
    }
  }

  /** Takes a key out. False when it was not there. */
  remove(key: K): boolean {
    const entry = this.lookUp(key)
    if (entry === undefined) return false
    this.entries.delete(key)
    this.onFree?.(key, entry.value)
    return true
  }

  clear(): void {
    const entries = [...this.entries]
    this.entries.clear()
    if (this.onFree) for (const [key, { value }] of entries) this.onFree(key, value)
  }

  private lookUp(key: K): Entry<V> | undefined {
    const entry = this.entries.get(key)
    if (entry === undefined) return undefined
    if (this.ttlMs > 0 && monotonicMs() >= entry.expiresMs) {
      this.entries.delete(key)
      this.onFree?.(key, entry.value)
      return undefined
    }
    if (this.size !== Number.POSITIVE_INFINITY) {
      // A Map keeps the order of insertion: the first is the one not used for longest.
      this.entries.delete(key)
      this.entries.set(key, entry)
    }
    return entry
  }
}
