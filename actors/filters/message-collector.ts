import { Data, type Event, Kind, Message, type MessageEnd, type MessageStart } from '../../runtime/event.ts'

/** What `MessageCollector.add` says of an event. */
export const Collected = { outside: 0, partial: 1, whole: 2 } as const

/**
 * Puts the events of a message together. Keeps at most `limitBytes` of the body; what is more is counted and left
 * out, which `overflowBytes` tells.
 */
export class MessageCollector {
  /** Bytes of the last message's body that were left out. */
  overflowBytes = 0
  private start: MessageStart | null = null
  private body: Data | null = null
  private end: MessageEnd | null = null
  private readonly limitBytes: number

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes
  }

  get isCollecting(): boolean {
    return this.start !== null
  }

  add(event: Event): number {
    switch (event.kind) {
      case Kind.messageStart:
        this.start = event
        this.body = null
        this.end = null
        this.overflowBytes = 0
        return Collected.partial
      case Kind.data:
        if (this.start === null) return Collected.outside
        this.append(event)
        return Collected.partial
      case Kind.messageEnd:
        if (this.start === null) return Collected.outside
        this.end = event
        return Collected.whole
      default:
        return Collected.outside
    }
  }

  /**
   * What the end of the stream is to a message that is open: an orderly one ends it as well, as in Pipy; one with an
   * error leaves it broken, and it is not whole.
   */
  isEndedBy(event: Event): boolean {
    return this.start !== null && event.kind === Kind.streamEnd && event.error === ''
  }

  private append(data: Data): void {
    const room = this.limitBytes - (this.body?.size ?? 0)
    if (data.size > room) this.overflowBytes += data.size - room
    if (room <= 0) return
    const piece = data.size > room ? data.clone().shift(room) : data
    if (this.body === null) this.body = piece.clone().keep()
    else this.body.push(piece)
  }

  /** The body so far. */
  takeBody(): Data {
    return this.body ?? new Data()
  }

  /**
   * The message, after `whole`. Empties the collector. It always has a body, if an empty one: scripts of Pipy write
   * `msg.body.toString()` whatever came.
   */
  take(): Message {
    const message = new Message(this.start?.head, this.takeBody(), this.end?.tail, this.end?.payload)
    this.start = null
    this.body = null
    return message
  }
}
