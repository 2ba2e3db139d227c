import type { TrafficError } from '../../runtime/errors.ts'

/**
 * The only handle to an actor. Local, on another thread or on another node, it looks the same.
 *
 * A ref names one incarnation: after its actor has been replaced it leads to dead letters, never to the successor.
 */
export interface ActorRef<M = unknown> {
  readonly path: string
  readonly incarnation: number
  /** Sends and forgets: in order per sender and receiver, at most once. */
  tell(message: M): void
  /** Sends and waits for the reply. Rejects with `AskTimeout` after `deadlineMs`, with `DeadLetter` when nobody is there. */
  ask<R = unknown>(message: M, deadlineMs: number): Promise<R>
  /** Death watch: calls `onTerminated` once when the actor has stopped (at once if it has), for whatever reason. */
  watch(onTerminated: (terminated: Terminated) => void): () => void
  stop(): void
}

/** What a watcher is told. */
export interface Terminated {
  readonly path: string
  readonly incarnation: number
  /** Why, when it did not stop of its own will. */
  readonly fault: TrafficError | undefined
}

/** An asked message as the receiver gets it: it answers with `reply` or `fail`, now or later, once. */
export class Ask<M = unknown> {
  readonly message: M
  private readonly resolve: (value: unknown) => void
  private readonly reject: (error: unknown) => void

  constructor(message: M, resolve: (value: unknown) => void, reject: (error: unknown) => void) {
    this.message = message
    this.resolve = resolve
    this.reject = reject
  }

  reply(value: unknown): void {
    this.resolve(value)
  }

  fail(error: unknown): void {
    this.reject(error)
  }
}
