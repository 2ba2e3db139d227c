import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { createLogger, type LogRecord, type LogSink } from '../observability/log.ts'
import { monotonicMs, wallMs } from '../runtime/clock.ts'
import { type FaultRecord, faults, TrafficError } from '../runtime/errors.ts'
import type { Logger, LogLevel } from '../runtime/log.ts'
import { ListeningSockets } from '../runtime/net/listening-sockets.ts'
import { SharedCells } from '../runtime/shared-cells.ts'
import { AdminServer } from './admin.ts'
import { type NodeStatus, readStatus } from './node-status.ts'
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
import { StatsArchive } from './stats-archive.ts'
import { type ServingThread, Threads, type ThreadsListener } from './threads.ts'

export interface NodeOptions {
  /** Absolute path. */
  readonly script: string
  /** Arguments for the script. */
  readonly args: readonly string[]
  readonly threads: number
  readonly transport: TransportChoice
  readonly reusePort: boolean
  readonly logLevel: LogLevel
  /** Sessions that are not done by then are cut when the node stops. */
  readonly drainTimeoutMs: number
  readonly admin?: { readonly address: string; readonly port: number } | undefined
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
/** What a thread may need to end once it was told to. */
const stopMs = 1000

/**
 * A Sluice process: the main thread, which carries no traffic, and the worker threads, which carry all of it.
 *
 *     up                                    down, in reverse order
 *     1 openAdmin      healthy, not ready       closeAdmin
 *     2 holdSockets    ports outlive threads    releaseSockets
 *     3 startThreads   each loads the script    stopThreads
 *     4 awaitThreads   all of them listen       drainThreads
 *     5 announce       ready                    renounce: not ready any more
 */
export class TrafficNode implements ThreadsListener {
  private readonly options: NodeOptions
  private readonly log: Logger
  private readonly sockets = new ListeningSockets()
  private readonly stats = new StatsArchive()
  private readonly instance = { name: hostname(), uuid: randomUUID() }
  private readonly shared = SharedCells.allocate()
  private readonly threads: Threads
  private readonly firstReady = Promise.withResolvers<void>()
  private readonly startedMs = monotonicMs()
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
    this.log = createLogger({ level: options.logLevel, sink: options.sink })
    this.threads = new Threads({
      count: options.threads,
      setup: () => this.threadSetup(),
      maxHeapMb: options.maxHeapMb,
      args: options.args,
      listener: this,
    })
    // `start` may not have come to the point of waiting for it when it fails.
    this.firstReady.promise.catch(() => {})
  }

  /** Resolves when all threads serve. Rejects with StartFailure when the script cannot be used; nothing is left then. */
  async start(): Promise<void> {
    try {
      await this.openAdmin()
      this.threads.start()
      await this.awaitThreads()
      this.announce()
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
    this.renounce()
    const cut = await this.drainThreads()
    await this.halt()
    return { cut, lostThreads: this.lostThreads }
  }

  /** Ends all threads at once, cutting what they are at. */
  async halt(): Promise<void> {
    this.stage = 'stopped'
    await this.threads.stop(stopMs)
    this.sockets.close()
    await this.closeAdmin()
  }

  status(): Promise<NodeStatus> {
    return readStatus({
      threads: this.threads,
      stats: this.stats,
      threadCount: this.options.threads,
      stage: this.stage,
      generation: this.generation,
      upMs: monotonicMs() - this.startedMs,
    })
  }

  /** Where the admin server listens. */
  get adminPort(): number | undefined {
    return this.admin?.port
  }

  private threadSetup(): ThreadSetup {
    const { threads, script, transport, reusePort, logLevel, admin } = this.options
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
      shared: this.shared,
    }
  }

  private async openAdmin(): Promise<void> {
    const { admin } = this.options
    if (admin === undefined) return
    this.admin = new AdminServer(
      () => this.status(),
      () => this.stage === 'serving' && this.threads.ready.length > 0,
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

  private renounce(): void {
    this.firstReady.reject(new StartFailure('It was told to stop while it started.'))
    this.stage = 'draining'
    this.log.info('Draining: no new connections, those there are finish', { code: 'Draining' })
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
    this.options.sink({ timeMs: wallMs(), level: 'info', message, fields: { code }, thread: undefined })
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

  died(thread: ServingThread, reason: FaultRecord, restartMs: number | undefined): void {
    if (this.stage === 'stopped') return
    const next =
      restartMs === undefined
        ? 'It is not replaced, because the process stops.'
        : restartMs === 0
          ? 'Its replacement starts.'
          : `Its replacement starts in ${restartMs} ms.`
    const when = thread.isReady ? '' : ' while starting'
    const why = reason.message.replace(`${faults.ThreadDied.summary}: `, '')
    this.log.error(`Thread ${thread.slot} died${when}: ${why}. ${next}`, {
      code: reason.code,
      source: 'internal',
      incarnation: thread.incarnation,
      restartMs,
      stack: reason.stack,
    })
  }

  logged(records: readonly LogRecord[]): void {
    for (const record of records) this.options.sink(record)
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

function showEndpoint({ address, port }: ListeningOn): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
