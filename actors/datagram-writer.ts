import { Data, type Event, Kind } from '../runtime/event.ts'
import { maxDatagramBytes } from '../runtime/net/udp.ts'

/** Puts datagrams together of the events of a stream: each message is one, and so are bytes between messages. */
export class DatagramWriter {
  private readonly send: (datagram: Data) => void
  private message: Data | null = null

  constructor(send: (datagram: Data) => void) {
    this.send = send
  }

  write(event: Event): void {
    switch (event.kind) {
      case Kind.messageStart:
        this.message = new Data()
        return
      case Kind.data:
        if (this.message === null) {
          if (event.size > 0) this.send(event)
        } else if (this.message.size <= maxDatagramBytes) {
          // One byte too many is kept to tell that it is too large, and no more.
          this.message.push(event.clone().shift(maxDatagramBytes + 1 - this.message.size))
        }
        return
      case Kind.messageEnd:
        if (this.message !== null) this.send(this.message)
        this.message = null
        return
      default:
        return
    }
  }
}
