/** A sink in the place of 'stdout' that keeps what it is given, or behaves as badly as a test wants. */

import type { LedgerRow } from '../../actors/host.ts'
import type { Sink, SinkEntry, SinkOutcome, SinkStatus, Sinks } from '../../actors/sink.ts'
import { TrafficError } from '../../runtime/errors.ts'
import { Occurrences } from './occurrences.ts'

// biome-ignore lint/suspicious/noExplicitAny: tests look into documents
export type LoggedDocument = any

export class MemorySinks implements Sinks, Sink {
  readonly kinds = ['stdout']
  readonly entries: SinkEntry[] = []
  readonly documents = new Occurrences<LoggedDocument>()
  /** What becomes of an entry; undefined: nothing, for as long as `settleAll` is not called. */
  outcome: (index: number) => SinkOutcome | undefined = () => ({ kind: 'stored' })
  readonly isCongested = false
  private readonly unsettled: ((outcome: SinkOutcome) => void)[] = []

  check(kind: string, options: unknown): void {
    const [unknown] = Object.keys((options as object | undefined) ?? {})
    if (kind !== 'stdout') throw new TrafficError('BadOption', `there is no sink '${kind}'`)
    if (unknown !== undefined) throw new TrafficError('BadOption', `sink 'stdout' has no option '${unknown}'`)
  }

  open(): Sink {
    return this
  }

  write(entry: SinkEntry, settled: (outcome: SinkOutcome) => void = () => {}): void {
    this.entries.push(entry)
    const outcome = this.outcome(this.entries.length - 1)
    if (outcome === undefined) this.unsettled.push(settled)
    else settled(outcome)
    this.documents.add(JSON.parse(entry.json.toString()))
  }

  refuse(_entry: SinkEntry, reason: string, settled: (outcome: SinkOutcome) => void = () => {}): void {
    settled({ kind: 'dead-lettered', reason })
  }

  /** Ends the wait of all that waits. */
  settleAll(outcome: SinkOutcome): void {
    for (const settled of this.unsettled.splice(0)) settled(outcome)
  }

  awaitRelief(relieved: () => void): void {
    relieved()
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {}

  rows(): readonly LedgerRow[] {
    return []
  }

  status(): readonly SinkStatus[] {
    return []
  }
}
