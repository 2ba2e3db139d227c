import { hash } from './hash.ts'
import { StickyBalancer, type Targets, type Unhealthy, weightsOf } from './sticky-balancer.ts'

/** What `hash` gives is below this. */
const hashes = 2 ** 53

/**
 * Session affinity for a whole fleet: the same key gives the same target on all threads and nodes that have the same
 * targets, in any order, without their asking each other. When a target goes or is unhealthy, only its own keys move,
 * each to the same other target everywhere; when it is back, they are back (weighted rendezvous hashing).
 *
 * @example
 *   const balancer = new algo.AffinityLoadBalancer({ 'a:80': 1, 'b:80': 2 })
 *   balancer.select(msg.head.headers['x-user'])
 */
export class AffinityLoadBalancer extends StickyBalancer {
  private targets = new Map<string, number>()

  /** @param unhealthy targets to leave out, kept by the script; nodes agree as far as these do. */
  constructor(targets?: Targets | null, unhealthy?: Unhealthy | null) {
    super(unhealthy)
    if (targets) this.set(targets)
  }

  /** Sets all targets; one of twice the weight gets twice the keys, one of weight 0 none. */
  set(targets: Targets): void {
    this.targets = new Map(weightsOf(targets))
  }

  /** Without a key it is any one, by weight. */
  override select(key?: unknown, unhealthy?: Unhealthy | null): string | undefined {
    const wanted = key ?? Math.random()
    let best: string | undefined
    let highest = Number.NEGATIVE_INFINITY
    for (const [target, weight] of this.targets) {
      if (weight <= 0 || !this.isHealthy(target, unhealthy)) continue
      const score = -weight / Math.log((hash(`${target}\0${hash(wanted)}`) + 0.5) / hashes)
      if (score < highest || (score === highest && best !== undefined && best < target)) continue
      best = target
      highest = score
    }
    return best
  }

  protected choose(): undefined {
    return undefined
  }

  protected release(): void {}

  protected hasTarget(target: string): boolean {
    return this.targets.has(target)
  }
}
