import { StickyBalancer, type Targets, type Unhealthy, weightsOf } from './sticky-balancer.ts'

interface Target {
  readonly id: string
  weight: number
  /** Times chosen in this round. */
  hits: number
  isHealthy: boolean
}

/**
 * Chooses targets in turn: any run of as many selections as the weights add up to has each target exactly as often
 * as its weight says.
 *
 * @example
 *   const balancer = new algo.RoundRobinLoadBalancer({ 'a:80': 2, 'b:80': 1 })
 *   balancer.select()
 */
export class RoundRobinLoadBalancer extends StickyBalancer {
  private targets = new Map<string, Target>()

  /** @param unhealthy targets to leave out, kept by the script. */
  constructor(targets?: Targets | null, unhealthy?: Unhealthy | null) {
    super(unhealthy)
    if (targets) this.set(targets)
  }

  /** Sets all targets, keeping the turn of those that stay as they were. */
  set(targets: Targets): void
  /** Sets the weight of one target, adding it when it is new; 0 takes it out of the turn. */
  set(target: string, weight: number): void
  set(first: Targets | string, weight = 1): void {
    if (typeof first === 'string') {
      this.setWeight(first, Math.max(0, Math.trunc(weight)))
      return
    }
    const before = this.targets
    const wanted = weightsOf(first)
    this.targets = new Map()
    for (const [id] of wanted) {
      const target = before.get(id)
      if (target) this.targets.set(id, target)
    }
    for (const [id, targetWeight] of wanted)
      if (this.targets.get(id)?.weight !== targetWeight) this.setWeight(id, targetWeight)
  }

  private setWeight(id: string, weight: number): void {
    // A newcomer starts where the others are: it would else get all the turns until it has caught up.
    const usage = this.lowestUsage()
    this.targets.set(id, { id, weight, hits: weight * usage, isHealthy: weight > 0 })
  }

  private lowestUsage(): number {
    let lowest = Number.POSITIVE_INFINITY
    for (const { hits, weight, isHealthy } of this.targets.values())
      if (isHealthy && weight > 0 && hits / weight < lowest) lowest = hits / weight
    return lowest === Number.POSITIVE_INFINITY ? 0 : lowest
  }

  protected choose(unhealthy: Unhealthy | null | undefined): string | undefined {
    for (const target of this.targets.values()) {
      const isHealthy = this.isHealthy(target.id, unhealthy)
      if (isHealthy && !target.isHealthy) target.hits = target.weight * this.lowestUsage()
      target.isHealthy = isHealthy
    }
    let chosen: Target | undefined
    let totalWeight = 0
    let totalHits = 1
    for (const target of this.targets.values()) {
      if (!target.isHealthy || target.weight === 0) continue
      totalWeight += target.weight
      totalHits += target.hits
      // Compared as products: quotients of whole numbers are not exact.
      if (chosen === undefined || target.hits * chosen.weight < chosen.hits * target.weight) chosen = target
    }
    if (chosen === undefined) return undefined
    chosen.hits++
    if (totalHits >= totalWeight) for (const target of this.targets.values()) target.hits = 0
    return chosen.id
  }

  protected release(): void {}

  protected hasTarget(target: string): boolean {
    return this.targets.has(target)
  }
}
