import { cloneEvent, type Event, Kind } from '../../../runtime/event.ts'
import { weigh } from '../../kernel/mailbox.ts'

/** Events that are kept to be given later, or again, up to a number of bytes. */
export class EventStore {
  private events: Event[] = []
  private bytes = 0
  private readonly limitBytes: number
  /** It was given more than it may keep, and has forgotten all. */
  isOverflown = false

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes
  }

  add(event: Event): void {
    if (this.isOverflown) return
    this.bytes += weigh(event)
    if (this.bytes > this.limitBytes) {
      this.isOverflown = true
      this.events = []
      return
    }
    this.events.push(event.kind === Kind.data ? event.keep() : event)
  }

  /** Copies of all, oldest first. */
  copies(): Event[] {
    return this.events.map(cloneEvent)
  }

  /** All, oldest first; the store is empty then. */
  take(): Event[] {
    const { events } = this
    this.events = []
    this.bytes = 0
    return events
  }
}
