import { scope } from '../../script/scope.ts'
import { Cache } from './cache.ts'

/** Says which targets are not to be chosen: an `algo.Cache` of them, or anything that finds true values by target. */
export interface Unhealthy {
  find(target: string): unknown
}

/** Targets by name with their weights, or names alone, each of weight 1. */
export type Targets = readonly string[] | Readonly<Record<string, number>>

export const weightsOf = (targets: Targets | null | undefined): [string, number][] =>
  Array.isArray(targets)
    ? targets.map(target => [String(target), 1])
    : Object.entries((targets as Readonly<Record<string, number>>) ?? {}).map(([target, weight]) => [
        target,
        Math.max(0, Math.trunc(Number(weight)) || 0),
      ])

/**
 * A target that one borrower has for itself. The object is the key to give to `muxHTTP`: who borrows it next goes on
 * with the same connection.
 */
export class BorrowedTarget {
  /** The target's name. */
  readonly id: string

  constructor(id: string) {
    this.id = id
  }
}

/** Choices remembered by sticky key; the one not used for longest is forgotten first. */
const stickyKeys = 100_000

/** What the balancers of targets by name have in common: health, sticky keys, and borrowing for a connection. */
export abstract class StickyBalancer {
  protected readonly unhealthy: Unhealthy | undefined
  private readonly sticky = new Cache<unknown, string>({ size: stickyKeys })
  private readonly borrowed = new WeakMap<object, BorrowedTarget>()
  private readonly idle = new Map<string, BorrowedTarget[]>()
  private readonly returns = new FinalizationRegistry<BorrowedTarget>(target => this.giveBack(target))

  constructor(unhealthy?: Unhealthy | null) {
    this.unhealthy = unhealthy ?? undefined
  }

  /**
   * Chooses a target.
   *
   * @param key the same key gets the same target again, as long as it is there and healthy.
   * @param unhealthy targets to leave out, besides those given to the constructor.
   * @returns undefined when no target can be chosen.
   */
  select(key?: unknown, unhealthy?: Unhealthy | null): string | undefined {
    if (key === undefined || key === null) return this.choose(unhealthy)
    const before = this.sticky.find(key)
    if (before !== undefined && this.hasTarget(before) && this.isHealthy(before, unhealthy)) return before
    const target = this.choose(unhealthy)
    if (target !== undefined) this.sticky.set(key, target)
    return target
  }

  /** Says that work given to a target by `select` is done. */
  deselect(target: string | null | undefined): void {
    if (target !== null && target !== undefined) this.release(target)
  }

  /**
   * A target for a borrower: the same one as long as the borrower lives and the target is healthy.
   *
   * @param borrower by default the client's connection (`__inbound`); a new object `{}` borrows for one call.
   * @param key a sticky key as of `select`.
   */
  borrow(borrower?: object | null, key?: unknown, unhealthy?: Unhealthy | null): BorrowedTarget | undefined {
    const owner = borrower ?? (scope.current as { __inbound?: object } | undefined)?.__inbound
    if (owner === undefined || owner === null) {
      const id = this.select(key, unhealthy)
      return id === undefined ? undefined : new BorrowedTarget(id)
    }
    const before = this.borrowed.get(owner)
    if (before !== undefined) {
      if (this.isHealthy(before.id, unhealthy)) return before
      this.returns.unregister(owner)
      this.borrowed.delete(owner)
      this.giveBack(before)
    }
    const id = this.select(key, unhealthy)
    if (id === undefined) return undefined
    const target = this.idle.get(id)?.pop() ?? new BorrowedTarget(id)
    this.borrowed.set(owner, target)
    this.returns.register(owner, target, owner)
    return target
  }

  /** The same as `borrow`. */
  next(borrower?: object | null, key?: unknown, unhealthy?: Unhealthy | null): BorrowedTarget | undefined {
    return this.borrow(borrower, key, unhealthy)
  }

  private giveBack(target: BorrowedTarget): void {
    this.release(target.id)
    const idle = this.idle.get(target.id) ?? []
    idle.push(target)
    this.idle.set(target.id, idle)
  }

  protected isHealthy(target: string, unhealthy: Unhealthy | null | undefined): boolean {
    return !this.unhealthy?.find(target) && !unhealthy?.find(target)
  }

  protected abstract choose(unhealthy: Unhealthy | null | undefined): string | undefined
  protected abstract release(target: string): void
  protected abstract hasTarget(target: string): boolean
}
