import { Deadline } from '../../../runtime/clock.ts'
import type { Event } from '../../../runtime/event.ts'
import { duration } from '../../../runtime/options.ts'
import { turn } from '../../../runtime/turn.ts'
import type { Context } from '../../context.ts'
import { Filter } from '../../filter.ts'
import { Gate } from '../../gate.ts'
import { type ConditionWait, PendingWaits } from '../../pending-waits.ts'
import type { ContextCallback, FilterDefinition } from '../definition.ts'
import { isThenable } from '../promise.ts'

const options = {
  timeout: duration(
    0,
    'Lets the events pass after so long even though the condition does not hold. None by default, as in Pipy.',
  ),
} as const

class Wait extends Filter implements ConditionWait {
  private readonly condition: ContextCallback<unknown>
  private readonly timeoutMs: number
  private readonly gate = new Gate()
  private deadline: Deadline | null = null
  private isOpen = false
  private isAsked = false

  constructor(condition: ContextCallback<unknown>, timeoutMs: number) {
    super()
    this.condition = condition
    this.timeoutMs = timeoutMs
  }

  process(event: Event): void {
    if (this.isOpen) {
      this.next.process(event)
      return
    }
    this.gate.hold(event)
    if (this.timeoutMs > 0 && this.deadline === null) {
      this.deadline = new Deadline(this.timeoutMs, () => this.enter(() => this.open()))
      this.deadline.touch()
    }
    this.decide()
    if (!this.isOpen && !this.isAsked) this.register()
  }

  /** Something of its session has moved on. */
  ask(): void {
    this.enter(() => this.decide())
  }

  private decide(): void {
    if (this.isAsked || this.isOpen) return
    const answer = this.condition(this.pipeline.context as Context)
    if (isThenable(answer)) {
      this.isAsked = true
      answer.then(
        () => this.enter(() => this.open()),
        error =>
          this.enter(() => {
            throw error
          }),
      )
    } else if (answer) {
      this.open()
    }
  }

  private register(): void {
    const { session } = this.pipeline
    session.waits ??= new PendingWaits()
    session.waits.add(this)
  }

  private leave(): void {
    const { session } = this.pipeline
    session.waits?.delete(this)
    if (session.waits?.isEmpty) session.waits = null
  }

  private enter(work: () => void): void {
    turn.begin(null)
    this.pipeline.run(work)
    turn.end()
  }

  private open(): void {
    if (this.isOpen) return
    this.isOpen = true
    this.leave()
    this.deadline?.clear()
    for (const event of this.gate.open()) this.next.process(event)
  }

  override stop(): void {
    this.leave()
    this.deadline?.clear()
    this.gate.close()
  }
}

export const wait: FilterDefinition = {
  name: 'wait',
  aliases: [],
  signature: '(condition[, options])',
  summary: 'Buffers up events until a condition is fulfilled',
  doc: 'Holds events back and asks the condition (ctx) again with each, and whenever something has come out of a sub-pipeline of the session, like an answer to what a fork has asked; when it is truthy they pass, and everything after them. A condition that returns a promise is asked once: its settling opens the filter, its rejection fails the pipeline.',
  accepts: 'any',
  emits: 'same',
  options,
  example: '$.wait(ctx => ctx.isReady, { timeout: 5 })',
  build: call => {
    const condition = call.callback<ContextCallback<unknown>>('a condition ctx => …')
    const { timeout } = call.options(options)
    return { name: 'wait', create: () => new Wait(condition, timeout) }
  },
}
