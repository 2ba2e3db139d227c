import type { TrafficError } from '../runtime/errors.ts'
import type { Logger } from '../runtime/log.ts'
import type { Transport } from '../runtime/net/transport.ts'
import type { Builtins, Context, ThreadInfo } from './context.ts'
import type { Inbound } from './inbound.ts'
import { Edge, type EdgeKind, type Policy } from './kernel/ledger.ts'
import type { NodePipelines } from './node-pipelines.ts'
import type { PipelineLayout } from './pipeline.ts'
import type { Session } from './session.ts'

/** What a program needs from the thread it runs in. */
export interface Surroundings {
  readonly transport: Transport
  readonly thread: ThreadInfo
  readonly log: Logger
  /** Turns a fault of a script's callback into text with file, line and offending line. */
  readonly explain: (fault: TrafficError) => string
  /** Reaches the pipelines with `placement: 'node'`. */
  readonly nodePipelines: NodePipelines
  /** Asks the process for a listening socket; no `fd` means: bind one yourself. */
  readonly acquireSocket: (
    address: string,
    port: number,
  ) => Promise<{ readonly fd?: number | undefined; readonly port: number }>
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
  /** What it listens on, once it does. */
  readonly listening:
    | { readonly address: string; readonly port: number; readonly connections: number }
    | undefined
}

/**
 * A script, read and checked: its variables, its layouts and its sources. One per thread and generation.
 */
export class Program {
  readonly filename: string
  readonly pipelines = new Map<string, PipelineLayout>()
  readonly sources: Source[] = []
  readonly edges: Edge[] = []
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

  /** A callback of the script has thrown: tells the log, at most as often as the logger lets through. */
  reportFault(path: string, fault: TrafficError): void {
    const { log, explain } = this.surroundings
    log.error(explain(fault), { code: fault.code, source: fault.source, path })
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
