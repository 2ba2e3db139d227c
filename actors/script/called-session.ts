import { TrafficError } from '../../runtime/errors.ts'
import { type Event, Kind, StreamEnd } from '../../runtime/event.ts'
import { show } from '../../runtime/options.ts'
import type { DialectModule } from '../../runtime/script/dialect-modules.ts'
import { scope } from '../../runtime/script/scope.ts'
import { turn } from '../../runtime/turn.ts'
import type { Context } from '../context.ts'
import type { Latin1 } from '../filter.ts'
import { emitReplacement } from '../filters/replacement.ts'
import type { PipelineLayout } from '../pipeline.ts'
import type { Program, Source } from '../program.ts'
import { Session } from '../session.ts'
import { definitionOf } from './builder.ts'

/** A session whose events come from a script. What it puts out goes nowhere; its end is the end of the session. */
export class CalledSession extends Session {
  private hasStarted = false

  constructor(program: Program, layout: PipelineLayout, context: Context) {
    super(program, layout, context)
    CalledSessions.of(program).open.add(this)
  }

  /** Gives it events in the turn in which the script runs. */
  feed(events: unknown): void {
    const { source } = turn
    turn.begin(source)
    try {
      emitReplacement(events, { takesText: false, process: event => this.enter(event as Event, null) })
    } finally {
      turn.end()
      turn.source = source
    }
  }

  /** Nothing more will come: it finishes what it is at, and the program waits for it. */
  end(): void {
    if (this.isStopped || this.hasStarted) return
    this.hasStarted = true
    this.program.sessionStarted(this)
    this.feed(new StreamEnd())
  }

  override process(event: Event | Latin1): void {
    if (event.kind === Kind.streamEnd) this.stop()
  }

  protected override stopped(): void {
    super.stopped()
    CalledSessions.of(this.program).open.delete(this)
    if (this.hasStarted) this.program.sessionEnded(this)
  }
}

/** Those of one program: they end when all others have, since those may still have something for them. */
class CalledSessions implements Source {
  private static readonly all = new WeakMap<Program, CalledSessions>()

  static of(program: Program): CalledSessions {
    let sessions = CalledSessions.all.get(program)
    if (sessions === undefined) {
      sessions = new CalledSessions()
      CalledSessions.all.set(program, sessions)
      program.sources.push(sessions)
    }
    return sessions
  }

  readonly listening = undefined
  readonly open = new Set<CalledSession>()

  async start(): Promise<void> {}

  stop(): void {}

  finish(): void {
    for (const session of [...this.open]) session.end()
  }
}

/** A script that has forgotten a session gives it no more events. */
const forgotten = new FinalizationRegistry<CalledSession>(session => session.end())

/**
 * `Session` of Pipy's first generation, for the callbacks of one file: `new Session(file, pipeline)` runs a pipeline
 * of another file, in the context of the callback, and `input` feeds it.
 */
export function sessionClass(module: DialectModule): new (file: string, pipeline: string) => object {
  return class ScriptSession {
    private readonly running: CalledSession
    private readonly context: Context

    constructor(file: string, pipeline: string) {
      this.context = currentContext()
      const { program, layout } = find(module, file, pipeline)
      this.running = new CalledSession(program, layout, this.context)
      forgotten.register(this, this.running)
    }

    /** Its pipeline has put out the end of the stream. */
    get done(): boolean {
      return this.running.isStopped
    }

    get remoteAddress(): string | undefined {
      return this.context.__inbound?.remoteAddress
    }

    get remotePort(): number | undefined {
      return this.context.__inbound?.remotePort
    }

    get localAddress(): string | undefined {
      return this.context.__inbound?.localAddress
    }

    get localPort(): number | undefined {
      return this.context.__inbound?.localPort
    }

    /** Feeds events, messages, and arrays of them. */
    input(...events: unknown[]): void {
      if (!this.running.isStopped) this.running.feed(events)
    }
  }
}

function currentContext(): Context {
  if (scope.current === undefined)
    throw new TrafficError(
      'ScriptError',
      'new Session() stands outside of a callback: a session has the context of the callback that makes it',
    )
  return scope.current as Context
}

function find(
  module: DialectModule,
  file: string,
  pipeline: string,
): { program: Program; layout: PipelineLayout } {
  if (typeof file !== 'string' || typeof pipeline !== 'string')
    throw new TrafficError(
      'RuntimeError',
      `Session wants a file and the name of a pipeline in it, and got ${show(file)} and ${show(pipeline)}`,
    )
  const assembled = definitionOf(module.use(file)?.value)?.assembled
  if (assembled === undefined)
    throw new TrafficError(
      'RuntimeError',
      `Session finds no module '${file}'; name the main script, or a file that it uses, as it is called from its folder`,
    )
  const layout = assembled.pipelines.get(pipeline)
  if (layout === undefined) throw new TrafficError('UnknownPipeline', `'${pipeline}' in module ${file}`)
  return { program: assembled.program, layout }
}
