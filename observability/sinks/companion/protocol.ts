/**
 * What a thread that carries traffic and its companion, which hosts its sinks, say to each other.
 *
 *     traffic                               companion
 *      │ ── open{sink} ──────────────────────► │ once per place in the script, and again to each new companion
 *      │ ◄───────── unopened{sink, reason} ─── │ it could not be, although its options had been checked
 *      │ ── form{form, sink} ────────────────► │ how documents of one place are made
 *      │ ── entries{memory} ─────────────────► │ many at a time, see `entry-bytes.ts`
 *      │ ◄──────────── report{sinks} ───────── │ what became of them, many at a time; and how the sinks are
 *      │ ── flush | close{call, limitMs} ────► │
 *      │ ◄──────────── done{call} ──────────── │ behind the report of all that it settled
 *      │ ◄──────────── log, spans ──────────── │ on their way to the main thread
 */

import type { DocumentForm } from '../../../actors/filters/traffic/document-renderer.ts'
import type { LedgerRow } from '../../../actors/host.ts'
import type { SinkOutcome, SinkStatus } from '../../../actors/sink.ts'
import type { LogThreshold } from '../../../runtime/log.ts'
import type { TracePolicy } from '../../../runtime/trace/tracer.ts'
import type { LogRecord } from '../../log.ts'
import type { SpanBatch } from '../../tracing/span-recorder.ts'

/** What a companion is told when it starts. */
export interface CompanionSetup {
  /** The thread whose companion it is, of how many. */
  readonly thread: number
  readonly threads: number
  readonly logLevel: LogThreshold
  /** What is traced; undefined: nothing. */
  readonly tracing: TracePolicy | undefined
}

export type ToCompanion =
  | {
      readonly kind: 'open'
      readonly sink: number
      readonly type: string
      readonly options: unknown
      readonly place: string
    }
  | { readonly kind: 'form'; readonly form: number; readonly sink: number; readonly layout: DocumentForm }
  | { readonly kind: 'entries'; readonly memory: ArrayBuffer; readonly bytes: number }
  | {
      readonly kind: 'flush' | 'close'
      readonly sink: number
      readonly limitMs: number
      readonly call: number
    }

export type FromCompanion =
  /** `memory` has been read, and is given back to be used again. */
  | {
      readonly kind: 'report'
      readonly sinks: readonly SinkReport[]
      readonly memory: readonly ArrayBuffer[]
    }
  /** It could not be opened, and takes nothing. */
  | { readonly kind: 'unopened'; readonly sink: number; readonly reason: string }
  | { readonly kind: 'done'; readonly call: number }
  | { readonly kind: 'log'; readonly records: readonly LogRecord[] }
  | { readonly kind: 'spans'; readonly batch: SpanBatch }

/** Entries with one outcome. */
export interface Tally {
  readonly form: number
  readonly outcome: SinkOutcome
  readonly entries: number
}

/** Entries that were numbered one after the other, and had one outcome. */
export interface Run {
  readonly first: number
  readonly entries: number
  readonly outcome: SinkOutcome
}

export interface SinkReport {
  readonly sink: number
  /** What the sink has taken since the last report. */
  readonly takenEntries: number
  readonly takenBytes: number
  /** The ledger that the companion keeps. */
  readonly row: LedgerRow
  readonly status: SinkStatus
  readonly isCongested: boolean
  readonly isRelieved: boolean
  /** Of entries that were noted, since the last report. */
  readonly tallies: readonly Tally[]
  /** Of entries that someone wants to hear of, since the last report. */
  readonly runs: readonly Run[]
}
