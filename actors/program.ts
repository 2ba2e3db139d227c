import { TrafficError } from '../runtime/errors.ts'
import type { Logger } from '../runtime/log.ts'
import type { Transport } from '../runtime/net/transport.ts'
import type { TraceContext } from '../runtime/trace/trace-context.ts'
import type { Builtins, Context, ThreadInfo } from './context.ts'
import type { Listening } from './host.ts'
import type { Inbound } from './inbound.ts'
import { Edge, type EdgeKind, type Policy } from './kernel/ledger.ts'
import type { PipelineLayout } from './pipeline.ts'
import type { Session } from './session.ts'
import type { SharedPipelines } from './shared/shared-pipelines.ts'
import { SinkPlace, type Sinks } from './sink.ts'
import { noSubjects, type SubjectSpace } from './subjects.ts'

/** What a program needs from the thread it runs in. */
export interface Surroundings {
  readonly transport: Transport
  readonly thread: ThreadInfo
  readonly log: Logger
  /** Turns a fault of a script's callback into text with file, line and offending line. */
  readonly explain: (fault: TrafficError) => string
  /** Reaches the pipelines with `placement: 'node'` and `'cluster'`. */
  readonly sharedPipelines: SharedPipelines
  /** What the node is there for, by `--roles`; undefined: for everything. */
  readonly roles?: readonly string[] | undefined
  /** Asks the process for a listening socket; no `fd` means: bind one yourself. */
  readonly acquireSocket: (
    address: string,
    port: number,
  ) => Promise<{ readonly fd?: number | undefined; readonly port: number }>
  /** What `subscribe` and `publish` work with; undefined in a process that is in no cluster. */
  readonly subjectSpace?: SubjectSpace | undefined
  /** Where traffic logs go; a host without them runs scripts that log none. */
  readonly sinks?: Sinks | undefined
  /** Calls `run` whenever the process gets a signal. Returns a function that calls it off. */
  readonly onSignal?: ((signal: string, run: () => void) => () => void) | undefined
}

/** A source of sessions: `listen`, `task`. */
export interface Source {
  /** Starts it; rejects when it cannot. */
  start(): Promise<void>
  /** No new sessions from now on. */
  stop(): void
  /** The traffic is over: last things may be done. */
  finish?(): void
  /** It waits for nothing, and does not keep a process going by itself. */
  readonly isIdle?: boolean
  /** What it listens on, once it does. */
  readonly listening: Listening | undefined
}

/**
 * A script, read and checked: its variables, its layouts and its sources. One per thread and generation.
 */
export class Program {
  readonly filename: string
  readonly pipelines = new Map<string, PipelineLayout>()
  readonly sources: Source[] = []
  readonly edges: Edge[] = []
  readonly sinkPlaces: SinkPlace[] = []
  /** What in the script sends to subjects. */
  private readonly publishing: string[] = []
  readonly sessions = new Set<Session>()
  readonly surroundings: Surroundings
  isDraining = false
  private readonly variables: Readonly<Record<string, unknown>>
  private idle: PromiseWithResolvers<void> | undefined
  private ending: Promise<void> | undefined
  private readonly background = new Map<object, (() => void) | undefined>()
  private sessionIds = 0

  constructor(filename: string, variables: Readonly<Record<string, unknown>>, surroundings: Surroundings) {
    this.filename = filename
    this.variables = variables
    this.surroundings = surroundings
  }

  /** A context from scratch: initial values are shared by reference, as evaluated once at load. */
  newContext(inbound: Inbound | undefined): Context {
    const builtins: Builtins = {
      __inbound: inbound,
      __thread: this.surroundings.thread,
      __filename: this.filename,
    }
    return { ...this.variables, ...builtins }
  }

  newEdge(kind: EdgeKind, from: string, to: string, policy: Policy): Edge {
    const edge = new Edge(kind, from, to, policy)
    this.edges.push(edge)
    return edge
  }

  /** A place that writes to a sink. @throws TrafficError `BadOption` */
  sinkPlace(kind: string, options: unknown, place: string): SinkPlace {
    const { sinks } = this.surroundings
    if (sinks === undefined)
      throw new TrafficError('BadOption', `there are no sinks here to write to: ${place}`)
    // Two in one pipeline have the same name: each has its own ledger and buffer all the same.
    const namesakes = this.sinkPlaces.filter(each => each.name === place || each.name.startsWith(`${place}#`))
    const name = namesakes.length === 0 ? place : `${place}#${namesakes.length + 1}`
    const made = new SinkPlace(sinks, kind, options, name)
    this.sinkPlaces.push(made)
    return made
  }

  /** Writes what its sinks have; for at most so long. */
  async flushSinks(limitMs: number): Promise<void> {
    await Promise.all(this.sinkPlaces.map(place => place.current?.flush(limitMs)))
  }

  /** Writes what its sinks have and closes them; what is not settled after so long is dropped. */
  async closeSinks(limitMs: number): Promise<void> {
    await Promise.all(this.sinkPlaces.map(place => place.current?.close(limitMs)))
  }

  /** Something in the script sends to subjects: without them it cannot start, though it can be checked. */
  needsSubjects(place: string): void {
    this.publishing.push(place)
  }

  /** A callback of the script has thrown: tells the log, at most as often as the logger lets through. */
  reportFault(path: string, fault: TrafficError, trace: TraceContext | null = null): void {
    const { log, explain } = this.surroundings
    const place = trace === null ? undefined : { trace_id: trace.traceId, span_id: trace.spanId }
    log.error(explain(fault), { code: fault.code, source: fault.source, path, ...place })
  }

  nextSessionId(): number {
    return ++this.sessionIds
  }

  sessionStarted(session: Session): void {
    this.sessions.add(session)
  }

  sessionEnded(session: Session): void {
    this.sessions.delete(session)
    this.checkIdle()
  }

  /**
   * Work that outlives its session, like a copy that is still being sent: draining waits for it.
   *
   * @param drain told when the program winds down, so that the work comes to an end
   */
  entered(work: object, drain?: () => void): void {
    this.background.set(work, drain)
  }

  left(work: object): void {
    this.background.delete(work)
    this.checkIdle()
  }

  private get isIdle(): boolean {
    return this.sessions.size === 0 && this.background.size === 0
  }

  private checkIdle(): void {
    if (this.idle !== undefined && this.isIdle) this.idle.resolve()
  }

  async start(): Promise<void> {
    const started: Source[] = []
    try {
      const [place] = this.publishing
      if (place !== undefined && this.surroundings.subjectSpace === undefined) throw noSubjects(place)
      for (const place of this.sinkPlaces) void place.sink
      for (const source of this.sources) {
        await source.start()
        started.push(source)
      }
    } catch (error) {
      for (const source of started) source.stop()
      throw error
    }
  }

  /** No new sessions; those there are finish what they are at. Resolves when none is left. */
  drain(): Promise<void> {
    return this.windDown(true)
  }

  /** Another program has taken over: the same, but nobody is hurried, so that no client sees a connection close on it. */
  retire(): Promise<void> {
    return this.windDown(false)
  }

  private windDown(closesIdle: boolean): Promise<void> {
    this.isDraining = true
    for (const source of this.sources) source.stop()
    for (const session of [...this.sessions]) session.drain(closesIdle)
    for (const drain of [...this.background.values()]) drain?.()
    // A program that was retired may be drained as well: both wait for the same.
    this.ending ??= this.finish()
    return this.ending
  }

  /** When the traffic is done, what was gathered of it (a batch of a log) is given the chance to leave. */
  private async finish(): Promise<void> {
    await this.whenIdle()
    for (const source of this.sources) source.finish?.()
    await this.whenIdle()
  }

  private async whenIdle(): Promise<void> {
    if (this.isIdle) return
    this.idle = Promise.withResolvers<void>()
    await this.idle.promise
    this.idle = undefined
  }

  /** Ends everything now. */
  stop(): void {
    this.isDraining = true
    for (const source of this.sources) source.stop()
    for (const session of [...this.sessions]) session.stop()
  }
}
