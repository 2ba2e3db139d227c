/** What happened in a simulation to each message, and what must hold of it. */

export interface Sent {
  readonly id: string
  /** The node's life that sent it. */
  readonly sender: string
  readonly key: string
  /** Counts what this sender sent with this key. */
  readonly number: number
}

/** A message at a pipeline of some node. */
export interface Processed extends Sent {
  readonly host: string
  readonly atMs: number
}

export class PipelineHistory {
  readonly sent = new Map<string, Sent>()
  /** In the order in which it came. */
  readonly processed: Processed[] = []
  readonly times = new Map<string, number>()
  readonly violations: string[] = []
  /**
   * Nodes whose name another has taken while they lived, which is a mistake of whoever started it: what such a node has got,
   * or gets before it hears of the other, it does in its own time. The order of a key is not promised there.
   */
  readonly displaced = new Set<string>()
  private readonly name: string
  private readonly isOnceAtMost: boolean
  private readonly last = new Map<string, Processed>()

  constructor(name: string, isOnceAtMost: boolean) {
    this.name = name
    this.isOnceAtMost = isOnceAtMost
  }

  took(event: Processed): void {
    this.processed.push(event)
    const times = (this.times.get(event.id) ?? 0) + 1
    this.times.set(event.id, times)
    if (times > 1) {
      if (this.isOnceAtMost) this.violations.push(`${this.name}: ${event.id} came ${times} times`)
      return
    }
    const stream = `${event.sender} ${event.key}`
    const before = this.last.get(stream)
    if (before !== undefined && before.number > event.number) {
      if (this.displaced.has(event.host)) return
      this.violations.push(
        `${this.name}: of ${stream}, number ${event.number} at ${event.host} came after ${before.number} at ${before.host}`,
      )
    } else this.last.set(stream, event)
  }

  get duplicates(): number {
    return this.processed.length - this.times.size
  }
}
