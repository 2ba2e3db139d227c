import { after, monotonicMs } from '../runtime/clock.ts'
import { TrafficError } from '../runtime/errors.ts'
import type { Logger } from '../runtime/log.ts'
import type { Transport } from '../runtime/net/transport.ts'
import type { Mesh } from '../runtime/pool/mesh.ts'
import { formatScriptError, reportOf } from '../runtime/script/script-error.ts'
import type { ActorList, HostStatus, LedgerRow } from './host.ts'
import { kernel } from './kernel/actor.ts'
import { sumLedgers } from './kernel/ledger-sum.ts'
import type { Program, Surroundings } from './program.ts'
import { assemble } from './script/assemble.ts'
import { definitionOf } from './script/builder.ts'
import type { ClusterLink } from './shared/cluster-link.ts'
import { NodeHost } from './shared/node-host.ts'
import type { SharedPipeline } from './shared/shared-pipelines.ts'
import type { Sinks } from './sink.ts'
import type { SubjectSpace } from './subjects.ts'

/** What a thread gives its host. */
export interface HostEnvironment {
  readonly thread: number
  readonly threads: number
  readonly transport: Transport
  readonly acquireSocket: (
    address: string,
    port: number,
  ) => Promise<{ readonly fd?: number | undefined; readonly port: number }>
  /** Calls `run` whenever the process gets a signal. Returns a function that calls it off. */
  readonly onSignal?: ((signal: string, run: () => void) => () => void) | undefined
  /** The way to the other threads; undefined when there are none. */
  readonly mesh: Mesh | undefined
  /** The way to the other nodes; undefined when the node is alone. */
  readonly cluster?: ClusterLink | undefined
  /** What the node is there for; undefined: for everything. */
  readonly roles?: readonly string[] | undefined
  /** What scripts publish to and subscribe to; undefined when the node is alone. */
  readonly subjectSpace?: SubjectSpace | undefined
  readonly log: Logger
  /** Where traffic logs go; undefined: nowhere. */
  readonly sinks?: Sinks | undefined
  /** Path of the script, for `__filename` and error reports. */
  readonly script?: string | undefined
}

/** How long pipelines that a reload has ended may go on writing to their sinks, and how long those then have. */
const sinksOpenMs = 30_000

/**
 * Runs programs in one thread: one at a time, and after a reload the sessions of the one before until they end.
 */
export class ThreadHost {
  private readonly env: HostEnvironment
  private readonly nodeHost: NodeHost
  private current: Program | undefined
  private readonly retired = new Set<Program>()
  /** The ledgers of programs that have ended, added up. */
  private past: readonly LedgerRow[] = []
  private hostsForOthers = false

  constructor(env: HostEnvironment) {
    this.env = env
    this.nodeHost = new NodeHost(env.mesh, env.thread, env.threads, env.cluster)
  }

  /** Whether the program has anything that keeps it going: sources, or pipelines that other nodes send to. */
  get hasSources(): boolean {
    const isKept = this.current?.sources.some(source => source.isIdle !== true) === true
    return isKept || (this.env.cluster !== undefined && this.hostsForOthers)
  }

  /** Checks what a script built, and runs nothing of it. @throws TrafficError */
  verify(builder: unknown): void {
    this.assemble(builder)
  }

  /** Starts it. Rejects with TrafficError when it cannot run, and leaves nothing of it behind. */
  async start(builder: unknown): Promise<void> {
    const { program, shared } = this.assemble(builder)
    if (this.env.cluster === undefined) checkHosted(shared.values(), this.env.roles)
    const entry = this.nodeHost.enter(program, shared)
    try {
      await program.start()
    } catch (error) {
      program.stop()
      void program.closeSinks(0)
      entry.undo()
      throw error
    }
    entry.confirm()
    this.current = program
    this.hostsForOthers = [...shared.values()].some(each => each.placement === 'cluster' && each.isHosted)
  }

  /** Puts it in the place of what runs: new sessions are its own, those of the old one go on to their end. */
  async reload(builder: unknown): Promise<void> {
    const old = this.current
    await this.start(builder)
    if (old !== undefined) this.retire(old)
  }

  private retire(program: Program): void {
    this.retired.add(program)
    void program.retire().then(() => {
      this.nodeHost.leave(program)
      if (program.sinkPlaces.length === 0) this.forget(program)
      else
        after(sinksOpenMs, () => {
          void program.closeSinks(sinksOpenMs).then(() => this.forget(program))
        })
    })
  }

  /** Its counters are kept: they do not go back because a script was loaded anew. */
  private forget(program: Program): void {
    this.retired.delete(program)
    this.past = sumLedgers([...this.past, ...program.edges.map(edge => edge.row())])
  }

  /** Ends sources, and resolves when all sessions are done; after `timeoutMs` at the latest, which cuts the rest. */
  async drain(timeoutMs: number): Promise<void> {
    const programs = this.programs()
    const done = Promise.all(programs.map(program => program.drain()))
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const cancel = after(timeoutMs, resolve)
    await Promise.race([done, late])
    cancel()
  }

  /**
   * Ends the streams of the shared pipelines, so that they write what they have gathered; for at most `timeoutMs`. To be
   * called when all threads have drained, since sessions of any may send to them. Sinks write what they have at once, from
   * then on: those pipelines may wait for it.
   */
  async flush(timeoutMs: number): Promise<void> {
    const untilMs = monotonicMs() + timeoutMs
    void this.flushSinks(timeoutMs)
    await this.nodeHost.flush(timeoutMs)
    await this.flushSinks(Math.max(0, untilMs - monotonicMs()))
  }

  private async flushSinks(limitMs: number): Promise<void> {
    await Promise.all(this.programs().map(program => program.flushSinks(limitMs)))
  }

  /** After `stop`: what sinks have not written after so long is dropped. */
  async closeSinks(limitMs: number): Promise<void> {
    await Promise.all(this.programs().map(program => program.closeSinks(limitMs)))
  }

  /** Ends everything now. */
  stop(): void {
    for (const program of this.programs()) program.stop()
    this.nodeHost.stop()
  }

  private programs(): Program[] {
    return this.current === undefined ? [...this.retired] : [this.current, ...this.retired]
  }

  /** The actors of shared pipelines on this thread; see `NodeHost.actors`. */
  actors(limit: number, pipeline?: string): ActorList {
    return this.nodeHost.actors(limit, pipeline)
  }

  status(): HostStatus {
    const programs = this.programs()
    return {
      thread: this.env.thread,
      sessions: programs.reduce((sum, program) => sum + program.sessions.size, 0),
      listeners:
        this.current?.sources.flatMap(source => (source.listening === undefined ? [] : [source.listening])) ??
        [],
      edges: [
        ...this.past,
        ...programs.flatMap(program => program.edges.map(edge => edge.row())),
        ...(this.env.sinks?.rows() ?? []),
        ...(this.env.cluster?.rows() ?? []),
      ],
      sinks: this.env.sinks?.status() ?? [],
      deadLetters: kernel.deadLetters.count,
      loads: this.nodeHost.loads(),
    }
  }

  private assemble(builder: unknown): ReturnType<typeof assemble> {
    const definition = definitionOf(builder)
    if (definition === undefined)
      throw new TrafficError(
        'ScriptError',
        'the script gives no pipelines; export what sluice() began, as in export default sluice().listen(8000)…',
      )
    const { env } = this
    const surroundings: Surroundings = {
      transport: env.transport,
      thread: { id: env.thread, concurrency: env.threads },
      log: env.log,
      explain: fault => explain(fault, env.script),
      sharedPipelines: this.nodeHost,
      roles: env.roles,
      acquireSocket: env.acquireSocket,
      onSignal: env.onSignal,
      sinks: env.sinks,
      subjectSpace: env.subjectSpace,
    }
    return assemble(definition, env.script ?? '', surroundings)
  }
}

/**
 * A node alone must do itself what is sent to a pipeline: nobody else ever will.
 *
 * @throws TrafficError `ScriptError`
 */
function checkHosted(shared: Iterable<SharedPipeline>, roles: readonly string[] | undefined): void {
  for (const { name, isHosted, role, layout } of shared) {
    if (isHosted) continue
    const why =
      layout.filters.length === 0
        ? 'it has no filters here, so that other nodes are to run it'
        : `it is for nodes with the role '${role}', and this one was started with --roles=${roles?.join(',')}`
    throw new TrafficError(
      'ScriptError',
      `nobody runs pipeline '${name}': ${why}, and without --nats there are none`,
    )
  }
}

/** A fault for the log: with file, line and the line itself when a callback of the script threw it. */
function explain(fault: TrafficError, file: string | undefined): string {
  if (fault.source !== 'script') return fault.message
  return formatScriptError(reportOf(fault.cause instanceof Error ? fault.cause : fault, { file }))
}
