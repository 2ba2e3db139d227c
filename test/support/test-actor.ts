import { Actor } from '../../actors/kernel/actor.ts'
import type { Terminated } from '../../actors/kernel/ref.ts'
import type { TrafficError } from '../../runtime/errors.ts'

/** An actor whose behaviour is a function, and which notes what becomes of it. */
export class TestActor<M = unknown> extends Actor<M> {
  readonly received: M[] = []
  failure: TrafficError | undefined
  stops = 0
  private readonly name: string
  private readonly behaviour: (message: M, self: TestActor<M>) => void

  constructor(name: string, behaviour: (message: M, self: TestActor<M>) => void = () => {}) {
    super()
    this.name = name
    this.behaviour = behaviour
  }

  get path(): string {
    return this.name
  }

  process(message: M): void {
    this.received.push(message)
    this.behaviour(message, this)
  }

  protected override failed(fault: TrafficError): void {
    this.failure = fault
  }

  protected override stopped(): void {
    this.stops++
  }

  /** What a watcher that begins now is told. */
  watched(): Terminated[] {
    const told: Terminated[] = []
    this.watch(terminated => told.push(terminated))
    return told
  }
}
