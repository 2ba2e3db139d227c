import type { Event } from '../../runtime/event.ts'
import { turn } from '../../runtime/turn.ts'
import { Filter } from '../filter.ts'
import { Gate } from '../gate.ts'
import { isThenable } from './promise.ts'

/**
 * A filter that looks at how a stream begins, while all of its events wait, and that is transparent from then on:
 *
 *     looking ──letGo──► [settling: its promise] ──► open
 */
export abstract class HoldingFilter extends Filter {
  private readonly gate = new Gate()
  private isLooking = true
  private isOpen = false

  /** Looks at an event that waits already, and calls `letGo` when it has seen enough. */
  protected abstract look(event: Event): void

  process(event: Event): void {
    if (this.isOpen) {
      this.next.process(event)
      return
    }
    this.gate.hold(event)
    if (this.isLooking) this.look(event)
  }

  protected get isHolding(): boolean {
    return this.isLooking
  }

  /** Lets everything pass, when `answer` has settled in case it is a promise. */
  protected letGo(answer: unknown): void {
    this.isLooking = false
    if (!isThenable(answer)) {
      this.open()
      return
    }
    answer.then(
      () => this.enter(() => this.open()),
      error =>
        this.enter(() => {
          throw error
        }),
    )
  }

  /** Goes on inside the pipeline's actor. */
  protected enter(work: () => void): void {
    turn.begin(null)
    this.pipeline.run(work)
    turn.end()
  }

  private open(): void {
    this.isOpen = true
    for (const event of this.gate.open()) this.next.process(event)
  }

  override stop(): void {
    this.isLooking = false
    this.gate.close()
  }
}
