import type { FaultRecord } from '../runtime/errors.ts'

/** What one thread tells of itself, for the admin API, `--log-level=debug` and tests. */
export interface HostStatus {
  readonly thread: number
  readonly sessions: number
  readonly listeners: readonly {
    readonly address: string
    readonly port: number
    readonly connections: number
  }[]
  readonly edges: readonly LedgerRow[]
  readonly deadLetters: number
}

/** One edge's ledger: `accepted = delivered + duplicate + deadLettered + dropped{reason} + inFlight`, always. */
export interface LedgerRow {
  readonly from: string
  readonly to: string
  readonly kind: 'fork' | 'link' | 'mux' | 'demux'
  readonly accepted: number
  readonly delivered: number
  readonly duplicate: number
  readonly deadLettered: number
  readonly dropped: Readonly<Record<string, number>>
  readonly inFlight: number
  readonly lastFault?: FaultRecord | undefined
}
