/**
 * Counts the bytes that a server has not yet been seen to read.
 *
 * The client writes to its socket whether or not the server reads, and its memory grows without bound when it does not.
 * So every so many bytes we ask the server for a sign of life behind them; what was sent before the sign has arrived.
 */
export class SentWindow {
  private sent = 0
  private seen = 0
  private isAsking = false
  private readonly limit: number
  private readonly ask: () => Promise<void>

  /** @param ask resolves when the server has seen all that was sent before */
  constructor(limit: number, ask: () => Promise<void>) {
    this.limit = limit
    this.ask = ask
  }

  get underWay(): number {
    return this.sent - this.seen
  }

  /** Whether so many bytes more may be sent. One message may always be under way, however large. */
  hasRoom(bytes: number): boolean {
    const underWay = this.sent - this.seen
    return underWay === 0 || underWay + bytes <= this.limit
  }

  add(bytes: number): void {
    this.sent += bytes
    // A quarter: the answer is there before the window is full, at a cost of a few bytes for every two megabytes.
    if (!this.isAsking && this.sent - this.seen >= this.limit / 4) this.askNow()
  }

  /** The connection is lost, and all that was under way with it. */
  reset(): void {
    this.seen = this.sent
  }

  private askNow(): void {
    const mark = this.sent
    this.isAsking = true
    this.ask().then(
      () => {
        this.isAsking = false
        this.seen = Math.max(this.seen, mark)
        if (this.sent - this.seen >= this.limit / 4) this.askNow()
      },
      () => {
        // The connection broke: `reset` is called for that, and the next message asks anew.
        this.isAsking = false
      },
    )
  }
}
