import type { Event } from '../../runtime/event.ts'
import { turn } from '../../runtime/turn.ts'
import { Filter } from '../filter.ts'
import { Gate } from '../gate.ts'

/**
 * A filter whose callbacks may return promises. While one is pending, events wait in order; they go on when it has
 * settled. Nothing of this is touched, and nothing allocated, as long as no callback returns a promise.
 */
export abstract class WaitingFilter extends Filter {
  private gate: Gate | null = null
  private isWaiting = false

  process(event: Event): void {
    if (this.isWaiting) (this.gate as Gate).hold(event)
    else this.handle(event)
  }

  /** What the filter does with an event when it is not waiting. */
  protected abstract handle(event: Event): void

  /** Holds further events until `promise` settles, then runs `done` with its value inside the pipeline's actor. */
  protected waitFor<T>(promise: PromiseLike<T>, done: (value: T) => void): void {
    this.gate ??= new Gate()
    this.isWaiting = true
    const settle = (work: () => void): void => {
      turn.begin(null)
      this.pipeline.run(() => {
        this.isWaiting = false
        work()
        this.goOn()
      })
      turn.end()
    }
    promise.then(
      value => settle(() => done(value)),
      error =>
        settle(() => {
          throw error
        }),
    )
  }

  private goOn(): void {
    const events = (this.gate as Gate).open()
    for (const event of events) this.process(event)
  }

  override stop(): void {
    this.gate?.close()
  }
}
