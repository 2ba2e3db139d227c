import { after } from '../runtime/clock.ts'
import { TrafficError } from '../runtime/errors.ts'
import type { Logger } from '../runtime/log.ts'
import type { Transport } from '../runtime/net/transport.ts'
import type { Mesh } from '../runtime/pool/mesh.ts'
import { formatScriptError, reportOf } from '../runtime/script/script-error.ts'
import type { HostStatus } from './host.ts'
import { kernel } from './kernel/actor.ts'
import { NodeHost } from './node-host.ts'
import type { Program, Surroundings } from './program.ts'
import { assemble } from './script/assemble.ts'
import { definitionOf } from './script/builder.ts'

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
  readonly log: Logger
  /** Path of the script, for `__filename` and error reports. */
  readonly script?: string | undefined
}

/**
 * Runs programs in one thread: one at a time, and after a reload the sessions of the one before until they end.
 */
export class ThreadHost {
  private readonly env: HostEnvironment
  private readonly nodeHost: NodeHost
  private current: Program | undefined
  private readonly retired = new Set<Program>()

  constructor(env: HostEnvironment) {
    this.env = env
    this.nodeHost = new NodeHost(env.mesh, env.thread, env.threads)
  }

  /** Whether the program has anything that keeps it going. */
  get hasSources(): boolean {
    return (this.current?.sources.length ?? 0) > 0
  }

  /** Checks what a script built, and runs nothing of it. @throws TrafficError */
  verify(builder: unknown): void {
    this.assemble(builder)
  }

  /** Starts it. Rejects with TrafficError when it cannot run, and leaves nothing of it behind. */
  async start(builder: unknown): Promise<void> {
    const { program, shared } = this.assemble(builder)
    const entry = this.nodeHost.enter(program, shared)
    try {
      await program.start()
    } catch (error) {
      program.stop()
      entry.undo()
      throw error
    }
    entry.confirm()
    this.current = program
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
      this.retired.delete(program)
      this.nodeHost.leave(program)
    })
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
   * called when all threads have drained, since sessions of any may send to them.
   */
  flush(timeoutMs: number): Promise<void> {
    return this.nodeHost.flush(timeoutMs)
  }

  /** Ends everything now. */
  stop(): void {
    for (const program of this.programs()) program.stop()
    this.nodeHost.stop()
  }

  private programs(): Program[] {
    return this.current === undefined ? [...this.retired] : [this.current, ...this.retired]
  }

  status(): HostStatus {
    const programs = this.programs()
    return {
      thread: this.env.thread,
      sessions: programs.reduce((sum, program) => sum + program.sessions.size, 0),
      listeners:
        this.current?.sources.flatMap(source => (source.listening === undefined ? [] : [source.listening])) ??
        [],
      edges: programs.flatMap(program => program.edges.map(edge => edge.row())),
      deadLetters: kernel.deadLetters.count,
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
      nodePipelines: this.nodeHost,
      acquireSocket: env.acquireSocket,
      onSignal: env.onSignal,
    }
    return assemble(definition, env.script ?? '', surroundings)
  }
}

/** A fault for the log: with file, line and the line itself when a callback of the script threw it. */
function explain(fault: TrafficError, file: string | undefined): string {
  if (fault.source !== 'script') return fault.message
  return formatScriptError(reportOf(fault.cause instanceof Error ? fault.cause : fault, { file }))
}
