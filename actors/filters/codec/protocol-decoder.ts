import type { Buffer } from 'node:buffer'
import { TrafficError } from '../../../runtime/errors.ts'
import { Data, type Event, StreamEnd } from '../../../runtime/event.ts'
import { Filter } from '../../filter.ts'

/** A codec that reads bytes, and tells this filter what is in them. */
interface Decoder {
  decode(buffer: Buffer, start: number, end: number): void
  finish(): void
}

/** Reads a stream by a codec; bytes that break its protocol end the stream. */
export abstract class ProtocolDecoder extends Filter {
  protected abstract readonly decoder: Decoder
  private hasFailed = false

  process(event: Event): void {
    if (this.hasFailed) return
    if (event.kind === 0) {
      this.decoder.decode(event.buffer, event.start, event.end)
    } else if (event.kind === 3) {
      if (event.error === '') this.decoder.finish()
      if (!this.hasFailed) this.next.process(event)
    }
  }

  body(buffer: Buffer, start: number, end: number): void {
    this.next.process(Data.borrow(buffer, start, end))
  }

  violation({ reason }: { readonly reason: string }): void {
    this.hasFailed = true
    this.next.process(new StreamEnd(new TrafficError('ProtocolError', reason)))
  }
}
