/**
 * Things that are dear to make and used by one at a time, kept in pools by tag.
 *
 * @example
 *   const sessions = new algo.ResourcePool(target => ({ target }))
 *   const session = sessions.allocate('10.0.0.1:80', inbound)
 *   sessions.freeTenant(inbound)
 */
export class ResourcePool<P = unknown, R = unknown, T = unknown> {
  private readonly onAllocate: (pool: P) => R
  private readonly idle = new Map<P, R[]>()
  private readonly taken = new Map<R, { readonly pool: P; readonly tenant: T | undefined }>()
  private readonly byTenant = new Map<T, Set<R>>()

  /** @param onAllocate makes one when the pool has none idle. */
  constructor(onAllocate: (pool: P) => R) {
    this.onAllocate = onAllocate
  }

  /** Takes one out of a pool; `tenant` is in whose name, for `freeTenant`. */
  allocate(pool: P, tenant?: T): R {
    const resource = this.idle.get(pool)?.shift() ?? this.onAllocate(pool)
    this.taken.set(resource, { pool, tenant })
    if (tenant !== undefined) {
      const resources = this.byTenant.get(tenant) ?? new Set()
      resources.add(resource)
      this.byTenant.set(tenant, resources)
    }
    return resource
  }

  /** Puts one back. One that is not taken is left alone. */
  free(resource: R): void {
    const use = this.taken.get(resource)
    if (use === undefined) return
    this.taken.delete(resource)
    const idle = this.idle.get(use.pool) ?? []
    idle.push(resource)
    this.idle.set(use.pool, idle)
    if (use.tenant === undefined) return
    const resources = this.byTenant.get(use.tenant)
    resources?.delete(resource)
    if (resources?.size === 0) this.byTenant.delete(use.tenant)
  }

  /** Puts back all that a tenant took. */
  freeTenant(tenant: T): void {
    for (const resource of [...(this.byTenant.get(tenant) ?? [])]) this.free(resource)
  }
}
