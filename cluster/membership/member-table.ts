import { monotonicMs } from '../../runtime/clock.ts'
import type { BucketEntry } from '../bus/bus.ts'
import { decodeMember, type Member } from './member.ts'

interface Row {
  readonly key: string
  readonly member: Member
  readonly revision: number
  /** When we saw this revision come. Never what the node itself says: clocks of machines differ. */
  readonly seenMs: number
}

/** An entry whose node has been silent for too long. */
export interface DeadEntry {
  readonly key: string
  readonly revision: number
  readonly member: Member
}

/**
 * The nodes of a cluster as one of them sees them. An entry lives for as long as its revisions go on coming: its age is
 * the time since we saw the last one, on our own clock.
 */
export class MemberTable {
  private readonly rows = new Map<string, Row>()
  private readonly deathMs: number
  private lastLookMs = monotonicMs()
  /** When we last heard of anybody, ourselves included. */
  heardMs = monotonicMs()

  constructor(deathMs: number) {
    this.deathMs = deathMs
  }

  /** What the bucket says of a key. True when the nodes have changed, and not only their age. */
  note({ key, value, revision }: BucketEntry): boolean {
    this.heardMs = monotonicMs()
    const before = this.rows.get(key)
    // One that has aged out is told with the revision that it had, below zero.
    if (before !== undefined && before.revision >= Math.abs(revision) && revision >= 0) return false
    const member = value === undefined ? undefined : decodeMember(value)
    // Who writes under another name than his own would have the keys of two.
    if (member?.name !== key) return this.rows.delete(key)
    this.rows.set(key, { key, member, revision, seenMs: monotonicMs() })
    return before === undefined || JSON.stringify(before.member) !== JSON.stringify(member)
  }

  /**
   * Looks for the dead, and forgets them. To be called at every heartbeat: when we ourselves were stopped, or heard
   * nothing for other reasons of ours, that time does not count against the others.
   *
   * @param isDeaf we have no connection, so that silence says nothing
   */
  sweep(isDeaf: boolean, expectedMs: number): readonly DeadEntry[] {
    const nowMs = monotonicMs()
    const sinceMs = nowMs - this.lastLookMs
    this.lastLookMs = nowMs
    // Everybody gets the whole time again: they may need it to find the way back as well.
    const isNew = isDeaf || sinceMs > 2 * expectedMs
    const dead: DeadEntry[] = []
    for (const [key, row] of this.rows) {
      if (isNew) this.rows.set(key, { ...row, seenMs: nowMs })
      else if (nowMs - row.seenMs > this.deathMs) {
        this.rows.delete(key)
        dead.push(row)
      }
    }
    return dead
  }

  /** By name, so that all nodes have the same order. */
  get members(): readonly Member[] {
    return [...this.rows.values()]
      .map(({ member }) => member)
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  }
}
