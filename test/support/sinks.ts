/** Sinks under test: opened as a thread opens them, with a record of what became of each entry. */

import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { Sink, SinkEntry, SinkOutcome } from '../../actors/sink.ts'
import { encodeFrame } from '../../observability/sinks/disk/frame.ts'
import { ThreadSinks } from '../../observability/sinks/thread-sinks.ts'
import { Occurrences } from './occurrences.ts'
import { type LogLine, recordingLog } from './recording-log.ts'

export class TestSink {
  readonly sinks: ThreadSinks
  readonly sink: Sink
  readonly outcomes = new Map<string, SinkOutcome[]>()
  readonly settled = new Occurrences<string>()
  readonly logs = new Occurrences<LogLine>()
  given = 0

  constructor(kind: string, options: object, thread = 0, threads = 1) {
    this.sinks = new ThreadSinks({ log: recordingLog(this.logs), thread, threads })
    this.sink = this.sinks.open(kind, options, 'test.sink')
  }

  write(...entries: SinkEntry[]): void {
    for (const entry of entries) {
      this.given++
      this.sink.write(entry, outcome => {
        const before = this.outcomes.get(entry.id) ?? []
        this.outcomes.set(entry.id, [...before, outcome])
        this.settled.add(entry.id)
      })
    }
  }

  /** Ledger of all it was given. */
  get row() {
    const [row] = this.sinks.rows()
    if (row === undefined) throw new Error('the sink has no ledger')
    return row
  }

  get status() {
    return this.sinks.status()[0]
  }

  get dropped(): number {
    return Object.values(this.row.dropped).reduce((sum, count) => sum + count, 0)
  }

  get isBalanced(): boolean {
    const { accepted, delivered, duplicate, deadLettered, inFlight } = this.row
    return accepted === delivered + duplicate + deadLettered + this.dropped + inFlight
  }

  /** How many entries had each kind of outcome; entries with none or several are counted as such. */
  count(ids: Iterable<string> = this.outcomes.keys()): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const id of ids) {
      const outcomes = this.outcomes.get(id) ?? []
      const name = outcomes.length === 1 ? (outcomes[0] as SinkOutcome).kind : `${outcomes.length} outcomes`
      counts[name] = (counts[name] ?? 0) + 1
    }
    return counts
  }

  /** Why an entry was not stored. */
  reasonOf(id: string): string {
    const [outcome] = this.outcomes.get(id) ?? []
    return outcome !== undefined && 'reason' in outcome ? outcome.reason : ''
  }

  /** Resolves when so many entries are settled. */
  async untilSettled(entries: number): Promise<void> {
    while (this.settled.seen.length < entries) await this.settled.next()
  }
}

/** Opens one; it is closed when the test is over. */
export function openSink(t: ExecutionContext, kind: string, options: object): TestSink {
  const opened = new TestSink(kind, options)
  t.teardown(() => opened.sink.close(0))
  return opened
}

/** Documents of traffic in small, with ids from `first` on. */
export const entries = (count: number, first = 0, more: object = {}): SinkEntry[] =>
  Array.from({ length: count }, (_, i) => {
    const id = `id-${first + i}`
    const timeMs = 1_795_000_000_000 + first + i
    return {
      id,
      timeMs,
      json: Buffer.from(
        JSON.stringify({
          '@timestamp': new Date(timeMs).toISOString(),
          event: { id },
          n: first + i,
          ...more,
        }),
      ),
    }
  })

const segmentsIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.segment'))

/** Bytes that wait in the folder of a disk buffer. */
export const bufferedBytes = (folder: string): number =>
  segmentsIn(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)

/** Gives documents no faster than the disk buffer takes them. `look` is called after each. */
export async function writeAtDiskSpeed(
  sink: Sink,
  folder: string,
  documents: readonly SinkEntry[],
  look: () => void = () => {},
): Promise<void> {
  let bytes = 0
  for (const [i, entry] of documents.entries()) {
    sink.write(entry)
    look()
    bytes += encodeFrame(entry).length
    if (i % 50 === 49 || i === documents.length - 1)
      while (bufferedBytes(folder) < bytes) await new Promise(resolve => setImmediate(resolve))
  }
}
