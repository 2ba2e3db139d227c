import type { FaultRecord } from '../runtime/errors.ts'
import type { SinkStatus } from './sink.ts'

/** An address that a thread listens on. */
export interface Listening {
  readonly address: string
  readonly port: number
  /** Connections that are open; with UDP, peers. */
  readonly connections: number
}

/** What one thread tells of itself, for the admin API, `--log-level=debug` and tests. */
export interface HostStatus {
  readonly thread: number
  readonly sessions: number
  readonly listeners: readonly Listening[]
  readonly edges: readonly LedgerRow[]
  /** State of the sinks; their ledgers are among the edges. */
  readonly sinks: readonly SinkStatus[]
  readonly deadLetters: number
  /** What waits for the actors of shared pipelines, by pipeline. */
  readonly loads: readonly PipelineLoad[]
}

/** What the actors of a shared pipeline on one thread have before them. */
export interface PipelineLoad {
  readonly pipeline: string
  readonly actors: number
  readonly waiting: number
  /** For how long there has been something that waits, of the actor that is worst. */
  readonly waitingMs: number
}

/** An actor of a shared pipeline, as `sluice actors` shows it. */
export interface ActorRow {
  readonly pipeline: string
  readonly placement: 'node' | 'cluster'
  readonly key: string
  readonly state: 'running' | 'resting' | 'closing'
  /** Messages that wait for it. */
  readonly waiting: number
}

/** The actors of a thread: how many there are of each shared pipeline, and some of them. */
export interface ActorList {
  readonly counts: Readonly<Record<string, number>>
  readonly actors: readonly ActorRow[]
}

/** One edge's ledger: `accepted = delivered + duplicate + deadLettered + dropped{reason} + inFlight`, always. */
export interface LedgerRow {
  readonly from: string
  readonly to: string
  readonly kind:
    | 'fork'
    | 'link'
    | 'mux'
    | 'demux'
    | 'datagrams'
    | 'sink'
    | 'publish'
    | 'subscribe'
    | 'ask'
    | 'stream'
  readonly accepted: number
  readonly delivered: number
  readonly duplicate: number
  readonly deadLettered: number
  readonly dropped: Readonly<Record<string, number>>
  readonly inFlight: number
  /**
   * Of a stream: events that came after another host had had them, who may have done them. Not part of the sum; each is
   * in one of the others as well.
   */
  readonly redelivered?: number | undefined
  readonly lastFault?: FaultRecord | undefined
}
