/** Memory that messages which come in parts may take in a thread, all together, until they are whole. */
export class PartBudget {
  private leftBytes: number

  constructor(bytes = 64 * 1024 * 1024) {
    this.leftBytes = bytes
  }

  take(bytes: number): boolean {
    if (bytes > this.leftBytes) return false
    this.leftBytes -= bytes
    return true
  }

  give(bytes: number): void {
    this.leftBytes += bytes
  }
}

/**
 * One message of a lane that comes in parts, one after the other. A message of which a part is missing, that is larger
 * than it may be, or for which there is no memory, is never whole: the header of the next frame finds it lost.
 */
export class PartAssembly {
  private readonly budget: PartBudget
  private whole: Uint8Array | undefined
  /** The part that is to come next. */
  private next = 0
  private filled = 0

  constructor(budget: PartBudget) {
    this.budget = budget
  }

  /** Gives the message with its last part. */
  add(part: number, parts: number, size: number, chunk: Uint8Array, maxSize: number): Uint8Array | undefined {
    // What came before comes again: the bus may repeat.
    if (part < this.next) return undefined
    if (part === 0 && size <= maxSize && this.budget.take(size)) this.whole = new Uint8Array(size)
    const { whole } = this
    if (whole === undefined || part > this.next || this.filled + chunk.length > whole.length) {
      this.reset()
      return undefined
    }
    whole.set(chunk, this.filled)
    this.filled += chunk.length
    this.next++
    if (part < parts - 1) return undefined
    const isWhole = this.filled === whole.length
    this.reset()
    return isWhole ? whole : undefined
  }

  reset(): void {
    if (this.whole !== undefined) this.budget.give(this.whole.length)
    this.whole = undefined
    this.next = 0
    this.filled = 0
  }
}
