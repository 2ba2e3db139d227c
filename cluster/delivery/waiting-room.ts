import type { Edge } from '../../actors/kernel/ledger.ts'
import type { Sending } from '../../actors/shared/cluster-link.ts'
import { windowBetween } from '../../actors/shared/lane.ts'
import type { Source } from '../../runtime/turn.ts'

/** A message that cannot be sent yet. */
export interface Waiting {
  readonly sending: Sending
  readonly shard: number
  readonly source: Source | null
}

/**
 * Messages of one edge whose key has no host at the moment, or one that must not be sent to yet. No more than a lane's
 * window of them, but for those whose source could be paused. They leave in the order in which they came, by shard.
 */
export class WaitingRoom {
  private readonly edge: Edge
  private entries: Waiting[] = []
  private bytes = 0
  private readonly byShard = new Map<number, number>()
  private readonly paused = new Set<Source>()

  constructor(edge: Edge) {
    this.edge = edge
  }

  get isEmpty(): boolean {
    return this.entries.length === 0
  }

  has(shard: number): boolean {
    return this.entries.length > 0 && this.byShard.has(shard)
  }

  /** @param reason why it is dropped when there is no room */
  add(entry: Waiting, reason: string): void {
    const { edge } = this
    const isPausable = edge.policy === 'block' && entry.source !== null
    const isFull = this.entries.length >= windowBetween.messages || this.bytes >= windowBetween.bytes
    if (isFull && !isPausable) edge.drop(reason)
    else {
      this.entries.push(entry)
      this.entered(entry)
    }
  }

  /** These were there before all others. */
  putFirst(entries: readonly Waiting[]): void {
    if (entries.length === 0) return
    this.entries = [...entries, ...this.entries]
    for (const entry of entries) this.entered(entry)
  }

  private entered({ sending, shard, source }: Waiting): void {
    const { edge, paused } = this
    this.bytes += sending.bytes
    this.byShard.set(shard, (this.byShard.get(shard) ?? 0) + 1)
    edge.inFlight++
    if (edge.policy !== 'block' || source === null || paused.has(source)) return
    paused.add(source)
    source.pause()
  }

  /** Lets all leave that can. What comes meanwhile stands behind. */
  leave(pass: (entry: Waiting) => boolean): void {
    const { entries } = this
    this.entries = []
    const staying: Waiting[] = []
    const blocked = new Set<number>()
    for (const entry of entries) {
      const { sending, shard } = entry
      this.edge.inFlight--
      if (!blocked.has(shard) && pass(entry)) {
        this.bytes -= sending.bytes
        const left = (this.byShard.get(shard) ?? 1) - 1
        if (left === 0) this.byShard.delete(shard)
        else this.byShard.set(shard, left)
      } else {
        this.edge.inFlight++
        blocked.add(shard)
        staying.push(entry)
      }
    }
    this.entries = staying.length === 0 ? this.entries : [...staying, ...this.entries]
    if (this.entries.length === 0) this.resumeSources()
  }

  giveUp(reason: string): void {
    if (this.entries.length > 0) this.edge.drop(reason, this.entries.length)
    this.edge.inFlight -= this.entries.length
    this.entries = []
    this.bytes = 0
    this.byShard.clear()
    this.resumeSources()
  }

  private resumeSources(): void {
    for (const source of [...this.paused]) {
      this.paused.delete(source)
      source.resume()
    }
  }
}
