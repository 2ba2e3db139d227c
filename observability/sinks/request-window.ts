/**
 * How many requests may be in flight: one more after a window of requests that were taken, half after one that was refused for
 * now. Requests that had begun before the last halving say nothing new, and do not halve it again.
 */
export class RequestWindow {
  private readonly most: number
  private size: number
  private begun = 0
  private halvedAt = 0

  constructor(most: number) {
    this.most = most
    this.size = Math.min(2, most)
  }

  get limit(): number {
    return Math.floor(this.size)
  }

  /** A request begins; gives its number. */
  begin(): number {
    return ++this.begun
  }

  taken(): void {
    this.size = Math.min(this.most, this.size + 1 / this.size)
  }

  /** A request was refused. Says whether that is news. */
  refused(request: number): boolean {
    if (request <= this.halvedAt) return false
    this.halvedAt = this.begun
    this.size = Math.max(1, this.size / 2)
    return true
  }
}
