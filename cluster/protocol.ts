/**
 * What the main thread and a worker thread say to each other, over the channel that the thread pool gives each pair.
 * All of it is plain data (and ports).
 *
 *     main                                   thread
 *      │ ── HostTask<ThreadSetup> ────────────► │ loads the script, listens
 *      │ ◄──────────────── acquire-socket ───── │ once per port it listens on
 *      │ ◄──────────── ready | failed ───────── │
 *      │ ── prepare{generation} ──────────────► │ reload, first half: loads and checks the script anew
 *      │ ── commit | abandon ─────────────────► │ second half: switches to it, or forgets it
 *      │ ── drain{timeoutMs} ─────────────────► │ stops accepting, finishes its sessions
 *      │ ── flush{timeoutMs} ─────────────────► │ when all have drained: shared pipelines write what they have
 *      │ ── leave{timeoutMs} ─────────────────► │ what it has on its way to other nodes arrives
 *      │ ── stop ─────────────────────────────► │ the host task returns
 */
import type { HostStatus } from '../actors/host.ts'
import type { LogRecord } from '../observability/log.ts'
import type { LoopReading } from '../observability/loop-gauge.ts'
import type { SpanBatch } from '../observability/tracing/span-recorder.ts'
import type { MetricSnapshot } from '../runtime/api/stats/registry.ts'
import type { LogThreshold } from '../runtime/log.ts'
import type { MeshNotice } from '../runtime/pool/mesh-exchange.ts'
import type { TracePolicy } from '../runtime/trace/tracer.ts'
import type { ClusterJoined, ClusterNote } from './cluster-notes.ts'
import type { ClusterSettings } from './settings.ts'

export type TransportChoice = 'auto' | 'net'

/** What a thread is told when it starts. */
export interface ThreadSetup {
  readonly threads: number
  /** Absolute path. */
  readonly script: string
  /** Counts the loads of the script in this process, from 1. */
  readonly generation: number
  readonly transport: TransportChoice
  readonly reusePort: boolean
  readonly logLevel: LogThreshold
  /** Load and check the script, run nothing, and stop. */
  readonly isVerifyOnly: boolean
  /** Whether to measure event-loop delay; it wakes an idle thread 50 times a second. */
  readonly measuresDelay: boolean
  /** What the process is among others. */
  readonly instance: { readonly name: string; readonly uuid: string }
  /** What is traced; undefined: nothing. */
  readonly tracing: TracePolicy | undefined
  /** Memory that all threads see, for what they count together. */
  readonly shared: SharedArrayBuffer
  /** By slot: spans that a thread has and has not handed over yet. */
  readonly gatheredSpans: SharedArrayBuffer
  /** What the node is there for; undefined: for everything. */
  readonly roles?: readonly string[] | undefined
  /** The cluster that it is one of; undefined: it is alone. */
  readonly cluster?: ClusterSettings | undefined
}

export interface ListeningOn {
  readonly address: string
  readonly port: number
}

export type NoteToThread =
  | MeshNotice
  | { readonly kind: 'stop' }
  | { readonly kind: 'spans-taken'; readonly spans: number }
  /** The process got a signal that the thread asked for. */
  | { readonly kind: 'signal'; readonly signal: string }
  | ClusterNote

export type NoteToMain =
  | {
      readonly kind: 'ready'
      readonly generation: number
      readonly listeners: readonly ListeningOn[]
      /** False when the script neither listens nor has tasks: there is nothing to wait for. */
      readonly hasSources: boolean
    }
  /** The script cannot be used; `text` is for a terminal: file, line, the line itself, what to do. */
  | { readonly kind: 'failed'; readonly text: string }
  | { readonly kind: 'log'; readonly records: readonly LogRecord[] }
  /** Spans that have ended. Answered with `spans-taken`, which gives the thread room for as many. */
  | { readonly kind: 'spans'; readonly batch: SpanBatch }
  /** The script asks for the end of the process, or to be loaded anew. */
  | { readonly kind: 'exit'; readonly code: number }
  | { readonly kind: 'restart' }
  /** The script has a task for this signal: tell when the process gets it. */
  | { readonly kind: 'watch-signal'; readonly signal: string }
  | ClusterJoined

export type RequestToThread =
  /** Answer: ReloadAnswer */
  | { readonly kind: 'prepare'; readonly generation: number }
  /** Answer: ReloadAnswer. Goes back to the old script by itself when it fails. */
  | { readonly kind: 'commit'; readonly generation: number }
  /** Forgets what was prepared; when it was committed already, goes back to the script before. Answer: ReloadAnswer */
  | { readonly kind: 'abandon'; readonly generation: number }
  /** Answer: DrainAnswer */
  | { readonly kind: 'drain'; readonly timeoutMs: number }
  /** Answer: nothing. Pipelines that threads share may only end when no thread sends to them any more. */
  | { readonly kind: 'flush'; readonly timeoutMs: number }
  /** Answer: nothing. Messages of this thread that are on their way to other nodes, and theirs to it, have arrived. */
  | { readonly kind: 'leave'; readonly timeoutMs: number }
  /** Answer: ThreadStatus */
  | { readonly kind: 'status' }
  /** Answer: nothing, but that there is one. */
  | { readonly kind: 'ping' }
  /** Answer: ActorList */
  | { readonly kind: 'actors'; readonly limit: number; readonly pipeline?: string | undefined }

export type RequestToMain =
  /** Answer: SocketAnswer */
  {
    readonly kind: 'acquire-socket'
    readonly address: string
    readonly port: number
    readonly reusePort: boolean
  }

export interface ReloadAnswer {
  /** Why the script cannot be used, for a terminal; undefined: it can. */
  readonly failure: string | undefined
  /** The load of the script that the thread runs now. */
  readonly generation: number
  /** What the thread listens on now. */
  readonly listeners: readonly ListeningOn[]
  readonly hasSources: boolean
}

export interface DrainAnswer {
  /** Sessions that were still open when the time was over, and were closed. */
  readonly cut: number
}

export interface SocketAnswer {
  /** A bound and listening socket, kept open by the main thread; undefined: the thread makes its own. */
  readonly fd?: number | undefined
  readonly port: number
}

export interface ThreadStatus extends HostStatus, LoopReading {
  readonly incarnation: number
  readonly generation: number
  readonly transport: string
  readonly heapBytes: number
  /** Metrics that the script declared in this thread. */
  readonly stats: readonly MetricSnapshot[]
}
