import { StickyBalancer, type Targets, type Unhealthy, weightsOf } from './sticky-balancer.ts'

interface Target {
  readonly id: string
  weight: number
  /** Selections not yet deselected. */
  active: number
}

/**
 * Chooses the target with the least work for its weight: `select` gives it one piece of work, `deselect` says that
 * the piece is done.
 */
export class LeastWorkLoadBalancer extends StickyBalancer {
  private targets = new Map<string, Target>()

  /** @param unhealthy targets to leave out, kept by the script. */
  constructor(targets?: Targets | null, unhealthy?: Unhealthy | null) {
    super(unhealthy)
    if (targets) this.set(targets)
  }

  /** Sets all targets; those that stay keep their work. */
  set(targets: Targets): void
  /** Sets the weight of one target, adding it when it is new; with 0 it gets no more work. */
  set(target: string, weight: number): void
  set(first: Targets | string, weight = 1): void {
    if (typeof first === 'string') {
      this.setWeight(first, Math.max(0, weight))
      return
    }
    const before = this.targets
    this.targets = new Map()
    for (const [id, targetWeight] of weightsOf(first)) {
      const target = before.get(id)
      if (target) this.targets.set(id, target)
      this.setWeight(id, targetWeight)
    }
  }

  private setWeight(id: string, weight: number): void {
    const target = this.targets.get(id)
    if (target) target.weight = weight
    else this.targets.set(id, { id, weight, active: 0 })
  }

  protected choose(unhealthy: Unhealthy | null | undefined): string | undefined {
    let chosen: Target | undefined
    for (const target of this.targets.values()) {
      if (target.weight <= 0 || !this.isHealthy(target.id, unhealthy)) continue
      if (chosen === undefined || target.active * chosen.weight < chosen.active * target.weight)
        chosen = target
    }
    if (chosen === undefined) return undefined
    chosen.active++
    return chosen.id
  }

  protected release(id: string): void {
    const target = this.targets.get(id)
    if (target && target.active > 0) target.active--
  }

  protected hasTarget(target: string): boolean {
    return this.targets.has(target)
  }
}
