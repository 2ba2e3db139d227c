import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { createLogger, type LogRecord, type LogSink } from '../observability/log.ts'
import type { TelemetrySettings } from '../observability/otlp/settings.ts'
import { Telemetry } from '../observability/telemetry.ts'
import type { SpanBatch } from '../observability/tracing/span-recorder.ts'
import { monotonicMs, wallMs } from '../runtime/clock.ts'
import { type FaultRecord, faults, TrafficError } from '../runtime/errors.ts'
import type { Logger, LogThreshold } from '../runtime/log.ts'
import { formatAddress } from '../runtime/net/address.ts'
import { ListeningSockets } from '../runtime/net/listening-sockets.ts'
import { SharedCells } from '../runtime/shared-cells.ts'
import { AdminServer } from './admin/admin.ts'
import {
  type NodeStatus,
  type NodeView,
  readActors,
  readNode,
  type ThreadActors,
} from './admin/node-status.ts'
import { readReadiness } from './admin/readiness.ts'
import { StatsArchive } from './admin/stats-archive.ts'
import { connectNats } from './bus/nats-bus.ts'
import { WaitingBus } from './bus/waiting-bus.ts'
import { ClusterNode } from './cluster-node.ts'
import type { ClusterJoined } from './cluster-notes.ts'
import type {
  DrainAnswer,
  ListeningOn,
  RequestToMain,
  RequestToThread,
  SocketAnswer,
  ThreadSetup,
  TransportChoice,
} from './protocol.ts'
import { reloadThreads } from './reload.ts'
import type { ClusterSettings } from './settings.ts'
import { type ServingThread, Threads, type ThreadsListener } from './threads.ts'
import { packageVersion } from './version.ts'
import { NodeViews } from './views/node-views.ts'

export interface NodeOptions {
  /** Absolute path. */
  readonly script: string
  /** Arguments for the script. */
  readonly args: readonly string[]
  readonly threads: number
  readonly transport: TransportChoice
  readonly reusePort: boolean
  readonly logLevel: LogThreshold
  /** Sessions that are not done by then are cut when the node stops. */
  readonly drainTimeoutMs: number
  readonly admin?: { readonly address: string; readonly port: number } | undefined
  /** What the node is there for; undefined: for everything. */
  readonly roles?: readonly string[] | undefined
  /** The cluster to be one of; undefined: it is alone. */
  readonly cluster?: ClusterSettings | undefined
  /** What leaves the process by OpenTelemetry's protocol; undefined: nothing. */
  readonly telemetry?: TelemetrySettings | undefined
  /** The release that runs, for telemetry. */
  readonly version?: string | undefined
  /** Limit of each thread's heap, in MB. Default: V8's own. */
  readonly maxHeapMb?: number | undefined
  /** Called when the script asks for the end of the process. */
  readonly onExit?: ((code: number) => void) | undefined
  /** Takes what all threads have to say. */
  readonly sink: LogSink
}

/** Why a node did not start, ready for a terminal. */
export class StartFailure extends Error {}

export interface DrainReport {
  /** Sessions that were not done in time and were closed. */
  readonly cut: number
  /** Threads that died, or did not answer, while they drained. */
  readonly lostThreads: number
}

type Stage = 'starting' | 'serving' | 'draining' | 'stopped'

/** What a thread may need, beyond the time to drain, to say that it is done. */
const answerMs = 1000
/** What shared pipelines have to write what they gathered: some time however long the sessions took, and no more than enough. */
const flushMs = { least: 500, most: 5000 }
/** What messages between nodes have to arrive once the sessions are done. */
const leaveMs = 5000
/** What a collector may need to take the last of what was measured. */
const lastExportMs = 2000
/** What a thread may need to end once it was told to. */
const stopMs = 1000

/**
 * A Sluice process: the main thread, which carries no traffic, and the worker threads, which carry all of it.
 *
 *     up, as in start()                            down, in reverse order, as in drain() and halt()
 *     1 openAdmin       healthy, not ready         closeAdmin
 *     2 cluster.start   seen by the other nodes    cluster.leave
 *     3 views.start     tells commands of itself   views.stop
 *     4 threads.start   each loads the script      threads.stop
 *     5 awaitThreads    all of them listen         drainThreads
 *     6 announce        ready                      renounce: not ready any more, keys move to other nodes
 *
 * Ports outlive threads: their sockets are held here from the first request for one until `halt` has stopped the threads.
 */
export class TrafficNode implements ThreadsListener {
  private readonly options: NodeOptions
  private readonly log: Logger
  private readonly sockets = new ListeningSockets()
  private readonly stats = new StatsArchive()
  private readonly instance: ThreadSetup['instance']
  private readonly shared = SharedCells.allocate()
  private readonly gatheredSpans: Int32Array<SharedArrayBuffer>
  private readonly threads: Threads
  private readonly firstReady = Promise.withResolvers<void>()
  private readonly startedMs = monotonicMs()
  private readonly cluster: ClusterNode | undefined
  /** What tells `sluice nodes|actors|edges` of this node. */
  private readonly views: NodeViews | undefined
  private readonly telemetry: Telemetry | undefined
  /** Takes what all have to say: to be written, and to be exported if that is wanted. */
  private readonly sink: LogSink
  private admin: AdminServer | undefined
  private stage: Stage = 'starting'
  /** The load of the script that the threads run, or are to run when they start. */
  private generation = 1
  /** How often it was loaded, failures included. */
  private loads = 1
  private reloading: Promise<string | undefined> = Promise.resolve(undefined)
  private lostThreads = 0
  /** Addresses of which the main thread keeps sockets. */
  private readonly held = new Map<string, ListeningOn>()
  /** Addresses that a person was told of. */
  private announced = new Set<string>()

  constructor(options: NodeOptions) {
    this.options = options
    this.instance = { name: options.cluster?.node ?? hostname(), uuid: randomUUID() }
    this.telemetry = this.makeTelemetry()
    this.gatheredSpans = new Int32Array(new SharedArrayBuffer(options.threads * 4))
    const exported = this.telemetry?.sink
    this.sink = record => {
      options.sink(record)
      exported?.(record)
    }
    this.log = createLogger({ level: options.logLevel, sink: this.sink })
    this.threads = new Threads({
      count: options.threads,
      setup: () => this.threadSetup(),
      maxHeapMb: options.maxHeapMb,
      args: options.args,
      listener: this,
    })
    this.cluster = this.makeCluster()
    this.views = this.cluster && this.makeViews(this.cluster)
    // `start` may not have come to the point of waiting for it when it fails.
    this.firstReady.promise.catch(() => {})
  }

  /** Resolves when all threads serve. Rejects with StartFailure when the script cannot be used; nothing is left then. */
  async start(): Promise<void> {
    try {
      await this.openAdmin()
      this.cluster?.start()
      this.views?.start()
      this.threads.start()
      await this.awaitThreads()
      this.announce()
      this.telemetry?.readMetrics(async () => (await this.read()).metrics)
    } catch (error) {
      await this.halt()
      throw error
    }
  }

  /** False when the script neither listens nor has tasks. */
  get hasSources(): boolean {
    return this.threads.all.some(thread => thread.hasSources)
  }

  /** Loads the script anew in all threads. Returns why not, and then all run the old one; undefined when it is done. */
  reload(): Promise<string | undefined> {
    this.reloading = this.reloading.then(() => this.reloadNow())
    return this.reloading
  }

  /** Stops accepting, lets sessions finish for at most the drain time-out, and ends all threads. */
  async drain(): Promise<DrainReport> {
    await this.renounce()
    const cut = await this.drainThreads()
    await this.halt()
    return { cut, lostThreads: this.lostThreads }
  }

  /** Ends all threads at once, cutting what they are at. */
  async halt(): Promise<void> {
    this.stage = 'stopped'
    await this.threads.stop(stopMs)
    this.views?.stop()
    await this.cluster?.leave()
    this.sockets.close()
    await this.telemetry?.close(lastExportMs)
    await this.closeAdmin()
  }

  async status(): Promise<NodeStatus> {
    return (await this.read()).status
  }

  private read(): Promise<NodeView> {
    return readNode({
      threads: this.threads,
      stats: this.stats,
      threadCount: this.options.threads,
      stage: this.stage,
      generation: this.generation,
      upMs: monotonicMs() - this.startedMs,
      cluster: this.cluster,
      telemetry: this.telemetry?.status,
    })
  }

  /** Where the admin server listens. */
  get adminPort(): number | undefined {
    return this.admin?.port
  }

  private makeCluster(): ClusterNode | undefined {
    const { cluster: settings, threads } = this.options
    if (settings === undefined) return undefined
    const { log } = this
    const connect = () => connectNats({ settings: settings.nats, name: settings.node, log })
    return new ClusterNode({
      bus: new WaitingBus(connect, log),
      settings,
      threads,
      log,
      tell: note => {
        for (const thread of this.threads.all) thread.dialogue.tell(note)
      },
    })
  }

  private makeViews(cluster: ClusterNode): NodeViews {
    const { name, node } = cluster.status
    return new NodeViews(cluster.bus, {
      node,
      cluster: name,
      incarnation: () => cluster.status.incarnation,
      version: packageVersion(),
      status: () => this.status(),
      actors: (limit, pipeline) => this.actors(limit, pipeline),
    })
  }

  /** The actors of shared pipelines: of each thread how many there are, and some of them. */
  private actors(limit: number, pipeline: string | undefined): Promise<ThreadActors[]> {
    return readActors(this.threads.ready, limit, pipeline)
  }

  private threadSetup(): ThreadSetup {
    const { threads, script, transport, reusePort, logLevel, admin, roles, cluster } = this.options
    return {
      threads,
      script,
      generation: this.generation,
      transport,
      reusePort,
      logLevel,
      isVerifyOnly: false,
      measuresDelay: admin !== undefined,
      instance: this.instance,
      tracing: this.telemetry?.policy,
      shared: this.shared,
      gatheredSpans: this.gatheredSpans.buffer,
      roles,
      cluster,
    }
  }

  private makeTelemetry(): Telemetry | undefined {
    const { telemetry, version = '0' } = this.options
    if (telemetry === undefined) return undefined
    return new Telemetry(telemetry, { ...this.instance, version, pid: process.pid }, () => this.log)
  }

  private async openAdmin(): Promise<void> {
    const { admin } = this.options
    if (admin === undefined) return
    this.admin = new AdminServer(
      () => this.read(),
      (limit, pipeline) => this.actors(limit, pipeline),
      () => readReadiness(this.stage, this.threads, this.cluster),
    )
    try {
      await this.admin.listen(admin.address, admin.port)
    } catch (error) {
      throw new StartFailure(
        `The admin server cannot listen on ${admin.address}:${admin.port}: ${TrafficError.from(error).message}`,
      )
    }
    this.say(
      `Admin on http://${showEndpoint({ address: admin.address, port: this.admin.port })}`,
      'AdminReady',
    )
  }

  private async closeAdmin(): Promise<void> {
    await this.admin?.close()
    this.admin = undefined
  }

  private async awaitThreads(): Promise<void> {
    await this.firstReady.promise
    this.stage = 'serving'
  }

  private async renounce(): Promise<void> {
    this.firstReady.reject(new StartFailure('It was told to stop while it started.'))
    this.stage = 'draining'
    this.log.info('Draining: no new connections, those there are finish', { code: 'Draining' })
    await this.cluster?.drain()
  }

  /** Says where it listens, of each address once, also after a reload has brought new ones. */
  private announce(): void {
    const count = this.options.threads
    const now = new Set(this.threads.ready.flatMap(thread => thread.listeners.map(showEndpoint)))
    for (const endpoint of now) {
      if (!this.announced.has(endpoint))
        this.say(`Listening on ${endpoint} (${count} ${count === 1 ? 'thread' : 'threads'})`, 'Listening')
    }
    this.announced = now
  }

  /** What a person who started the process wants to read whatever the log level is. */
  private say(message: string, code: string): void {
    this.sink({ timeMs: wallMs(), level: 'info', message, fields: { code }, thread: undefined })
  }

  private async reloadNow(): Promise<string | undefined> {
    if (this.stage !== 'serving') {
      this.log.warn(`Reload ignored: the node is ${this.stage}`, { code: 'ReloadIgnored' })
      return `the node is ${this.stage}`
    }
    // Never used twice: a thread keeps the modules of every load, those that failed too.
    const generation = ++this.loads
    // A thread that is just starting may get the old script: it is brought up to date when it is ready.
    const failure = await reloadThreads(this.threads.ready, generation)
    if (failure !== undefined) {
      this.log.error(`Reload failed, the old script runs on.\n${failure}`, {
        code: 'ReloadFailed',
        source: 'script',
      })
      return failure
    }
    this.generation = generation
    if (this.threads.ready.some(thread => thread.generation !== generation)) void this.reload()
    this.releaseUnused()
    this.log.info('Reloaded the script', { code: 'Reloaded', generation })
    this.announce()
    return undefined
  }

  /** Closes sockets that no thread listens on any more: their backlog would fill with connections nobody takes. */
  private releaseUnused(): void {
    // A thread that is just being replaced does not tell what it is about to listen on.
    if (this.threads.ready.length < this.options.threads) return
    const inUse = new Set(this.threads.ready.flatMap(thread => thread.listeners.map(showEndpoint)))
    for (const [shown, { address, port }] of this.held) {
      if (inUse.has(shown)) continue
      this.sockets.release(address, port)
      this.held.delete(shown)
    }
  }

  private async drainThreads(): Promise<number> {
    const { drainTimeoutMs } = this.options
    const startedMs = monotonicMs()
    this.threads.expectEnd()
    this.sockets.close()
    const answers = await this.askReady<DrainAnswer>({ kind: 'drain', timeoutMs: drainTimeoutMs })
    const cut = answers.reduce((sum, answer) => sum + (answer?.cut ?? 0), 0)
    if (cut > 0)
      this.log.warn(
        `${cut} ${cut === 1 ? 'session was' : 'sessions were'} cut after ${drainTimeoutMs / 1000} s`,
        {
          code: 'DrainTimeout',
          cut,
        },
      )
    const leftMs = startedMs + drainTimeoutMs - monotonicMs()
    const timeoutMs = Math.min(flushMs.most, Math.max(flushMs.least, leftMs))
    // Twice, since what one of them writes last may go to another.
    await this.askReady({ kind: 'flush', timeoutMs })
    await this.askReady({ kind: 'flush', timeoutMs: flushMs.least })
    if (this.cluster !== undefined) {
      await this.askReady({ kind: 'leave', timeoutMs: leaveMs })
      // What other nodes had still on its way here.
      await this.askReady({ kind: 'flush', timeoutMs: flushMs.least })
    }
    await this.telemetry?.finishMetrics()
    return cut
  }

  /** Asks all threads something that takes time; those that do not answer are counted, and give undefined. */
  private askReady<Answer>(
    request: Extract<RequestToThread, { timeoutMs: number }>,
  ): Promise<(Answer | undefined)[]> {
    return Promise.all(
      this.threads.ready.map(async thread => {
        try {
          return await thread.dialogue.ask<Answer>(request, request.timeoutMs + answerMs)
        } catch (error) {
          this.lostThreads++
          this.log.error(
            `Thread ${thread.slot} did not ${request.kind}: ${TrafficError.from(error).message}`,
            {
              code: 'DrainFailed',
            },
          )
          return undefined
        }
      }),
    )
  }

  ready(thread: ServingThread): void {
    this.log.debug(`Thread ${thread.slot} is ready`, { code: 'ThreadReady', incarnation: thread.incarnation })
    if (this.threads.ready.length === this.options.threads) this.firstReady.resolve()
    if (this.stage === 'serving' && thread.generation !== this.generation) void this.reload()
  }

  failed(thread: ServingThread, text: string): void {
    if (this.stage === 'starting') this.firstReady.reject(new StartFailure(text))
    if (this.stage !== 'serving') return
    this.log.error(`Thread ${thread.slot} cannot use the script.\n${text}`, {
      code: 'ScriptError',
      source: 'script',
    })
    this.threads.replace(thread, 'it could not use the script')
  }

  started(thread: ServingThread): void {
    for (const note of this.cluster?.present ?? []) thread.dialogue.tell(note)
  }

  joined(thread: ServingThread, note: ClusterJoined): void {
    this.cluster?.joined(thread.slot, thread.incarnation, note)
  }

  died(thread: ServingThread, reason: FaultRecord, restartMs: number | undefined): void {
    this.cluster?.threadDied(thread.slot)
    if (this.stage === 'stopped') return
    const next =
      restartMs === undefined
        ? 'It is not replaced, because the process stops.'
        : restartMs === 0
          ? 'Its replacement starts.'
          : `Its replacement starts in ${restartMs} ms.`
    const when = thread.isReady ? '' : ' while starting'
    const why = reason.message.replace(`${faults.ThreadDied.summary}: `, '')
    this.countSpansOf(thread.slot)
    this.log.error(`Thread ${thread.slot} died${when}: ${why}. ${next}`, {
      code: reason.code,
      source: 'internal',
      incarnation: thread.incarnation,
      restartMs,
      stack: reason.stack,
    })
  }

  /** What a thread that is gone had not handed over. */
  private countSpansOf(slot: number): void {
    const spans = this.gatheredSpans[slot] as number
    this.gatheredSpans[slot] = 0
    if (spans > 0) this.telemetry?.take(slot, { spans: 0, values: [], lost: { 'thread-died': spans } })
  }

  logged(records: readonly LogRecord[]): void {
    for (const record of records) this.sink(record)
  }

  traced(thread: ServingThread, batch: SpanBatch): void {
    this.telemetry?.take(thread.slot, batch)
  }

  exitAsked(code: number): void {
    this.options.onExit?.(code)
  }

  restartAsked(): void {
    void this.reload()
  }

  async acquireSocket(thread: ServingThread, request: RequestToMain): Promise<SocketAnswer> {
    const { address, port, reusePort } = request
    if (!ListeningSockets.isSupported) return { port }
    const socket = await this.sockets.acquire({ address, port, slot: thread.slot, reusePort })
    this.held.set(showEndpoint({ address, port: socket.port }), { address, port: socket.port })
    return socket
  }
}

const showEndpoint = ({ address, port }: ListeningOn): string => formatAddress(address, port)
