import { ThreadHost } from '../actors/thread-host.ts'
import { createLogger } from '../observability/log.ts'
import { LogRelay } from '../observability/log-relay.ts'
import { LoopGauge } from '../observability/loop-gauge.ts'
import { CompanionSinks } from '../observability/sinks/companion/companion-sinks.ts'
import { SpanRecorder } from '../observability/tracing/span-recorder.ts'
import { enterInstance } from '../runtime/api/instance.ts'
import { logTargets } from '../runtime/api/logging/target.ts'
import { statsRegistry } from '../runtime/api/stats/registry.ts'
import { monotonicMs } from '../runtime/clock.ts'
import { TrafficError } from '../runtime/errors.ts'
import type { Logger } from '../runtime/log.ts'
import { selectTransport } from '../runtime/net/select.ts'
import type { Transport } from '../runtime/net/transport.ts'
import { Mesh } from '../runtime/pool/mesh.ts'
import type { HostTask } from '../runtime/pool/thread-pool.ts'
import { toFault } from '../runtime/pool/transfer.ts'
import { sharedCells } from '../runtime/shared-cells.ts'
import { allWarm, tokenLessor } from '../runtime/token-lessor.ts'
import { placeAtWork } from '../runtime/trace/place-at-work.ts'
import { Tracer } from '../runtime/trace/tracer.ts'
import { tracing } from '../runtime/trace/tracing.ts'
import { connectNats } from './bus/nats-bus.ts'
import { WaitingBus } from './bus/waiting-bus.ts'
import { ClusterThread } from './cluster-thread.ts'
import { Dialogue } from './dialogue.ts'
import { DurableStreams } from './durable/durable-streams.ts'
import type {
  DrainAnswer,
  ListeningOn,
  NoteToMain,
  NoteToThread,
  ReloadAnswer,
  RequestToMain,
  RequestToThread,
  SocketAnswer,
  ThreadSetup,
  ThreadStatus,
} from './protocol.ts'
import { BucketLessor } from './quota/lessor.ts'
import { explainScript, loadBuilder, prepareGlobals } from './script.ts'

/** How long the main thread may take to give a socket. */
const acquireSocketMs = 10_000
/** How long a thread that is told to stop may take to write the last lines of loggers and documents of sinks: less than it is given to stop. */
const stopFlushMs = 400

/** How long the first tokens of quotas that the cluster shares are waited for: without them a thread would refuse all. */
const quotasMs = 1000

/** The endless task of a worker thread: returns when the main thread says stop. */
export async function host(task: HostTask<ThreadSetup>): Promise<void> {
  const shard = new Shard(task)
  await shard.start()
  await shard.stopped
}

interface Prepared {
  readonly generation: number
  readonly builder: unknown
}

/** The composition root of a worker thread: a full shard of the node, with its own sockets and its own script. */
class Shard {
  readonly stopped: Promise<void>
  private readonly stop: () => void
  private readonly setup: ThreadSetup
  private readonly incarnation: number
  private readonly mesh: Mesh
  private readonly main: Dialogue<NoteToMain, RequestToMain, NoteToThread, RequestToThread>
  private readonly relay: LogRelay
  private readonly log: Logger
  private readonly gauge: LoopGauge
  private readonly spans: SpanRecorder
  private readonly sinks: CompanionSinks
  private readonly cluster: ClusterThread | undefined
  private transport: Transport | undefined
  /** What is to be done at signals of the process. */
  private readonly signals = new Map<string, Set<() => void>>()
  private engine: ThreadHost | undefined
  /** What runs, what is ready to take its place, and what it took the place of. */
  private current: Prepared | undefined
  private prepared: Prepared | undefined
  private previous: Prepared | undefined

  constructor({ slot, incarnation, port, data }: HostTask<ThreadSetup>) {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.stopped = promise
    this.stop = resolve
    this.setup = data
    this.incarnation = incarnation
    this.mesh = new Mesh(slot)
    this.gauge = new LoopGauge(data.measuresDelay)
    this.main = new Dialogue(port, { note: note => this.hear(note), request: request => this.serve(request) })
    this.relay = new LogRelay(records => this.main.tell({ kind: 'log', records }))
    this.log = createLogger({
      level: data.logLevel,
      thread: slot,
      sink: this.relay.sink,
      circumstances: placeAtWork,
    })
    this.cluster = this.joinCluster()
    this.spans = new SpanRecorder(
      batch => this.main.tell({ kind: 'spans', batch }),
      undefined,
      new Int32Array(data.gatheredSpans, slot * 4, 1),
    )
    if (data.tracing !== undefined) tracing.tracer = new Tracer(data.tracing, this.spans)
    this.sinks = new CompanionSinks({
      log: this.log,
      thread: slot,
      threads: data.threads,
      logLevel: data.logLevel,
      tracing: data.tracing,
      relayLog: records => this.main.tell({ kind: 'log', records }),
      relaySpans: batch => this.spans.relay(batch),
    })
    prepareGlobals(this.log)
    sharedCells.attach(data.shared)
    logTargets.diagnostics = this.log
    enterInstance({
      ...data.instance,
      argv: process.argv.slice(2),
      source: data.script,
      thread: { id: slot, concurrency: data.threads },
      exit: code => this.main.tell({ kind: 'exit', code }),
      restart: () => this.main.tell({ kind: 'restart' }),
    })
    // A promise that a script forgot to handle is a fault to tell, not a reason to drop every session of the thread.
    process.on('unhandledRejection', thrown => {
      const { code, message, stack } = toFault(thrown, 'RuntimeError')
      this.log.error(`A promise was rejected and nobody handled it: ${message}`, {
        code,
        source: 'script',
        stack,
      })
    })
  }

  async start(): Promise<void> {
    const { setup } = this
    try {
      const builder = await loadBuilder(setup.script, setup.generation, this.log)
      this.transport = await this.selectTransport()
      await allWarm(quotasMs)
      const engine = new ThreadHost({
        thread: this.mesh.thread,
        threads: setup.threads,
        transport: this.transport,
        acquireSocket: (address, port) => this.acquireSocket(address, port),
        onSignal: (signal, run) => this.onSignal(signal, run),
        mesh: setup.threads > 1 ? this.mesh : undefined,
        cluster: this.cluster,
        subjectSpace: this.cluster?.subjectSpace,
        roles: setup.roles,
        log: this.log,
        sinks: this.sinks,
        script: setup.script,
      })
      if (setup.isVerifyOnly) engine.verify(builder)
      else await engine.start(builder)
      this.engine = engine
      this.current = { generation: setup.generation, builder }
      this.main.tell({
        kind: 'ready',
        generation: setup.generation,
        listeners: this.listeners(),
        hasSources: engine.hasSources,
      })
    } catch (thrown) {
      this.main.tell({ kind: 'failed', text: explainScript(thrown, setup.script) })
    }
  }

  /** Connects to the other nodes, if there are to be any; traffic that needs none of them does not wait for it. */
  private joinCluster(): ClusterThread | undefined {
    const { cluster: settings } = this.setup
    if (settings === undefined || this.setup.isVerifyOnly) return undefined
    const { mesh, log } = this
    const name = `${settings.node}/${mesh.thread}`
    const bus = new WaitingBus(() => connectNats({ settings: settings.nats, name, log }), log)
    const holder = `${this.setup.instance.uuid}/${mesh.thread}/${this.incarnation}`
    tokenLessor.current = new BucketLessor(bus, settings.cluster, holder, this.setup.threads)
    const { cluster, node } = settings
    const part = { bus, cluster, node, thread: mesh.thread, life: this.incarnation, log }
    return new ClusterThread({ ...part, tell: note => this.main.tell(note) }, new DurableStreams(part))
  }

  private onSignal(signal: string, run: () => void): () => void {
    let watchers = this.signals.get(signal)
    if (watchers === undefined) {
      watchers = new Set()
      this.signals.set(signal, watchers)
      this.main.tell({ kind: 'watch-signal', signal })
    }
    watchers.add(run)
    return () => watchers.delete(run)
  }

  private hear(note: NoteToThread): void {
    switch (note.kind) {
      case 'peer-up':
        this.mesh.connect(note.thread, note.incarnation, note.port)
        return
      case 'peer-down':
        this.mesh.disconnect(note.thread, note.incarnation)
        return
      case 'spans-taken':
        this.spans.taken(note.spans)
        return
      case 'signal':
        for (const run of this.signals.get(note.signal) ?? []) run()
        return
      case 'cluster-self':
      case 'cluster-members':
      case 'cluster-lease':
        this.cluster?.hear(note)
        return
      case 'stop':
        this.engine?.stop()
        void this.cluster?.stop()
        this.mesh.close()
        this.gauge.close()
        // What sessions logged while they were cut, and what a thread that did not drain has.
        void Promise.all([this.engine?.closeSinks(stopFlushMs), logTargets.flush(stopFlushMs)])
          .finally(() => this.sinks.stop())
          .finally(() => {
            this.relay.flush()
            this.spans.flush()
            this.stop()
          })
        return
    }
  }

  private serve(request: RequestToThread): unknown {
    switch (request.kind) {
      case 'prepare':
        return this.prepare(request.generation)
      case 'commit':
        return this.commit(request.generation)
      case 'abandon':
        return this.abandon(request.generation)
      case 'drain':
        return this.drain(request.timeoutMs)
      case 'flush':
        return this.flush(request.timeoutMs)
      case 'leave':
        return this.cluster?.drain(request.timeoutMs)
      case 'status':
        return this.status()
      case 'ping':
        return undefined
      case 'actors':
        return this.engine?.actors(request.limit, request.pipeline) ?? { counts: {}, actors: [] }
    }
  }

  /** Loads and checks the script anew; what runs goes on running. */
  private async prepare(generation: number): Promise<ReloadAnswer> {
    try {
      const builder = await loadBuilder(this.setup.script, generation, this.log)
      this.engine?.verify(builder)
      this.prepared = { generation, builder }
      return this.answer(undefined)
    } catch (thrown) {
      return this.answer(explainScript(thrown, this.setup.script))
    }
  }

  private async commit(generation: number): Promise<ReloadAnswer> {
    const { prepared } = this
    if (this.engine === undefined || prepared?.generation !== generation)
      return this.answer(`generation ${generation} of the script was not prepared`)
    this.prepared = undefined
    return this.switchTo(prepared)
  }

  private async abandon(generation: number): Promise<ReloadAnswer> {
    this.prepared = undefined
    if (this.current?.generation !== generation || this.previous === undefined) return this.answer(undefined)
    return this.switchTo(this.previous)
  }

  private async switchTo(next: Prepared): Promise<ReloadAnswer> {
    try {
      await this.engine?.reload(next.builder)
      this.previous = this.current
      this.current = next
      return this.answer(undefined)
    } catch (thrown) {
      return this.answer(explainScript(thrown, this.setup.script))
    }
  }

  private async drain(timeoutMs: number): Promise<DrainAnswer> {
    await this.engine?.drain(timeoutMs)
    return { cut: this.engine?.status().sessions ?? 0 }
  }

  /** Shared pipelines and loggers write what they have. */
  private async flush(timeoutMs: number): Promise<void> {
    const startedMs = monotonicMs()
    await this.engine?.flush(timeoutMs)
    await logTargets.flush(Math.max(stopFlushMs, startedMs + timeoutMs - monotonicMs()))
    // The answer comes behind them, so that the main thread has them when it lets go of the thread.
    this.spans.flush()
  }

  private status(): ThreadStatus {
    if (this.engine === undefined) throw new TrafficError('Overloaded', 'the thread is still starting')
    return {
      ...this.engine.status(),
      incarnation: this.incarnation,
      generation: this.current?.generation ?? 0,
      transport: this.transport?.name ?? 'none',
      heapBytes: process.memoryUsage().heapUsed,
      stats: statsRegistry.snapshot(),
      ...this.gauge.read(),
    }
  }

  private answer(failure: string | undefined): ReloadAnswer {
    return {
      failure,
      generation: this.current?.generation ?? 0,
      listeners: this.listeners(),
      hasSources: this.engine?.hasSources ?? false,
    }
  }

  private listeners(): readonly ListeningOn[] {
    const listeners = this.engine?.status().listeners ?? []
    return listeners.map(({ address, port }) => ({ address, port }))
  }

  private async selectTransport(): Promise<Transport> {
    const { transport, fallbackReason } = await selectTransport(this.setup.transport)
    if (fallbackReason !== undefined)
      this.log.warn(`The fast transport does not work here, node:net is used: ${fallbackReason}`, {
        code: 'TransportFallback',
      })
    return transport
  }

  private acquireSocket(address: string, port: number): Promise<SocketAnswer> {
    const { reusePort } = this.setup
    return this.main.ask({ kind: 'acquire-socket', address, port, reusePort }, acquireSocketMs)
  }
}
