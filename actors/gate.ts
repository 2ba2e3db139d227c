import { Data, type Event } from '../runtime/event.ts'
import { type Source, turn } from '../runtime/turn.ts'
import { weigh } from './kernel/mailbox.ts'

/** Bytes that a gate holds before it pauses the socket that they come from. */
const gateLimitBytes = 64 * 1024

/**
 * Holds events back while a filter waits for something (a promise, a condition, a connection), and lets them pass in
 * order later. When it holds more than 64 KiB it pauses the source of each further event until it opens.
 */
export class Gate {
  private events: Event[] = []
  private bytes = 0
  private paused: Source[] | null = null

  get isEmpty(): boolean {
    return this.events.length === 0
  }

  hold(event: Event): void {
    if (event instanceof Data) event.keep()
    this.events.push(event)
    this.bytes += weigh(event)
    const { source } = turn
    if (this.bytes <= gateLimitBytes || source === null) return
    this.paused ??= []
    if (!this.paused.includes(source)) {
      source.pause()
      this.paused.push(source)
    }
  }

  /** Takes everything out, oldest first, and lets the paused sources go on. */
  open(): Event[] {
    const events = this.events
    this.events = []
    this.close()
    return events
  }

  /** Forgets what it holds, and lets the paused sources go on. */
  close(): void {
    this.events = []
    this.bytes = 0
    const paused = this.paused
    this.paused = null
    if (paused !== null) for (const source of paused) source.resume()
  }
}
