import { type Event, Kind, type StreamEnd } from '../../../runtime/event.ts'
import type { Span } from '../../../runtime/trace/span.ts'
import type { Requester } from './shared-session.ts'

/** Stands in for who sent a message over a shared session: the span of the message ends with its answer. */
export class TracedRequester implements Requester {
  private readonly sender: Requester
  private readonly span: Span
  private readonly over: (requester: TracedRequester) => void
  private isExpected = false

  /** @param over told when nothing more will come */
  constructor(sender: Requester, span: Span, over: (requester: TracedRequester) => void) {
    this.sender = sender
    this.span = span
    this.over = over
  }

  expect(): void {
    this.isExpected = true
    this.sender.expect()
  }

  /** The message has been sent: one that gets no answer is done with that. */
  sent(): void {
    if (!this.isExpected) this.end('')
  }

  expectNoMore(): void {
    this.end('')
    this.sender.expectNoMore()
  }

  respond(event: Event): void {
    if (event.kind === Kind.messageEnd) this.end('')
    else if (event.kind === Kind.streamEnd) this.end((event as StreamEnd).error)
    this.sender.respond(event)
  }

  end(error: string): void {
    this.span.end(error)
    this.over(this)
  }
}
