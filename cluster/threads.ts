import type { LogRecord } from '../observability/log.ts'
import type { SpanBatch } from '../observability/tracing/span-recorder.ts'
import { type FaultRecord, TrafficError } from '../runtime/errors.ts'
import { MeshExchange } from '../runtime/pool/mesh-exchange.ts'
import { type PoolListener, type PoolThread, ThreadPool } from '../runtime/pool/thread-pool.ts'
import { fromFault } from '../runtime/pool/transfer.ts'
import type { ClusterJoined } from './cluster-notes.ts'
import { Dialogue } from './dialogue.ts'
import type {
  ListeningOn,
  NoteToMain,
  NoteToThread,
  RequestToMain,
  RequestToThread,
  SocketAnswer,
  ThreadSetup,
} from './protocol.ts'
import { SignalRelay } from './signal-relay.ts'

/** One worker thread as the main thread sees it. */
export class ServingThread {
  readonly slot: number
  readonly incarnation: number
  readonly pooled: PoolThread
  readonly dialogue: Dialogue<NoteToThread, RequestToThread, NoteToMain, RequestToMain>
  isReady = false
  /** The load of the script that it runs. */
  generation = 0
  /** What it listens on, as it last said. */
  listeners: readonly ListeningOn[] = []
  hasSources = false

  constructor(pooled: PoolThread, listener: ThreadsListener, note: (note: NoteToMain) => void) {
    this.slot = pooled.slot
    this.incarnation = pooled.incarnation
    this.pooled = pooled
    this.dialogue = new Dialogue(pooled.port, {
      note,
      request: request => listener.acquireSocket(this, request),
    })
  }
}

export interface ThreadsListener {
  /** It has loaded the script and listens. */
  ready(thread: ServingThread): void
  /** It could not use the script; `text` says why. */
  failed(thread: ServingThread, text: string): void
  /** `thread.isReady` still tells whether it had got that far. */
  died(thread: ServingThread, reason: FaultRecord, restartMs: number | undefined): void
  logged(records: readonly LogRecord[]): void
  traced(thread: ServingThread, batch: SpanBatch): void
  /** The script has called `exit`. */
  exitAsked(code: number): void
  /** The script has called `restart`. */
  restartAsked(): void
  acquireSocket(thread: ServingThread, request: RequestToMain): Promise<SocketAnswer>
  /** It has just been started. */
  started(thread: ServingThread): void
  /** It listens for other nodes. */
  joined(thread: ServingThread, note: ClusterJoined): void
}

export interface ThreadsOptions {
  readonly count: number
  /** Asked for whenever a thread starts. */
  readonly setup: () => ThreadSetup
  readonly maxHeapMb?: number | undefined
  /** Arguments for the script. */
  readonly args: readonly string[]
  readonly listener: ThreadsListener
}

/** The worker threads of this process: started, joined in a mesh, replaced when they die, spoken with. */
export class Threads implements PoolListener {
  private readonly pool: ThreadPool<ThreadSetup>
  private readonly exchange: MeshExchange
  private readonly bySlot = new Map<number, ServingThread>()
  private readonly listener: ThreadsListener
  private readonly signals = new SignalRelay(signal => {
    for (const thread of this.ready) thread.dialogue.tell({ kind: 'signal', signal })
  })

  constructor(options: ThreadsOptions) {
    this.listener = options.listener
    this.exchange = new MeshExchange((to, notice, transfer) => this.of(to)?.dialogue.tell(notice, transfer))
    this.pool = new ThreadPool({
      slots: options.count,
      module: new URL('./worker.ts', import.meta.url),
      data: options.setup,
      maxHeapMb: options.maxHeapMb,
      argv: options.args,
      listener: this,
    })
  }

  start(): void {
    this.pool.start()
  }

  /** All that live, starting ones too. */
  get all(): readonly ServingThread[] {
    return [...this.bySlot.values()]
  }

  get ready(): readonly ServingThread[] {
    return this.all.filter(thread => thread.isReady)
  }

  get restarts(): number {
    return this.pool.restarts
  }

  /** Ends a thread that is of no use; another is started, with back-off. */
  replace(thread: ServingThread, reason: string): void {
    this.pool.replace(thread.pooled, reason)
  }

  /** From now on threads that end are not replaced. */
  expectEnd(): void {
    this.pool.expectEnd()
  }

  /** Tells all to stop, and ends those that have not after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.pool.expectEnd()
    this.signals.close()
    for (const thread of this.all) thread.dialogue.tell({ kind: 'stop' })
    await this.pool.close(graceMs)
    for (const thread of this.all) thread.dialogue.close(new TrafficError('ThreadDied', 'the process ends'))
    this.bySlot.clear()
  }

  starting(pooled: PoolThread): void {
    const thread: ServingThread = new ServingThread(pooled, this.listener, note => this.hear(thread, note))
    this.bySlot.set(pooled.slot, thread)
    this.exchange.join(pooled)
    this.listener.started(thread)
  }

  died(pooled: PoolThread, reason: FaultRecord, restartMs: number | undefined): void {
    const thread = this.of(pooled)
    if (thread === undefined) return
    this.bySlot.delete(pooled.slot)
    thread.dialogue.close(fromFault(reason))
    this.exchange.leave(pooled)
    this.listener.died(thread, reason, restartMs)
  }

  private of(pooled: PoolThread): ServingThread | undefined {
    const thread = this.bySlot.get(pooled.slot)
    return thread?.pooled === pooled ? thread : undefined
  }

  private hear(thread: ServingThread, note: NoteToMain): void {
    switch (note.kind) {
      case 'ready':
        thread.generation = note.generation
        thread.listeners = note.listeners
        thread.hasSources = note.hasSources
        thread.isReady = true
        this.pool.confirmReady(thread.pooled)
        this.listener.ready(thread)
        return
      case 'failed':
        this.listener.failed(thread, note.text)
        return
      case 'watch-signal':
        this.signals.watch(note.signal)
        return
      case 'log':
        this.listener.logged(note.records)
        return
      case 'spans':
        this.listener.traced(thread, note.batch)
        thread.dialogue.tell({ kind: 'spans-taken', spans: note.batch.spans })
        return
      case 'cluster-joined':
        this.listener.joined(thread, note)
        return
      case 'exit':
        this.listener.exitAsked(note.code)
        return
      case 'restart':
        this.listener.restartAsked()
        return
    }
  }
}
