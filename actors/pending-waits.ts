import { type Flushable, turn } from '../runtime/turn.ts'

/** Something that waits until a condition on the variables of its context holds. */
export interface ConditionWait {
  /** Asks whether it holds by now. */
  ask(): void
}

/**
 * What waits in one session. Something that has come out of a sub-pipeline of the session may have changed variables: then
 * all are asked, once, when the turn is at its end.
 */
export class PendingWaits implements Flushable {
  private readonly waits = new Set<ConditionWait>()
  private isDeferred = false

  get isEmpty(): boolean {
    return this.waits.size === 0
  }

  add(wait: ConditionWait): void {
    this.waits.add(wait)
  }

  delete(wait: ConditionWait): void {
    this.waits.delete(wait)
  }

  notify(): void {
    if (this.isDeferred) return
    this.isDeferred = true
    turn.defer(this)
  }

  flush(): void {
    this.isDeferred = false
    for (const wait of [...this.waits]) wait.ask()
  }
}
