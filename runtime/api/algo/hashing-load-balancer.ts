import { hash } from './hash.ts'
import { StickyBalancer, type Targets, type Unhealthy, weightsOf } from './sticky-balancer.ts'

/**
 * Chooses a target by the hash of a key: the same key gives the same target on all threads and nodes that have the
 * same targets in the same order.
 */
export class HashingLoadBalancer extends StickyBalancer {
  private targets: string[] = []

  /** @param unhealthy targets that are not given out: a key that hashes to one gets undefined. */
  constructor(targets?: Targets | null, unhealthy?: Unhealthy | null) {
    super(unhealthy)
    if (targets) this.set(targets)
  }

  /** Sets all targets; weights are not used. */
  set(targets: Targets): void {
    this.targets = weightsOf(targets).map(([target]) => target)
  }

  add(target: string): void {
    this.targets.push(target)
  }

  override select(key?: unknown, unhealthy?: Unhealthy | null): string | undefined {
    if (this.targets.length === 0) return undefined
    const target = this.targets[hash(key) % this.targets.length] as string
    return this.isHealthy(target, unhealthy) ? target : undefined
  }

  protected choose(): undefined {
    return undefined
  }

  protected release(): void {}

  protected hasTarget(target: string): boolean {
    return this.targets.includes(target)
  }
}
