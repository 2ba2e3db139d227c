/**
 * Where traffic logs go, as filters see it. The sinks themselves are in `observability/sinks/`; the thread hands them in
 * (`Surroundings.sinks`), because this floor knows neither Elasticsearch nor files. A filter takes one by
 * `program.sinkPlace(…)`.
 */

import type { Buffer } from 'node:buffer'
import type { DocumentForm } from './filters/traffic/document-renderer.ts'
import type { ExchangeRecord } from './filters/traffic/exchange-record.ts'
import type { LedgerRow } from './host.ts'

/** One document on its way to a sink. */
export interface SinkEntry {
  /** Stable over retries and redeliveries: a sink that can tells by it what it has already. */
  readonly id: string
  /** When it happened, milliseconds since the epoch. */
  readonly timeMs: number
  /** The document as UTF-8: one JSON object, in one line without its end. Nobody changes these bytes. */
  readonly json: Buffer
  /** 32 and 16 lower-case hex digits, when the exchange was traced. */
  readonly traceId?: string | undefined
  readonly spanId?: string | undefined
  /** Where in a trace it stands, when that is recorded: the request that writes it is linked to it. */
  readonly trace?: string | undefined
}

/** What became of an entry. Each one gets exactly one of these. */
export type SinkOutcome =
  | { readonly kind: 'stored' }
  /** The sink had it already. */
  | { readonly kind: 'duplicate' }
  /** The sink will never take it; it was put aside with the reason. */
  | { readonly kind: 'dead-lettered'; readonly reason: string }
  /** Given up: no room, or the process ended. */
  | { readonly kind: 'dropped'; readonly reason: string }

/** Takes exchanges of one form to one sink, of which documents are made elsewhere. */
export interface Notebook {
  /** The record may be used for something else as soon as it returns. Neither throws nor waits. */
  write(record: ExchangeRecord): void
}

/**
 * Takes entries and writes them when and as it can. `write` neither throws nor waits: what there is no room for is
 * dropped, counted and told. Its ledger balances at any moment.
 */
export interface Sink {
  /** @param settled told once, in this turn or later */
  write(entry: SinkEntry, settled?: (outcome: SinkOutcome) => void): void
  /** Puts aside what is no document (`json` is then any bytes), with the reason. Counted like any other entry. */
  refuse(entry: SinkEntry, reason: string, settled?: (outcome: SinkOutcome) => void): void
  /**
   * Only of sinks that another thread hosts, which then makes the documents: what is written in the notebook is an entry like any
   * other. Its outcomes come in numbers.
   */
  openNotebook?(form: DocumentForm, settled: (outcome: SinkOutcome, entries: number) => void): Notebook
  /** So much waits that whoever can wait should: `awaitRelief` tells when. */
  readonly isCongested: boolean
  awaitRelief(relieved: () => void): void
  /** Writes at once what it has been given so far. Resolves when all of that is settled, or after `limitMs`. */
  flush(limitMs: number): Promise<void>
  /** Writes all it has, takes no more. Resolves when that is settled, or after `limitMs`, which drops the rest. */
  close(limitMs: number): Promise<void>
}

/** The state of one sink beside its ledger, whose row has the same `to` and `from`. */
export interface SinkStatus {
  /** The place in the script that writes to it. */
  readonly from: string
  /** Its kind and where it leads, like `elasticsearch es1:9200`. */
  readonly to: string
  /** Entries that are not settled. */
  readonly waiting: number
  /** Bytes that they take in memory and on disk. */
  readonly memoryBytes: number
  readonly diskBytes: number
  readonly requestsInFlight: number
  /** How many may be in flight just now. */
  readonly window: number
  /** Since the thread started. */
  readonly requests: number
  /** Requests that stored nothing and were (or will be) made again. */
  readonly failedRequests: number
  /** Entries that were refused for now and written again. */
  readonly retriedEntries: number
  readonly sentBytes: number
  /** Entries that an earlier process left on disk. */
  readonly recovered: number
  /** Why nothing can be written at present; undefined: all is well. */
  readonly trouble?: string | undefined
}

/** The sinks of a thread. */
export interface Sinks {
  /** Names of the kinds there are: 'elasticsearch', 'file', … */
  readonly kinds: readonly string[]
  /** Checks options without opening anything. @throws TrafficError `BadOption` */
  check(kind: string, options: unknown): void
  /** One sink per place in the script. @throws TrafficError `BadOption` */
  open(kind: string, options: unknown, place: string): Sink
  /** Their ledgers: those of one place go on over reloads of the script. */
  rows(): readonly LedgerRow[]
  status(): readonly SinkStatus[]
}

/** A place in a script that writes to a sink: checked when the script is read, open while it runs. */
export class SinkPlace {
  private readonly sinks: Sinks
  private readonly kind: string
  private readonly options: unknown
  /** Where in the script it is. */
  readonly name: string
  private opened: Sink | null = null

  /** @throws TrafficError `BadOption` */
  constructor(sinks: Sinks, kind: string, options: unknown, name: string) {
    sinks.check(kind, options)
    this.sinks = sinks
    this.kind = kind
    this.options = options
    this.name = name
  }

  /** Opens it, unless it is: what an earlier process left on disk is written from then on. */
  get sink(): Sink {
    this.opened ??= this.sinks.open(this.kind, this.options, this.name)
    return this.opened
  }

  /** The sink, if it was opened. */
  get current(): Sink | null {
    return this.opened
  }
}
