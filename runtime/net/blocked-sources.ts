// Hot path: `isEmpty` is read after every flush; nothing is allocated for a connection that blocks no more than one source.

import type { Source } from '../turn.ts'

/**
 * The sources that one full queue has paused. Each is paused once, however often the queue is found full, and all
 * run again when it has drained or is gone.
 */
export class BlockedSources {
  /** Nearly always the only one: a proxied connection is fed by one other connection. */
  private first: Source | null = null
  private others: Source[] | null = null

  get isEmpty(): boolean {
    return this.first === null
  }

  /** Pauses a source, unless this list has it paused already. Null (a turn that no socket started) is nobody to pause. */
  block(source: Source | null): void {
    if (source === null || source === this.first) return
    if (this.first === null) {
      this.first = source
    } else {
      this.others ??= []
      if (this.others.includes(source)) return
      this.others.push(source)
    }
    source.pause()
  }

  /** Takes the pauses back. A source that is blocked anew while this runs stays blocked. */
  release(): void {
    const { first, others } = this
    if (first === null) return
    this.first = null
    this.others = null
    first.resume()
    if (others !== null) for (const source of others) source.resume()
  }
}
