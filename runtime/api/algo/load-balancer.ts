import { TrafficError } from '../../errors.ts'
import { isFunction, oneOf, optional, parseOptions } from '../../options.ts'

export interface LoadBalancerOptions<T, K = unknown> {
  /** In turn by weight, or to the target with the least load for its weight. Default: 'round-robin'. */
  algorithm?: 'round-robin' | 'least-load' | undefined
  /** What tells one target from another. Default: the target itself. */
  key?: ((target: T) => K) | undefined
  /** Share of a target among the others. Default: 1. */
  weight?: ((target: T) => number) | undefined
  /** Resources kept for a target: with all of them in use, the least used one is shared. Default: 0, no limit. */
  capacity?: number | ((target: T) => number) | undefined
}

/** Tells whether a target may be taken; an `algo.Cache` of keys names those that may not. */
export type Validator<T, K = unknown> = ((target: T) => boolean) | { find(key: K): unknown }

const optionSpecs = {
  algorithm: oneOf(['round-robin', 'least-load'], 'round-robin', 'how targets are chosen'),
  key: optional('a function of a target', 'what tells one target from another', isFunction),
  weight: optional('a function of a target', 'share of a target among the others', isFunction),
  capacity: optional(
    'a whole number from 0 on, or a function of a target',
    'resources kept for a target',
    (value): value is number | ((target: never) => number) =>
      isFunction(value) || (Number.isSafeInteger(value) && (value as number) >= 0),
  ),
}

interface Pool<T, K> {
  readonly key: K
  target: T
  weight: number
  capacity: number
  /** Where the target stands: turns taken times the length of one (round robin), allocations in use (least load). */
  load: number
  /** When it was last chosen, in selections: among equals, the one that has waited longest goes first. */
  lastUse: number
  readonly resources: Resource<T, K>[]
}

/** A target taken by `allocate`. The object is the key to give to `muxHTTP`: one connection for each resource. */
export class Resource<T = unknown, K = unknown> {
  readonly target: T
  private readonly pool: Pool<T, K>
  private readonly freed: (pool: Pool<T, K>) => void
  /** Allocations in use. */
  load = 0

  constructor(pool: Pool<T, K>, freed: (pool: Pool<T, K>) => void) {
    this.target = pool.target
    this.pool = pool
    this.freed = freed
  }

  /** Says that one allocation is over. */
  free(): void {
    if (this.load === 0) return
    this.load--
    this.freed(this.pool)
  }
}

/**
 * Spreads work over targets of any kind.
 *
 * @example
 *   const balancer = new algo.LoadBalancer(['a:80', 'b:80'], { algorithm: 'least-load' })
 *   const resource = balancer.allocate()
 *   // … resource.target …
 *   resource.free()
 */
export class LoadBalancer<T = unknown, K = T> {
  private readonly isRoundRobin: boolean
  private readonly keyOf: (target: T) => K
  private readonly weightOf: (target: T) => number
  private readonly capacityOf: (target: T) => number
  private pools = new Map<K, Pool<T, K>>()
  private totalWeight = 0
  /** Turns of the target chosen last: those who were passed over do not get their missed turns all at once. */
  private now = 0
  private selections = 0

  /** @throws TrafficError `BadOption`. */
  constructor(targets?: readonly T[] | null, options?: LoadBalancerOptions<T, K>) {
    const { algorithm, key, weight, capacity } = parseOptions(optionSpecs, options, 'LoadBalancer')
    this.isRoundRobin = algorithm === 'round-robin'
    this.keyOf = (key as ((target: T) => K) | undefined) ?? (target => target as unknown as K)
    this.weightOf = (weight as ((target: T) => number) | undefined) ?? (() => 1)
    this.capacityOf =
      typeof capacity === 'function' ? (capacity as (target: T) => number) : () => capacity ?? 0
    if (targets) this.provision(targets)
  }

  /**
   * Sets the targets. Those whose key was there before keep their load and resources.
   *
   * @throws TrafficError `BadOption` when a weight is not a positive number.
   */
  provision(targets: readonly T[] | null | undefined): void {
    const before = this.pools
    this.pools = new Map()
    this.totalWeight = 0
    this.now = 0
    for (const target of targets ?? []) {
      const key = this.keyOf(target)
      const weight = this.weightOf(target) ?? 1
      if (!(weight > 0 && weight < Number.POSITIVE_INFINITY))
        throw new TrafficError(
          'BadOption',
          `a weight of LoadBalancer must be a positive number, and is ${weight}`,
        )
      const pool = before.get(key) ?? { key, target, weight, capacity: 0, load: 0, lastUse: 0, resources: [] }
      pool.target = target
      pool.weight = weight
      pool.capacity = this.capacityOf(target) ?? 0
      this.pools.set(key, pool)
      this.totalWeight += weight
    }
    if (this.isRoundRobin) for (const pool of this.pools.values()) pool.load = this.totalWeight / pool.weight
  }

  /** The next `size` targets by turn or load, fewer when no more may be taken. */
  schedule(size: number, validator?: Validator<T, K> | null): T[] {
    const targets: T[] = []
    while (targets.length < size) {
      const pool = this.choose(validator)
      if (pool === undefined) break
      targets.push(pool.target)
    }
    return targets
  }

  /**
   * Takes a target until `free()` is called on what it returns.
   *
   * @param key of the target to take if it is there and may be taken, else another is chosen.
   * @param validator tells which targets may be taken.
   * @returns undefined when none may.
   */
  allocate(key?: K | null, validator?: Validator<T, K> | null): Resource<T, K> | undefined {
    const wanted = key === undefined || key === null ? undefined : this.pools.get(key)
    const pool =
      wanted !== undefined && accepts(validator, wanted) ? this.take(wanted) : this.choose(validator)
    if (pool === undefined) return undefined
    let resource: Resource<T, K> | undefined
    for (const one of pool.resources) if (resource === undefined || one.load < resource.load) resource = one
    if (
      resource === undefined ||
      (resource.load > 0 && (pool.capacity === 0 || pool.resources.length < pool.capacity))
    ) {
      resource = new Resource(pool, this.freed)
      pool.resources.push(resource)
    }
    resource.load++
    return resource
  }

  private readonly freed = (pool: Pool<T, K>): void => {
    if (!this.isRoundRobin && pool.load > 0) pool.load--
  }

  private choose(validator: Validator<T, K> | null | undefined): Pool<T, K> | undefined {
    let chosen: Pool<T, K> | undefined
    for (const pool of this.pools.values()) {
      if (chosen !== undefined && !this.isBefore(pool, chosen)) continue
      if (accepts(validator, pool)) chosen = pool
    }
    return chosen && this.take(chosen)
  }

  private isBefore(a: Pool<T, K>, b: Pool<T, K>): boolean {
    const difference = this.isRoundRobin
      ? Math.max(a.load, this.now) - Math.max(b.load, this.now)
      : a.load * b.weight - b.load * a.weight
    return difference < 0 || (difference === 0 && a.lastUse < b.lastUse)
  }

  private take(pool: Pool<T, K>): Pool<T, K> {
    pool.lastUse = ++this.selections
    if (this.isRoundRobin) {
      this.now = Math.max(pool.load, this.now)
      pool.load = this.now + this.totalWeight / pool.weight
    } else pool.load++
    return pool
  }
}

const accepts = <T, K>(validator: Validator<T, K> | null | undefined, pool: Pool<T, K>): boolean =>
  validator === undefined || validator === null
    ? true
    : typeof validator === 'function'
      ? Boolean(validator(pool.target))
      : !validator.find(pool.key)
