/** The broker's side of buckets in memory: keys with revisions, agreed on because one thread keeps them. */

import type { BucketEntry, BucketOptions } from '../../cluster/bus/bus.ts'
import { wallMs } from '../../runtime/clock.ts'

interface Held extends BucketEntry {
  readonly timeMs: number
}

export class MemoryBucket {
  private readonly options: BucketOptions
  /** The last of each key, the deleted ones too. */
  private readonly held = new Map<string, Held>()
  private readonly watchers = new Set<(entry: BucketEntry) => void>()
  private revision = 0

  constructor(options: BucketOptions) {
    this.options = options
  }

  get(key: string): BucketEntry | undefined {
    this.sweep()
    const entry = this.held.get(key)
    return entry?.value === undefined ? undefined : entry
  }

  put(key: string, value: Uint8Array): number {
    return this.write(key, value)
  }

  create(key: string, value: Uint8Array): number | undefined {
    return this.get(key) === undefined ? this.write(key, value) : undefined
  }

  update(key: string, value: Uint8Array, revision: number): number | undefined {
    this.sweep()
    return this.held.get(key)?.revision === revision ? this.write(key, value) : undefined
  }

  delete(key: string, revision: number | undefined): boolean {
    this.sweep()
    if (revision !== undefined && this.held.get(key)?.revision !== revision) return false
    this.write(key, undefined)
    return true
  }

  keys(): string[] {
    this.sweep()
    return [...this.held.values()].filter(({ value }) => value !== undefined).map(({ key }) => key)
  }

  /** All there is, oldest first, with what was deleted. */
  all(): BucketEntry[] {
    this.sweep()
    return [...this.held.values()].sort((a, b) => a.revision - b.revision)
  }

  watch(watcher: (entry: BucketEntry) => void): () => void {
    this.watchers.add(watcher)
    return () => this.watchers.delete(watcher)
  }

  private write(key: string, value: Uint8Array | undefined): number {
    const entry = { key, value, revision: ++this.revision, timeMs: wallMs() }
    this.held.set(key, entry)
    for (const watcher of this.watchers) watcher(entry)
    return entry.revision
  }

  /** What is too old goes without a word. */
  private sweep(): void {
    const { maxAgeMs } = this.options
    if (maxAgeMs === undefined) return
    for (const { key, timeMs } of this.held.values()) if (timeMs + maxAgeMs <= wallMs()) this.held.delete(key)
  }
}
