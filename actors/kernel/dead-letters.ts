import type { FaultRecord } from '../../runtime/errors.ts'

/** A message that no actor will process, and why. */
export interface DeadLetter {
  /** Path of the actor that it was for, or that failed on it. */
  readonly to: string
  /** 'stopped': the receiver is gone; 'failed': it threw on this; 'mailbox-full': there was no room. */
  readonly reason: 'stopped' | 'failed' | 'mailbox-full'
  /** What it was, in a few words. */
  readonly message: string
  readonly fault?: FaultRecord | undefined
  /** The events that led there, oldest first, in a few words each. */
  readonly history?: readonly string[] | undefined
}

const kept = 100

/** The last dead letters of a thread, and how many there were in all. Only failures are logged; the rest is counted. */
export class DeadLetters {
  count = 0
  private readonly ring: DeadLetter[] = []
  private readonly listeners = new Set<(letter: DeadLetter) => void>()

  add(letter: DeadLetter): void {
    this.ring[this.count++ % kept] = letter
    for (const listener of this.listeners) listener(letter)
  }

  /** Calls `listener` with each new one. Returns a function that ends it. */
  subscribe(listener: (letter: DeadLetter) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /** The last ones (at most 100), oldest first. */
  recent(): DeadLetter[] {
    const from = this.count % kept
    return this.count <= kept ? [...this.ring] : [...this.ring.slice(from), ...this.ring.slice(0, from)]
  }
}
