import { TrafficError } from '../../../runtime/errors.ts'
import { type Data, type Event, type Head, type MessageEnd, StreamEnd } from '../../../runtime/event.ts'
import { Filter } from '../../filter.ts'

/** A bound on the body, and what an error says of it. */
interface BodyLimit {
  readonly bytes: number
  readonly option: string
  /** As in 'a Redis message'. */
  readonly owner: string
}

/** Encodes messages whose body has to be whole first: it is held, within a limit. */
export abstract class WholeBodyEncoder extends Filter {
  private readonly limit: BodyLimit
  private head: Head | null = null
  private body: Data | null = null
  private hasEnded = false

  constructor(limit: BodyLimit) {
    super()
    this.limit = limit
  }

  /** Puts out the bytes of a message. */
  protected abstract encode(head: Head, body: Data | null, end: MessageEnd): void

  process(event: Event): void {
    if (this.hasEnded) return
    switch (event.kind) {
      case 0:
        if (this.head !== null && event.size > 0) this.append(event)
        return
      case 1:
        this.head = event.head
        this.body = null
        return
      case 2:
        this.endMessage(event)
        return
      case 3:
        this.hasEnded = true
        this.next.process(event)
        return
      default:
        event satisfies never
    }
  }

  private append(data: Data): void {
    const { bytes, option, owner } = this.limit
    if ((this.body?.size ?? 0) + data.size > bytes) {
      this.hasEnded = true
      this.body = null
      const reason = `${owner} is larger than ${option}, which is ${bytes} bytes`
      this.next.process(new StreamEnd(new TrafficError('BufferOverflow', reason)))
    } else if (this.body === null) {
      this.body = data.clone().keep()
    } else {
      this.body.push(data)
    }
  }

  private endMessage(end: MessageEnd): void {
    const { head, body } = this
    if (head === null) return
    this.head = null
    this.body = null
    this.encode(head, body, end)
  }
}
